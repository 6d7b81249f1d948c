"""A leg's patience: how fast a caller may talk, and how much may wait for one who does not read."""

import asyncio
import json
from base64 import b64decode
from typing import Any

import pytest

from callfleet.errors import CallerFault
from services.gateway.carriers.twilio import Offence
from services.gateway.leg import BURST_S, PACE, STALL_S, UNSENT_BOUND, TwilioLeg, text_frame
from tests.unit.gateway.test_twilio import CONNECTED, a_start, encoded, media, message


class Transport:
    """Takes bytes and never sends them, unless told."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unsent = 0
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing


class Stage:
    """A leg whose clock is the test's."""

    def __init__(self) -> None:
        self.now = 100.0
        self.transport = Transport()
        self.offences: list[Offence] = []
        transport: Any = self.transport
        self.leg = TwilioLeg(transport, self.offences.append)
        self.leg._now = lambda: self.now
        self.leg.heard_at_s = self.now
        self.number = 1
        self.leg.read(encoded(CONNECTED))
        self.leg.read(encoded(a_start()))

    def hear(self, frames: int = 1, *, gap_s: float = 0.0, audio: bytes = b"\xff" * 160) -> None:
        for _ in range(frames):
            self.now += gap_s
            self.number += 1
            self.leg.read(encoded(media(self.number, audio)))

    def sent(self) -> list[dict[str, Any]]:
        return [
            json.loads(frame[4 if frame[1] == 126 else 2 :]) for frame in self.transport.written
        ]


async def test_real_time_is_fine_for_ever() -> None:
    stage = Stage()
    stage.hear(5000, gap_s=0.02)


async def test_a_flood_is_noticed() -> None:
    stage = Stage()
    allowed = int((BURST_S + STALL_S) / 0.02) - 2  # `connected` and `start` count as well
    stage.hear(allowed - 1)
    with pytest.raises(CallerFault, match="flood"):
        stage.hear(3)


async def test_more_than_three_times_real_time_is_a_flood_in_the_end() -> None:
    Stage().hear(3000, gap_s=0.0205 / PACE)
    stage = Stage()
    with pytest.raises(CallerFault, match="flood"):
        stage.hear(3000, gap_s=0.015 / PACE)


async def test_a_network_that_stood_still_may_catch_up() -> None:
    stage = Stage()
    stage.hear(500, gap_s=0.02)
    stage.now += 6.0
    stage.hear(300)  # six seconds of speech at once


async def test_long_chunks_and_tiny_messages_count_for_what_they_are() -> None:
    stage = Stage()
    with pytest.raises(CallerFault, match="flood"):
        stage.hear(8, audio=b"\xff" * 8000)
    stage = Stage()
    with pytest.raises(CallerFault, match="flood"):
        stage.hear(400, audio=b"")


async def test_marks_may_come_in_a_crowd_but_none_is_made_up() -> None:
    stage = Stage()
    for number in range(1000):
        stage.leg.mark(str(number))
    for number in range(1000):
        stage.number += 1
        stage.leg.read(encoded(message("mark", stage.number, mark={"name": str(number)})))
    stage.number += 1
    with pytest.raises(CallerFault, match="unexpected"):
        stage.leg.read(encoded(message("mark", stage.number, mark={"name": "1000"})))


async def test_words_go_out_whole_and_at_once() -> None:
    stage = Stage()
    stage.leg.play(b"a" * 160)
    stage.leg.play(b"b" * 40_000)
    stage.leg.mark("m")
    stage.leg.clear()
    sent = stage.sent()
    assert [each["event"] for each in sent] == ["media"] * 4 + ["mark", "clear"]
    audio = b"".join(b64decode(each["media"]["payload"]) for each in sent[:4])
    assert audio == b"a" * 160 + b"b" * 40_000


async def test_a_caller_who_does_not_read_has_to_go() -> None:
    stage = Stage()
    stage.transport.unsent = UNSENT_BOUND + 1
    stage.leg.play(b"a" * 160)
    assert stage.offences == [Offence.NOT_READING]
    assert stage.transport.written == []


async def test_speech_is_not_piled_up_without_end() -> None:
    stage = Stage()
    for _ in range(300):
        stage.leg.play(b"a" * 8000)
    assert stage.offences == []
    stage.leg.clear()  # the caller spoke: the pile is gone
    for _ in range(300):
        stage.leg.play(b"a" * 8000)
    assert stage.offences == []
    stage.leg.play(b"a" * 8000)
    assert stage.offences == [Offence.NOT_READING]


async def test_a_closed_socket_is_left_alone() -> None:
    stage = Stage()
    stage.transport.closing = True
    stage.leg.play(b"a")
    stage.leg.mark("m")
    assert stage.transport.written == []
    assert stage.offences == []


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535])
async def test_frames_are_what_any_client_reads(size: int) -> None:
    """Read back by the library the simulators use."""
    from websockets.frames import Frame, Opcode
    from websockets.streams import StreamReader

    reader = StreamReader()
    reader.feed_data(text_frame(b"x" * size))
    parsing = Frame.parse(reader.read_exact, mask=False)
    frame = None
    try:
        next(parsing)
    except StopIteration as done:
        frame = done.value
    assert frame == Frame(Opcode.TEXT, b"x" * size)
    await asyncio.sleep(0)
