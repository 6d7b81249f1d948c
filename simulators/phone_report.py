"""What a call looked like from the carrier's and the caller's side: the evidence that tests, demo
and load read.

Everything is filled in while the call runs, so a call that is cut short still tells what happened
until then. Times are milliseconds since the call was answered, on the phone company's clock.
"""

from typing import Literal

import msgspec

EndedBy = Literal[
    "caller_hung_up",  # the script was over, or told the caller to hang up
    "caller_gave_up",  # silence beyond the caller's patience, or a call without end
    "twiml_hangup",  # <Hangup>
    "stream_ended",  # the application closed the stream and no verb was left
    "twiml_ended",  # the document had no further verb
    "dialled",  # a human took the call over and it ended there
    "rejected",  # <Reject>
    "busy",  # <Reject reason="busy">
    "application_error",  # the application's TwiML could not be had or read
    "completed_by_api",  # the application ended the call over REST
    "in_progress",
]


class Turn(msgspec.Struct, frozen=True):
    """One utterance the caller heard, to the last word that reached the ear."""

    who: Literal["agent", "human", "carrier"]
    text: str
    started_ms: int
    ended_ms: int
    complete: bool
    lost_frames: int = 0
    reordered: int = 0


class Said(msgspec.Struct, frozen=True):
    """One line the caller said, as far as it was said."""

    text: str
    started_ms: int
    ended_ms: int
    complete: bool
    interrupting: bool


class Problem(msgspec.Struct, frozen=True):
    """One entry of the carrier's debugger: an error or warning code and what it was about."""

    code: int
    text: str
    at_ms: int


class Exchange(msgspec.Struct, frozen=True):
    """One HTTP request the carrier made, and what came back."""

    purpose: str
    method: str
    url: str
    status: int
    answer: str
    at_ms: int
    took_ms: int


class BargeIn(msgspec.Struct):
    """The caller spoke into the agent's words; `clear` should follow at once."""

    at_ms: int
    clear_after_ms: int | None = None
    dropped_ms: int = 0


class StreamLog(msgspec.Struct):
    """One media stream, from the handshake to its end."""

    stream_sid: str
    url: str
    started_ms: int = -1
    ended_ms: int = -1
    ended_by: Literal["caller", "server", "lost", "carrier", "refused", "open"] = "open"
    close_code: int | None = None
    close_reason: str = ""
    first_media_ms: int | None = None  # since the stream's start: the first audio played
    first_audio_ms: int | None = None  # since the stream's start: the first word heard
    media_received: int = 0
    other_sound_ms: int = 0  # heard, and no simulated speech: hold music, recorded sentences
    marks: list[str] = msgspec.field(default_factory=list)
    clears: int = 0
    unplayed_ms: int = 0  # audio still queued when the stream ended: nobody heard it


class DialledLeg(msgspec.Struct, frozen=True):
    """The second leg of a <Dial>."""

    address: str
    status: Literal["completed", "busy", "no-answer", "failed", "canceled"]
    caller_id: str
    at_ms: int
    duration_ms: int


class CallReport(msgspec.Struct):
    """One call, whole."""

    call_sid: str
    script: str
    caller: str
    called: str
    ended_by: EndedBy = "in_progress"
    status: str = "ringing"
    duration_s: float = 0.0
    first_audio_ms: int | None = None
    longest_silence_ms: int = 0
    answers_ms: list[int] = msgspec.field(default_factory=list)  # end of a line to first word heard
    heard: list[Turn] = msgspec.field(default_factory=list)
    said: list[Said] = msgspec.field(default_factory=list)
    keys: str = ""
    barge_ins: list[BargeIn] = msgspec.field(default_factory=list)
    streams: list[StreamLog] = msgspec.field(default_factory=list)
    spoken_by_twiml: list[str] = msgspec.field(default_factory=list)
    dialled: list[DialledLeg] = msgspec.field(default_factory=list)
    twiml_log: list[Exchange] = msgspec.field(default_factory=list)
    errors: list[Problem] = msgspec.field(default_factory=list)
    violations: list[str] = msgspec.field(default_factory=list)
    nudges: int = 0

    @property
    def closes(self) -> list[tuple[int | None, str]]:
        return [(stream.close_code, stream.close_reason) for stream in self.streams]

    @property
    def error_codes(self) -> list[int]:
        return [problem.code for problem in self.errors]

    @property
    def other_sound_ms(self) -> int:
        return sum(stream.other_sound_ms for stream in self.streams)

    @property
    def lost_frames(self) -> int:
        return sum(turn.lost_frames for turn in self.heard)

    @property
    def reordered(self) -> int:
        return sum(turn.reordered for turn in self.heard)

    @property
    def transcript(self) -> list[tuple[int, str, str]]:
        """(started_ms, who, text) of both sides, in the order the caller lived through it."""
        heard = [(turn.started_ms, turn.who, turn.text) for turn in self.heard]
        said = [(line.started_ms, "caller", line.text) for line in self.said]
        return sorted([*heard, *said])
