"""One stream without a socket and without waiting: the test is the clock."""

import base64
import json
from typing import Any

import pytest

from simulators.phone_caller import Caller
from simulators.phone_line import Line, ProtocolBroken
from simulators.phone_messages import Outgoing
from simulators.phone_report import CallReport, StreamLog
from simulators.phone_scripts import Script, Wait
from simulators.speech import speak

SID = "MZ1"


class Conversation:
    """A caller on a line, ticked by hand; the test plays the application."""

    def __init__(self) -> None:
        self.report = CallReport("CA1", "test", "+1", "+2")
        self.log = StreamLog(SID, "wss://x.example/")
        self.line = Line(Outgoing("AC1", "CA1", SID), self.log, self.report)
        self.caller = Caller(Script("test", (Wait(60_000),)), self.report)
        self.line.begin({}, 0)
        self.now_ms = 0
        self.sent: list[tuple[int, dict[str, Any]]] = []

    def run(self, ms: int) -> None:
        for _ in range(0, ms, 20):
            heard, echoes = self.line.play(self.now_ms)
            mouth = self.caller.tick(heard, self.now_ms)
            for message in [*echoes, self.line.speak(mouth)]:
                self.sent.append((self.now_ms, json.loads(message)))
            self.now_ms += 20

    def receive(self, event: str, **body: Any) -> None:
        text = json.dumps({"event": event, "streamSid": SID, **body}).encode()
        answers, dropped_ms = self.line.receive(text, self.now_ms)
        self.sent += [(self.now_ms, json.loads(answer)) for answer in answers]
        if dropped_ms is not None:
            self.caller.cleared(self.now_ms, dropped_ms)

    def say(self, text: str, mark: str = "") -> None:
        payload = base64.b64encode(speak(text)).decode()
        self.receive("media", media={"payload": payload})
        if mark:
            self.receive("mark", mark={"name": mark})

    def marks(self) -> list[tuple[int, str]]:
        return [(at, m["mark"]["name"]) for at, m in self.sent if m["event"] == "mark"]

    def heard(self) -> list[str]:
        return [turn.text for turn in self.report.heard]


def test_media_comes_every_20_ms_and_is_numbered() -> None:
    talk = Conversation()
    talk.run(100)
    stamps = [message["media"]["timestamp"] for _, message in talk.sent]
    assert stamps == ["0", "20", "40", "60", "80"]
    assert [message["sequenceNumber"] for _, message in talk.sent] == ["2", "3", "4", "5", "6"]
    silence = base64.b64encode(b"\xff" * 160).decode()
    assert {message["media"]["payload"] for _, message in talk.sent} == {silence}


def test_what_is_sent_at_once_is_heard_in_real_time() -> None:
    talk = Conversation()
    words = speak("Thanks for calling.")
    talk.say("Thanks for calling.", mark="greeting")
    length_ms = len(words) // 8
    talk.run(length_ms)
    assert talk.marks() == []
    talk.run(20)
    assert talk.marks() == [(length_ms, "greeting")]
    assert talk.heard() == ["Thanks for calling."]
    assert (talk.report.heard[0].started_ms, talk.report.heard[0].ended_ms) == (0, length_ms)
    assert talk.log.first_media_ms == 0


def test_after_a_clear_the_rest_is_never_heard_and_the_marks_come_back() -> None:
    talk = Conversation()
    talk.say("This is a long sentence that nobody will hear to its end.", mark="end")
    talk.run(1000)
    talk.receive("clear")
    assert talk.marks() == [(1000, "end")]
    talk.run(500)
    turn = talk.report.heard[0]
    assert not turn.complete
    assert "This is a long sentence that nobody".startswith(turn.text)
    assert turn.text != ""
    assert turn.ended_ms == 1000
    assert turn.lost_frames == 0
    assert talk.report.barge_ins == []


@pytest.mark.parametrize("event", ["stop", "dtmf", "Media"])
def test_an_unknown_message_breaks_the_stream(event: str) -> None:
    talk = Conversation()
    with pytest.raises(ProtocolBroken):
        talk.receive(event)
    assert talk.report.error_codes == [31924]
    assert len(talk.report.violations) == 1


def test_a_binary_message_is_warned_of_once_and_counted_every_time() -> None:
    talk = Conversation()
    talk.line.receive_binary(b"\x00", 0)
    talk.line.receive_binary(b"\x00", 20)
    assert talk.report.error_codes == [31950]
    assert len(talk.report.violations) == 2


def test_another_streams_sid_is_warned_of_and_not_played() -> None:
    talk = Conversation()
    text = b'{"event":"mark","streamSid":"MZ2","mark":{"name":"x"}}'
    assert talk.line.receive(text, 0) == ([], None)
    talk.run(40)
    assert talk.marks() == []
    assert talk.report.error_codes == [31951]


def test_more_than_ten_minutes_are_discarded() -> None:
    talk = Conversation()
    minute = base64.b64encode(b"\x00" * 8 * 60_000).decode()
    for _ in range(11):
        talk.receive("media", media={"payload": minute})
    assert talk.report.error_codes == [31931]
    talk.line.end(0)
    assert talk.log.unplayed_ms == 600_000


def test_a_lost_frame_is_seen() -> None:
    talk = Conversation()
    audio = speak("Every frame of this matters.")
    for at in range(0, len(audio), 160):
        if at != 800:
            payload = base64.b64encode(audio[at : at + 160]).decode()
            talk.receive("media", media={"payload": payload})
    talk.run(4000)
    assert talk.report.lost_frames == 1
    assert not talk.report.heard[0].complete
