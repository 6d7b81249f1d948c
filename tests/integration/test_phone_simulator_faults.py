"""Each named fault strikes as it says, REST changes live calls, and the command places them."""

import asyncio
import json
import os
import sys
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from simulators.phone import PhoneCompany
from simulators.phone_faults import Fault, Kind
from simulators.phone_report import CallReport
from simulators.phone_scripts import HangUp, Script, Wait
from tests.integration.phone_application import (
    LISTENER,
    PUBLIC,
    STAYS,
    TOKEN,
    MediaSession,
    Scene,
    connect,
    scene,
    twiml,
)

VOICE = "/twilio/voice"
ACCOUNT = "AC" + "0" * 32


async def place_with(on: Scene, *faults: Fault, script: Script = LISTENER) -> CallReport:
    on.application.answer(VOICE, twiml(connect(parameters='<Parameter name="a" value="1"/>')))
    return await on.company.place("+1555", "+1556", script, faults=faults)


async def test_a_lost_socket_is_a_reset_and_the_call_goes_on() -> None:
    async with scene() as on:
        on.application.answer(VOICE, twiml(connect(), connect(), "<Hangup/>"))
        faults = [Fault("lose_socket", at_ms=200)]

        async def greet_the_second_time(session: MediaSession) -> None:
            await (session.greet() if len(on.application.sessions) == 2 else session.drain())

        on.application.media = greet_the_second_time
        report = await on.company.place("+1555", "+1556", LISTENER, faults=faults)
        assert len(on.application.sessions) == 2
        events = [message["event"] for message in on.application.sessions[0].messages]
    assert "stop" not in events
    assert report.error_codes == [31903]
    assert [log.ended_by for log in report.streams] == ["lost", "caller"]
    assert report.streams[0].ended_ms - report.streams[0].started_ms >= 200


@pytest.mark.parametrize("kind", ["binary", "malformed", "oversized"])
async def test_rubbish_reaches_the_application(kind: Kind) -> None:
    received: list[aiohttp.WSMessage] = []
    async with scene() as on:

        async def listen(session: MediaSession) -> None:
            await session.begin()
            await session.say("Hello.")
            async for message in session.ws:
                received.append(message)

        on.application.media = listen
        await place_with(on, Fault(kind, at_ms=100, size=1000))
    texts = [message.data for message in received if message.type is aiohttp.WSMsgType.TEXT]
    binary = [message for message in received if message.type is aiohttp.WSMsgType.BINARY]
    assert bool(binary) == (kind == "binary")
    assert ('{"event":"media","media":' in texts) == (kind == "malformed")
    assert any(len(text) > 1000 for text in texts) == (kind == "oversized")


async def test_a_flood_comes_faster_than_audio_can() -> None:
    async with scene() as on:
        report = await place_with(on, Fault("flood", at_ms=100, count=300))
        events = [message["event"] for message in on.application.sessions[0].messages]
    assert events.count("media") >= 300
    lived_ms = report.streams[0].ended_ms - report.streams[0].started_ms
    assert events.count("media") > lived_ms / 20 + 200


async def test_numbers_come_out_of_order() -> None:
    async with scene() as on:
        await place_with(on, Fault("scramble", at_ms=100))
        messages = on.application.sessions[0].messages[1:]
    numbers = [int(message["sequenceNumber"]) for message in messages]
    assert numbers != sorted(numbers)


async def test_start_can_lie_or_be_missing() -> None:
    async with scene() as on:
        await place_with(on, Fault("wrong_parameters", parameters=(("a", "2"),)))
        await place_with(
            on, Fault("no_start"), script=Script("x", (Wait(8000), HangUp()), patience_ms=120_000)
        )
        lied, silent = on.application.sessions
    assert lied.messages[1]["start"]["customParameters"] == {"a": "2"}
    assert "start" not in [message["event"] for message in silent.messages]


@pytest.mark.parametrize("kind", ["forged_upgrade", "unsigned_upgrade"])
async def test_the_handshake_can_be_forged(kind: Kind) -> None:
    async with scene() as on:
        await place_with(on, Fault(kind))
        upgrade = on.application.upgrade
    assert upgrade is not None
    assert not upgrade.signed
    assert ("X-Twilio-Signature" in upgrade.headers) == (kind == "forged_upgrade")


async def test_a_server_that_is_not_there_or_speaks_no_tls() -> None:
    async with scene(humans={}) as on:
        nowhere = {
            "https://voice.example.com": on.local,
            "wss://voice.example.com": "ws://127.0.0.1:1",
        }
        plain = nowhere | {"wss://voice.example.com": on.local.replace("http", "wss")}
        codes = []
        for rewrites in (nowhere, plain):
            on.application.answer(VOICE, twiml(connect(), "<Hangup/>"))
            company = PhoneCompany(
                auth_token=TOKEN, voice_url=PUBLIC + VOICE, public_url_rewrites=rewrites
            )
            async with company:
                codes.append((await company.place("+1555", "+1556", STAYS)).error_codes)
    assert codes == [[31902], [31910]]


