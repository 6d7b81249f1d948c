"""Callers' sockets that misbehave: each is closed with its reason, and no other leg notices."""

import asyncio
import json
from base64 import b64encode
from typing import Any

import aiohttp
import pytest

from callfleet.calls import EndReason
from callfleet.link import Clear
from services.gateway.carriers.twilio_webhooks import sign
from simulators.phone_faults import Fault
from simulators.phone_scripts import HangUp, Script, Speak, Step, Wait
from tests.integration.gateway_scene import AUTH_TOKEN, CLINIC, PUBLIC, SALON, Scene, scene, until

CALLER = "+15550100200"
SIDS = {"sequenceNumber": "1", "streamSid": "MZ1"}
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def a_script(*steps: Step) -> Script:
    return Script("test", steps, patience_ms=20_000)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault("malformed", at_ms=300), "malformed"),
        (Fault("malformed", at_ms=300, text="[[[["), "malformed"),
        (Fault("malformed", at_ms=300, text='{"event":"stop"}'), "malformed"),
        (Fault("binary", at_ms=300), "malformed"),
        (Fault("oversized", at_ms=300), "oversized"),
        (Fault("flood", at_ms=300), "flood"),
        (Fault("scramble", at_ms=300), "out_of_order"),
        (Fault("wrong_parameters"), "mismatch"),
        (Fault("no_start"), "unexpected"),
    ],
)
async def test_a_leg_that_breaks_the_rules_goes_alone(
    redis_url: str, fault: Fault, why: str
) -> None:
    async with scene(redis_url) as fleet:
        honest = a_script(Speak("I need an appointment"), Wait(2500), HangUp())
        good, bad = await asyncio.gather(
            fleet.company.place(CALLER, CLINIC, honest),
            fleet.company.place(CALLER, SALON, a_script(Wait(20_000)), faults=[fault]),
        )
        await until(lambda: fleet.gateway.legs == 0)
    heard = [turn.text for turn in good.heard]
    assert heard == ["Hello from the clinic", "You said I need an appointment"]
    assert all(turn.complete for turn in good.heard)
    assert good.violations == []
    assert bad.streams[0].ended_by == "server"
    code, reason = bad.closes[0]
    if why == "oversized":
        assert code == 1009
    else:
        assert (code, reason) == (1008, why)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("unsigned_upgrade"),
        Fault("mute", at_ms=200, lasts_ms=1500),
        Fault("slow_reader", at_ms=200, lasts_ms=1000),
    ],
)
async def test_what_the_real_world_does_is_borne(redis_url: str, fault: Fault) -> None:
    async with scene(redis_url) as fleet:
        script = a_script(Wait(2000), Speak("I am still here"), Wait(2500), HangUp())
        report = await fleet.company.place(CALLER, CLINIC, script, faults=[fault])
    assert report.violations == []
    assert [turn.text for turn in report.heard][-1] == "You said I am still here"


async def test_a_lost_socket_tells_the_worker(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        lost = [Fault("lose_socket", at_ms=500)]
        await fleet.company.place(CALLER, SALON, a_script(Wait(20_000)), faults=lost)
        guest = fleet.worker.guests[0]
        await guest.over.wait()
    assert guest.closed is EndReason.LEG_LOST


class Socket:
    """A media socket opened by hand, after a webhook posted by hand."""

    def __init__(self, fleet: Scene, session: aiohttp.ClientSession) -> None:
        self.fleet, self.session = fleet, session
        self.path = self.token = ""

    async def webhook(self, call_sid: str = "CA1", **more: str) -> aiohttp.ClientResponse:
        form = {"CallSid": call_sid, "From": CALLER, "To": CLINIC, **more}
        signature = sign(AUTH_TOKEN, f"{PUBLIC}/twilio/voice", list(form.items()))
        headers = {"X-Twilio-Signature": signature}
        url = f"{self.fleet.url}/twilio/voice"
        response = await self.session.post(url, data=form, headers=headers)
        text = await response.text()
        if "wss://" in text:
            self.path = text.split("wss://voice.example.com")[1].split('"')[0]
            self.token = self.path.rsplit("/", 1)[1]
        return response

    async def dial(self) -> aiohttp.ClientWebSocketResponse:
        return await self.session.ws_connect(self.fleet.url + self.path)

    def start(self, call_sid: str = "CA1", **changes: Any) -> str:
        body = {
            "callSid": call_sid,
            "mediaFormat": FORMAT,
            "customParameters": {"token": self.token},
            **changes,
        }
        return json.dumps({"event": "start", **SIDS, "start": body})


CONNECTED = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
MEDIA = json.dumps(
    {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": "MZ1",
        "media": {"track": "inbound", "payload": b64encode(b"\xff" * 160).decode()},
    }
)


async def test_a_token_opens_one_stream(redis_url: str) -> None:
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        hand = Socket(fleet, session)
        await hand.webhook()
        async with await hand.dial() as first, await hand.dial() as second:
            for ws in (first, second):
                await ws.send_str(CONNECTED)
            await first.send_str(hand.start())
            await fleet.worker.came.wait()
            await second.send_str(hand.start())
            message = await second.receive()
            assert (message.data, message.extra) == (1008, "used")
            await first.send_str(MEDIA)
            await until(lambda: len(fleet.worker.guests[0].audio) == 160)
        await fleet.worker.guests[0].over.wait()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"call_sid": "CA2"}, "mismatch"),
        ({"customParameters": {}}, "mismatch"),
        ({"mediaFormat": {**FORMAT, "sampleRate": 16000}}, "malformed"),
    ],
)
async def test_start_must_tell_of_the_tokens_call(
    redis_url: str, changes: dict[str, Any], why: str
) -> None:
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        hand = Socket(fleet, session)
        await hand.webhook()
        async with await hand.dial() as ws:
            await ws.send_str(CONNECTED)
            await ws.send_str(hand.start(**changes))
            message = await ws.receive()
            assert (message.data, message.extra) == (1008, why)
        assert fleet.worker.guests == []


