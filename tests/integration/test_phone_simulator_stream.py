"""The simulated carrier's media streams over a real socket: protocol, playback and endings."""

import asyncio
import base64

import pytest

from simulators.phone_scripts import HangUp, Interrupt, Listen, Press, Script, Speak, Wait, talk
from simulators.speech import Ear
from tests.integration.phone_application import LISTENER, STAYS, MediaSession, connect, scene, twiml

VOICE, AFTER = "/twilio/voice", "/twilio/after"
GREETING = "Thanks for calling the clinic."


def inbound_audio(session: MediaSession) -> bytes:
    media = [m["media"]["payload"] for m in session.messages if m["event"] == "media"]
    return b"".join(base64.b64decode(payload) for payload in media)


async def test_a_conversation_is_heard_by_both_sides_to_the_last_word() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect(action=AFTER)))
        app.answer(AFTER, twiml("<Hangup/>"))
        ear = Ear()

        async def answer(session: MediaSession) -> None:
            await session.begin()
            await session.say(GREETING)
            for reply in ("Tuesday at three it is.", "You are welcome. Goodbye."):
                heard = len(ear.utterances)
                while len(ear.utterances) == heard:
                    message = await session.next("media")
                    ear.hear(base64.b64decode(message["media"]["payload"]))
                await session.say(reply, mark=reply)
            await session.drain()

        app.media = answer
        report = await on.company.place(
            "+15550001",
            "+15551230000",
            talk(["Tuesday at three, please.", "Thank you."]).but(patience_ms=120_000),
        )
    assert [text for _, _, text in report.transcript] == [
        GREETING,
        "Tuesday at three, please.",
        "Tuesday at three it is.",
        "Thank you.",
        "You are welcome. Goodbye.",
    ]
    assert [utterance.text for utterance in ear.utterances] == [line.text for line in report.said]
    assert all(utterance.complete for utterance in ear.utterances)
    assert all(turn.complete for turn in report.heard)
    assert report.streams[0].marks == ["Tuesday at three it is.", "You are welcome. Goodbye."]
    assert (report.ended_by, report.errors, report.violations) == ("caller_hung_up", [], [])


async def test_the_handshake_and_the_first_messages_are_twilios() -> None:
    async with scene() as on:
        app = on.application
        parameters = '<Parameter name="token" value="t&amp;1"/>'
        app.answer(VOICE, twiml(connect(parameters=parameters)))
        report = await on.company.place("+1555", "+1556", LISTENER)
        upgrade, session = app.upgrade, app.sessions[0]
    assert upgrade is not None
    assert (upgrade.signed, upgrade.headers["Host"]) == (True, "voice.example.com")
    assert "Sec-WebSocket-Extensions" not in upgrade.headers
    events = [message["event"] for message in session.messages]
    assert events[:3] == ["connected", "start", "media"]
    assert events[-1] == "stop"
    assert session.messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    start = session.messages[1]
    assert start["start"]["customParameters"] == {"token": "t&1"}
    assert start["start"]["callSid"] == report.call_sid
    assert start["streamSid"] == report.streams[0].stream_sid
    numbers = [int(message["sequenceNumber"]) for message in session.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert session.ws.close_code == 1000
    assert report.streams[0].ended_by == "caller"


async def test_the_action_is_asked_after_the_application_closed_the_stream() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect(action=AFTER), "<Say>Never.</Say>"))
        app.answer(AFTER, twiml("<Say>Goodbye.</Say>"))
        app.media = MediaSession.begin  # type: ignore[assignment]  # what it returns is not used
        report = await on.company.place("+1555", "+1556", STAYS)
        form = app.forms(AFTER)[0]
        assert app.asked[1].signed
    assert (form["CallStatus"], form["CallSid"]) == ("in-progress", report.call_sid)
    assert report.error_codes == [31921]
    assert report.closes == [(1000, "")]
    assert report.spoken_by_twiml == ["Goodbye."]


async def test_without_an_action_the_next_verb_follows_and_nobody_redials() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect(), "<Say>Sorry about that.</Say>"))
        app.media = MediaSession.begin  # type: ignore[assignment]  # what it returns is not used
        report = await on.company.place("+1555", "+1556", STAYS)
        assert len(app.sessions) == 1
    assert report.spoken_by_twiml == ["Sorry about that."]
    assert report.ended_by == "stream_ended"


async def test_an_application_that_dies_is_a_broken_pipe() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect(action=AFTER)))
        app.answer(AFTER, twiml("<Hangup/>"))

        async def die(session: MediaSession) -> None:
            await session.begin()
            await session.say(GREETING)
            transport = session.ws._req.transport if session.ws._req else None
            assert transport is not None
            transport.abort()

        app.media = die
        report = await on.company.place("+1555", "+1556", STAYS)
        assert app.paths() == [VOICE, AFTER]
    assert report.error_codes == [31903]
    assert report.streams[0].ended_by == "lost"
    assert report.streams[0].unplayed_ms > 0


async def test_when_the_caller_hangs_up_the_action_learns_it() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect(action=AFTER, stream=' statusCallback="/stream" name="n"')))
        app.answer(AFTER, twiml("<Say>Too late.</Say>"))
        app.answer("/stream", "")
        await on.company.place("+1555", "+1556", LISTENER)
        assert app.forms(AFTER)[0]["CallStatus"] == "completed"
        events = app.forms("/stream")
    assert [form["StreamEvent"] for form in events] == ["stream-started", "stream-stopped"]
    assert {form["StreamName"] for form in events} == {"n"}
    assert not any("StreamError" in form for form in events)


