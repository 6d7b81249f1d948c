"""One media stream seen without its socket: messages in, messages out, audio to an ear and from a
mouth. Pure.

Everything Twilio would do with what the application sends happens here: the strict reading, the
playback, the marks when their audio was heard or cleared, the errors with their codes. Who moves
the bytes and the time is no concern of this module, so its tests need neither.
"""

from simulators.phone_messages import Clear, Mark, Media, MessageFault, Outgoing, encode_audio
from simulators.phone_messages import read_message as read
from simulators.phone_playout import SILENCE, Playout
from simulators.phone_report import CallReport, Problem, StreamLog

_SILENT_PAYLOAD = encode_audio(SILENCE)


class ProtocolBroken(Exception):
    """The application broke the protocol: the carrier closes the stream."""


class Line:
    """The protocol and the playback of one stream."""

    def __init__(self, outgoing: Outgoing, log: StreamLog, report: CallReport) -> None:
        self._outgoing = outgoing
        self._playout = Playout()
        self._log = log
        self._report = report
        self._started_ms = 0
        self._elapsed_ms = 0
        self._sends_media = True
        self._warned: set[int] = set()

    def begin(
        self, parameters: dict[str, str], now_ms: int, *, with_start: bool = True
    ) -> list[bytes]:
        self._started_ms = self._log.started_ms = now_ms
        start = [self._outgoing.start(parameters)] if with_start else []
        return [self._outgoing.connected(), *start]

    def receive(self, text: bytes, now_ms: int) -> tuple[list[bytes], int | None]:
        """A text from the application: (answers, milliseconds of audio thrown away by a clear)."""
        try:
            message = read(text, self._outgoing.stream_sid)
        except MessageFault as fault:
            self.complain(fault.code, str(fault), now_ms)
            if fault.code == 31951:
                return [], None
            raise ProtocolBroken(str(fault)) from None
        match message:
            case Media(audio):
                self._log.media_received += 1
                if not self._playout.add(audio):
                    self.complain(31931, "more than ten minutes of audio are buffered", now_ms)
            case Mark(name):
                self._playout.mark(name)
            case Clear():
                marks, dropped_ms = self._playout.clear()
                self._log.clears += 1
                return [self._echo(name) for name in marks], dropped_ms
        return [], None

    def receive_binary(self, data: bytes, now_ms: int) -> None:
        self.complain(31950, f"a binary message of {len(data)} bytes", now_ms)

    def play(self, now_ms: int) -> tuple[bytes, list[bytes]]:
        """20 ms for the ear, and the echoes of the marks that it has passed."""
        frame, marks = self._playout.play()
        if self._log.first_media_ms is None and frame is not SILENCE:
            self._log.first_media_ms = now_ms - self._started_ms
        return frame, [self._echo(name) for name in marks]

    def speak(self, frame: bytes | None) -> bytes:
        """20 ms from the mouth, as the message that carries it."""
        payload = _SILENT_PAYLOAD if frame is None else encode_audio(frame)
        message = self._outgoing.media(payload, self._elapsed_ms)
        self._elapsed_ms += 20
        return message

    def skip(self) -> None:
        """20 ms that never reach the carrier's media server."""
        self._elapsed_ms += 20

    def press(self, digit: str) -> bytes:
        return self._outgoing.dtmf(digit)

    def scramble(self) -> None:
        self._outgoing.scramble()

    def end(self, now_ms: int) -> bytes:
        """The last message; what is still queued is never heard."""
        self._log.ended_ms = now_ms
        self._log.unplayed_ms = self._playout.queued_ms
        self._playout.clear()
        return self._outgoing.stop()

    def complain(self, code: int, text: str, now_ms: int) -> None:
        """Into the debugger once per stream and code, as Twilio does; as a violation every time."""
        self._report.violations.append(f"{code} {text}")
        if code not in self._warned:
            self._warned.add(code)
            self._report.errors.append(Problem(code, text, now_ms))

    def _echo(self, name: str) -> bytes:
        self._log.marks.append(name)
        return self._outgoing.mark(name)