async def test_pings_are_answered_and_counted(redis_url: str) -> None:
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        hand = Socket(fleet, session)
        await hand.webhook()
        async with session.ws_connect(fleet.url + hand.path, autoping=False) as ws:
            await ws.send_str(CONNECTED)
            await ws.send_str(hand.start())
            await fleet.worker.came.wait()
            await ws.pong(b"nobody asked")
            await ws.ping(b"there?")
            while (message := await ws.receive()).type is not aiohttp.WSMsgType.PONG:
                assert message.type is aiohttp.WSMsgType.TEXT
            assert message.data == b"there?"
            for _ in range(1000):
                await ws.ping()
            while (message := await ws.receive()).type is not aiohttp.WSMsgType.CLOSE:
                pass
            assert (message.data, message.extra) == (1008, "flood")


async def test_a_leg_that_says_nothing_is_ended(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.sitting.IDLE_LIMIT_S", 0.5)
    monkeypatch.setattr("services.gateway.media._WATCH_S", 0.1)
    async with scene(redis_url) as fleet:
        mute = [Fault("mute", at_ms=300, lasts_ms=60_000)]
        report = await fleet.company.place(CALLER, SALON, a_script(Wait(20_000)), faults=mute)
        guest = fleet.worker.guests[0]
        await guest.over.wait()
    assert guest.closed is EndReason.LEG_LOST
    assert report.closes[0] == (1011, "leg_lost")
    assert "technical problem" in report.spoken_by_twiml[0]


async def test_a_socket_that_never_starts_is_closed(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.sitting.START_LIMIT_S", 0.2)
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        hand = Socket(fleet, session)
        await hand.webhook()
        async with await hand.dial() as ws:
            await ws.send_str(CONNECTED)
            message = await ws.receive()
            assert (message.data, message.extra) == (1008, "never_started")


async def test_a_caller_who_does_not_read_is_let_go(redis_url: str) -> None:
    """Its socket is not read at all while the worker goes on talking; the other call goes on."""
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        hand = Socket(fleet, session)
        await hand.webhook()
        async with await hand.dial() as ws:
            await ws.send_str(CONNECTED)
            await ws.send_str(hand.start())
            await fleet.worker.came.wait()
            guest = fleet.worker.guests[0]
            pausing: Any = ws
            pausing._response.connection.transport.pause_reading()
            while not guest.over.is_set():
                guest.stream.send_audio(b"x" * 8000)
                guest.stream.send(Clear())  # so that it is the socket that is full, not the buffer
                await asyncio.sleep(0)
            assert guest.closed is EndReason.LEG_REFUSED
            pausing._response.connection.transport.resume_reading()


async def test_a_gateway_waits_for_its_calls_and_then_ends_them(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        placing = asyncio.create_task(
            fleet.company.place(CALLER, SALON, a_script(Wait(20_000)), faults=[])
        )
        await fleet.worker.came.wait()
        guest = fleet.worker.guests[0]
        await until(lambda: fleet.gateway.legs == 1)
        draining = asyncio.create_task(fleet.gateway.drain())
        await asyncio.sleep(0.2)
        assert not draining.done()
        await fleet.gateway.stop()
        await asyncio.wait_for(draining, 5)
        await guest.over.wait()
        report = await placing
    assert guest.closed is EndReason.DRAINED
    assert report.closes[0] == (1001, "drained")


async def test_without_a_token_of_ours_the_door_stays_shut(redis_url: str) -> None:
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        hand = Socket(fleet, session)
        await hand.webhook()
        damaged = hand.path[:-1] + ("A" if hand.path[-1] != "A" else "B")
        for path in (damaged, "/media/twilio/nonsense", "/media/twilio/%FF"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(fleet.url + path)
            assert refusal.value.status == 403
        forged = {"X-Twilio-Signature": sign("another", f"wss://voice.example.com{hand.path}")}
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(fleet.url + hand.path, headers=forged)
        assert refusal.value.status == 403


async def test_the_public_port_says_and_takes_little(redis_url: str) -> None:
    async with scene(redis_url) as fleet, aiohttp.ClientSession() as session:
        async with session.get(f"{fleet.url}/metrics") as response:
            assert response.status == 404
            assert "Server" not in response.headers
            assert response.content_type == "text/plain"
        async with session.post(f"{fleet.url}/twilio/voice", data=b"x" * 70_000) as response:
            assert response.status == 413
        hand = Socket(fleet, session)
        for broken in ("", "not a sid!"):
            assert (await hand.webhook(broken)).status == 400
        lying = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example.com"}
        form = {"CallSid": "CA9", "From": CALLER, "To": CLINIC}
        evil = "https://evil.example.com/twilio/voice"
        lying["X-Twilio-Signature"] = sign(AUTH_TOKEN, evil, list(form.items()))
        url = f"{fleet.url}/twilio/voice"
        async with session.post(url, data=form, headers=lying) as response:
            assert response.status == 403