async def test_a_mute_caller_sends_nothing_for_a_while() -> None:
    async with scene() as on:
        await place_with(on, Fault("mute", at_ms=100, lasts_ms=300))
        media = [m for m in on.application.sessions[0].messages if m["event"] == "media"]
    stamps = [int(message["media"]["timestamp"]) for message in media]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    assert max(gaps) == 320
    assert sorted(gaps)[-2] == 20


async def test_a_slow_reader_hears_everything_later() -> None:
    async with scene() as on:

        async def greet(session: MediaSession) -> None:
            await session.begin()
            await session.say("Late but whole.")
            await session.drain()

        on.application.media = greet
        report = await place_with(on, Fault("slow_reader", at_ms=0, lasts_ms=200))
    assert [turn.text for turn in report.heard] == ["Late but whole."]
    assert report.heard[0].complete


async def _change(base: str, sid: str, form: dict[str, str], token: str = TOKEN) -> tuple[int, Any]:
    url = f"{base}/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json"
    auth = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, token)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=form, headers=auth) as response,
    ):
        return response.status, await response.json()


async def _live(on: Scene) -> tuple[asyncio.Task[CallReport], str]:
    """A call with its stream up, and its sid."""
    on.application.answer(VOICE, twiml(connect(action="/after"), "<Say>Never.</Say>"))
    call = asyncio.create_task(on.company.place("+1555", "+1556", STAYS))
    await on.application.media_opened.wait()
    return call, next(iter(on.company.calls))


async def test_a_live_call_can_be_completed_and_then_is_not_found() -> None:
    async with scene() as on:
        base = await on.company.serve_api()
        call, sid = await _live(on)
        status, body = await _change(base, sid, {"Status": "completed"})
        assert (status, body["sid"]) == (200, sid)
        report = await call
        status, body = await _change(base, sid, {"Status": "completed"})
        assert (status, body["code"]) == (404, 20404)
        assert on.application.sessions[0].messages[-1]["event"] == "stop"
    assert report.ended_by == "completed_by_api"
    assert report.streams[0].ended_by == "carrier"


async def test_a_live_call_can_be_given_another_document() -> None:
    async with scene() as on:
        base = await on.company.serve_api()
        on.application.answer("/next", twiml("<Say>There.</Say>", "<Hangup/>"))
        call, sid = await _live(on)
        status, _ = await _change(base, sid, {"Twiml": twiml("<Say>Here.</Say>", "<Pause/>")})
        assert status == 200
        report = await call
        assert report.spoken_by_twiml == ["Here."]
        assert "/after" not in on.application.paths()
        on.application.media_opened.clear()
        call, sid = await _live(on)
        assert (await _change(base, sid, {"Url": f"{PUBLIC}/next"}))[0] == 200
        report = await call
    assert report.spoken_by_twiml == ["There."]
    assert report.ended_by == "twiml_hangup"


async def test_a_wrong_change_changes_nothing() -> None:
    async with scene() as on:
        base = await on.company.serve_api()
        call, sid = await _live(on)
        assert (await _change(base, sid, {"Status": "completed"}, token="x"))[1]["code"] == 20003
        assert (await _change(base, "CA0", {"Status": "completed"}))[1]["code"] == 20404
        for form in (
            {},
            {"Status": "over"},
            {"Twiml": "<Response>"},
            {"Twiml": twiml("<Speak/>")},
            {"Twiml": twiml("<Say>" + "x" * 4000 + "</Say>")},
            {"Status": "completed", "Twiml": twiml("<Hangup/>")},
            {"status": "completed"},
        ):
            assert (await _change(base, sid, form))[0] == 400
        assert not call.done()
        await _change(base, sid, {"Status": "completed"})
        await call


async def test_the_command_prints_one_report_a_call() -> None:
    async with scene() as on:
        on.application.answer(VOICE, twiml("<Say>Hi.</Say>", "<Hangup/>"))
        arguments = ["--voice-url", on.local + VOICE, "--public-url", PUBLIC, "--calls", "2"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators", "phone", *arguments),
            *("--auth-token-env", "MY_TOKEN", "--called", "+15551230000"),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "MY_TOKEN": TOKEN},
        )
        out, _ = await process.communicate()
        assert all(asked.signed for asked in on.application.asked)
    reports = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert [report["called"] for report in reports] == ["+15551230000"] * 2
    assert {report["ended_by"] for report in reports} == {"twiml_hangup"}
    assert len({report["caller"] for report in reports}) == 2