@pytest.mark.parametrize(("status", "code"), [(403, 31920), (503, 31920)])
async def test_a_refused_handshake_is_told_to_the_status_callback(status: int, code: int) -> None:
    async with scene() as on:
        app = on.application
        app.refuse_media = status
        app.answer(VOICE, twiml(connect(stream=' statusCallback="/stream"'), "<Hangup/>"))
        app.answer("/stream", "")
        report = await on.company.place("+1555", "+1556", STAYS)
        form = app.forms("/stream")[0]
    assert report.error_codes == [code]
    assert form["StreamEvent"] == "stream-error"
    assert str(status) in form["StreamError"]


@pytest.mark.parametrize(
    "text", ["hello", '{"event":"stop"}', '{"event":"media","streamSid":"x","media":{}}']
)
async def test_what_the_protocol_does_not_know_ends_the_stream(text: str) -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect(stream=' statusCallback="/stream"'), "<Say>Sorry.</Say>"))
        app.answer("/stream", "")

        async def babble(session: MediaSession) -> None:
            await session.begin()
            await session.ws.send_str(text)
            await session.drain()

        app.media = babble
        report = await on.company.place("+1555", "+1556", STAYS)
        assert app.sessions[0].ws.close_code == 1002
        assert app.forms("/stream")[-1]["StreamEvent"] == "stream-error"
    assert report.error_codes == [31924]
    assert len(report.violations) == 1
    assert report.spoken_by_twiml == ["Sorry."]


async def test_binary_messages_are_a_violation_but_not_the_end() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect()))

        async def raw(session: MediaSession) -> None:
            await session.begin()
            await session.ws.send_bytes(b"\xff" * 160)
            await session.say(GREETING)
            await session.drain()

        app.media = raw
        report = await on.company.place(
            "+1555", "+1556", Script("x", (Listen(), HangUp()), patience_ms=120_000)
        )
    assert report.error_codes == [31950]
    assert [turn.text for turn in report.heard] == [GREETING]


async def test_an_interruption_is_answered_by_a_clear_and_the_rest_is_unheard() -> None:
    long = "We are open from nine to five, from Monday to Friday, and on Saturday until noon."
    async with scene(speed=4.0) as on:
        app = on.application
        app.answer(VOICE, twiml(connect()))

        async def give_way(session: MediaSession) -> None:
            await session.begin()
            await session.say(long, mark="end")
            ear = Ear()
            while not ear.speaking:
                message = await session.next("media")
                ear.hear(base64.b64decode(message["media"]["payload"]))
            await session.send("clear")
            assert (await session.next("mark"))["mark"]["name"] == "end"
            while ear.speaking:
                message = await session.next("media")
                ear.hear(base64.b64decode(message["media"]["payload"]))
            await session.say("Sorry, go on.")
            await session.drain()

        app.media = give_way
        script = Script(
            "x",
            (Interrupt("Just a moment, please.", 1000), Listen(), HangUp()),
            patience_ms=120_000,
        )
        report = await on.company.place("+1555", "+1556", script)
    first = report.heard[0]
    assert not first.complete
    assert long.startswith(first.text)
    assert first.text not in ("", long)
    barge_in = report.barge_ins[0]
    assert barge_in.clear_after_ms is not None
    assert barge_in.clear_after_ms >= 0
    assert barge_in.dropped_ms > 1000
    assert report.streams[0].clears == 1
    assert report.violations == []


async def test_keys_arrive_as_dtmf() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect()))

        async def menu(session: MediaSession) -> None:
            await session.begin()
            await session.say("Press a key.")
            await session.drain()

        app.media = menu
        script = Script("x", (Press("1#"), Wait(200), HangUp()), patience_ms=120_000)
        await on.company.place("+1555", "+1556", script)
        pressed = [m["dtmf"] for m in app.sessions[0].messages if m["event"] == "dtmf"]
    assert pressed == [{"track": "inbound_track", "digit": digit} for digit in "1#"]


async def test_a_caller_who_vanishes_leaves_half_a_word() -> None:
    async with scene() as on:
        app = on.application
        app.answer(VOICE, twiml(connect()))

        async def greet(session: MediaSession) -> None:
            await session.begin()
            await session.say(GREETING)
            await session.drain()

        app.media = greet
        text = "I would like to book a cleaning on Tuesday."
        script = Script("x", (Speak(text, vanish_after_ms=1000),), patience_ms=120_000)
        report = await on.company.place("+1555", "+1556", script)
        ear = Ear()
        ear.hear(inbound_audio(app.sessions[0]))
        ear.finish()
    assert report.ended_by == "caller_hung_up"
    assert [utterance.text for utterance in ear.utterances] == [report.said[0].text]
    assert not ear.utterances[0].complete


async def test_many_calls_share_the_line_and_nothing_gets_mixed_up() -> None:
    async with scene(speed=2.0) as on:
        app = on.application
        app.answer(VOICE, twiml(connect()))

        async def greet(session: MediaSession) -> None:
            start = await session.begin()
            await session.say(f"You are call {start['start']['callSid']}.")
            await session.drain()

        app.media = greet
        script = Script("x", (Listen(), HangUp()), patience_ms=120_000)
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(on.company.place(f"+1555{number:04d}", "+1556", script))
                for number in range(20)
            ]
    reports = [call.result() for call in calls]
    for report in reports:
        assert [turn.text for turn in report.heard] == [f"You are call {report.call_sid}."]
        assert report.heard[0].complete
    assert len({report.call_sid for report in reports}) == 20
