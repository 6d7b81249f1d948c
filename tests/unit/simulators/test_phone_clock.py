"""The shared heartbeat, and the handset it drives, without any real time."""

import asyncio

from simulators.phone_caller import Caller
from simulators.phone_clock import Clock, Ticker
from simulators.phone_handset import Handset
from simulators.phone_report import CallReport
from simulators.phone_scripts import HangUp, Script, Wait
from simulators.phone_web import AddressBook


class VirtualClock(Clock):
    """Sleeping is what makes time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.time_ms = 1_000_000.0
        self.sleeps = 0

    def now_ms(self) -> int:
        return int(self.time_ms)

    async def sleep(self, ms: float) -> None:
        self.time_ms += ms
        self.sleeps += 1
        await asyncio.sleep(0)


class Member:
    def __init__(self) -> None:
        self.ticks: list[int] = []

    def catch_up(self, now_ms: int) -> None:
        self.ticks.append(now_ms - 1_000_000)


async def test_every_member_is_ticked_every_20_ms_and_not_all_at_once() -> None:
    clock = VirtualClock()
    ticker, members = Ticker(clock), [Member() for _ in range(20)]
    for member in members:
        ticker.join(member)
    for _ in range(60):
        await asyncio.sleep(0)
    await ticker.stop()
    phases = [member.ticks[0] for member in members]
    assert sorted(phases) == sorted([*range(0, 20, 2)] * 2)
    for member, phase in zip(members, phases, strict=True):
        assert member.ticks[:4] == [phase, phase + 20, phase + 40, phase + 60]


async def test_an_empty_line_lets_the_clock_rest() -> None:
    clock, member = VirtualClock(), Member()
    ticker = Ticker(clock)
    ticker.join(member)
    await asyncio.sleep(0)
    ticker.leave(member)
    for _ in range(3):
        await asyncio.sleep(0)
    slept = clock.sleeps
    for _ in range(20):
        await asyncio.sleep(0)
    assert clock.sleeps == slept
    clock.time_ms += 5000
    ticker.join(member)
    for _ in range(20):
        await asyncio.sleep(0)
    await ticker.stop()
    assert member.ticks[-1] >= 5000


async def test_a_handset_makes_up_for_every_frame_it_missed() -> None:
    report = CallReport("CA1", "x", "+1", "+2")
    caller = Caller(Script("x", (Wait(1000), HangUp())), report)
    handset = Handset(caller, started_ms=500)
    handset.catch_up(500)
    assert not handset.put_down.is_set()
    handset.catch_up(1400)
    assert not handset.put_down.is_set()
    handset.catch_up(1500)
    assert handset.put_down.is_set()
    assert caller.hung_up == "caller_hung_up"


def test_public_addresses_are_dialled_where_they_listen_and_keep_their_name() -> None:
    book = AddressBook({"https://voice.example.com": "http://127.0.0.1:8080"})
    public = {"Host": "voice.example.com"}
    assert book.locate("https://voice.example.com/a?b=c") == ("http://127.0.0.1:8080/a?b=c", public)
    assert book.locate("wss://voice.example.com/media/t") == (
        "ws://127.0.0.1:8080/media/t",
        public,
    )
    assert book.locate("https://other.example.com/a") == ("https://other.example.com/a", {})
