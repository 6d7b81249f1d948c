"""One gateway's waiting room and one call's wait, in virtual time; slots and keeper are played."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callfleet.calls import CallId, CallStart, LegKind
from callfleet.config import Config, load_config
from callfleet.errors import StoreFault
from callfleet.slots import Full, Lease, Scope, Waiting
from services.gateway.wait import Wait
from services.gateway.waiting import UNCLAIMED_S, Verdict, WaitingRoom
from tests.virtual_time import run

YAML = """
orgs:
  main: {sessions: 1, queue: {max_waiting: 2, max_wait_s: 30, announce: true}}
  plain: {sessions: 1}
  shared: {sessions: 1, queue: {max_waiting: 2, max_wait_s: 30}, redis_away: share}
agents: {a: {org: main, instructions: Help.}}
"""
AWAY = StoreFault()


def start(number: int = 1, org: str = "main") -> CallStart:
    return CallStart(
        call_id=CallId(f"c{number}"),
        org=org,
        agent="a",
        leg=LegKind.TWILIO,
        caller="+15550100200",
        called="+15551230001",
        carrier_call_id=f"CA{number}",
        audio="audio/pcmu",
        started_at_ms=0,
    )


class Admission:
    """Answers in turn; the last answer again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []
        self.left: list[str] = []

    async def ask(self, start: CallStart) -> Lease | Waiting | Full:
        self.asked.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        match answer:
            case "lease":
                return lease(start)
            case "wait":
                return Waiting(start.org, "a", start.call_id, 2, 7, 0)
        return Full(Scope.CIRCUIT)

    async def leave(self, start: CallStart) -> None:
        self.left.append(start.call_id)


def lease(start: CallStart) -> Lease:
    return Lease(start.org, "a", start.call_id, "gateway", 1)


class Keeper:
    """Remembers who waits here."""

    def __init__(self) -> None:
        self.waiters: dict[str, Any] = {}

    def wait(self, waiting: Waiting, waiter: Any) -> None:
        self.waiters[waiting.call_id] = waiter

    def drop(self, org: str, call_id: CallId) -> None:
        self.waiters.pop(call_id, None)


class Ear:
    def __init__(self) -> None:
        self.heard_bytes = 0
        self.clears = 0

    def play(self, audio: bytes) -> None:
        self.heard_bytes += len(audio)

    def clear(self) -> None:
        self.clears += 1


class Stage:
    """A room whose clock is the loop's."""

    def __init__(self, *answers: Any, yaml: str = YAML) -> None:
        self.config: Config = load_config(yaml)
        self.admission, self.keeper, self.ear = Admission(*answers), Keeper(), Ear()
        admission: Any = self.admission
        keeper: Any = self.keeper
        self.room = WaitingRoom(
            admission,
            keeper,
            self.config,
            dict.fromkeys(self.config.orgs, b"\x90" * 1600),
            clock_s=asyncio.get_running_loop().time,
        )

    def wait(self, number: int = 1, org: str = "main") -> Wait:
        return Wait(start(number, org), self.ear, self.room)


def staged(*answers: Any) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    """Play it on a stage, in virtual time."""

    def play(act: Callable[[Stage], Awaitable[None]]) -> None:
        async def main() -> None:
            stage = Stage(*answers)
            await act(stage)
            stage.room.close()

        run(main())

    return play


def test_a_slot_that_is_there_is_no_wait() -> None:
    @staged("lease")
    async def _(stage: Stage) -> None:
        wait = stage.wait()
        assert await wait.run()
        assert (wait.waited_s, stage.ear.heard_bytes, stage.ear.clears) == (0.0, 0, 0)
        assert stage.keeper.waiters == {}


def test_the_webhooks_place_is_taken_up_without_asking_again() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        assert isinstance(await stage.room.enter(start()), Waiting)
        waiting = asyncio.create_task(stage.wait().run())
        await asyncio.sleep(3)
        assert len(stage.admission.asked) == 1
        assert 3.0 <= stage.ear.heard_bytes / 8000 <= 3.4, "music, against the clock"
        stage.keeper.waiters["c1"].granted(lease(start()))
        assert await waiting
        assert stage.ear.clears == 1


def test_a_place_granted_before_the_stream_came() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        await stage.room.enter(start())
        stage.keeper.waiters["c1"].granted(lease(start()))
        await asyncio.sleep(1)
        wait = stage.wait()
        assert await wait.run()
        assert (wait.waited_s, stage.ear.clears) == (1.0, 0)


def test_a_place_nobody_claims_is_let_go_of_and_no_more() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        await stage.room.enter(start())
        await asyncio.sleep(UNCLAIMED_S - 1)
        assert "c1" in stage.keeper.waiters
        await asyncio.sleep(2)
        assert stage.keeper.waiters == {}
        assert stage.admission.left == [], "it may be at another gateway by now"


def test_patience_is_counted_from_the_webhook() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        await asyncio.sleep(8)  # the stream was slow
        wait = stage.wait()
        assert not await wait.run()
        assert asyncio.get_running_loop().time() == pytest.approx(30)
        assert wait.waited_s == pytest.approx(30)
        assert stage.ear.clears == 1


def test_nothing_to_wait_for_any_more() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        waiting = asyncio.create_task(stage.wait().run())
        await asyncio.sleep(2)
        stage.keeper.waiters["c1"].refused(Full(Scope.CIRCUIT))
        assert not await waiting


def test_who_has_the_stream_takes_the_place_back() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        waiting = asyncio.create_task(stage.wait().run())
        await asyncio.sleep(2)
        stage.keeper.waiters.pop("c1").lost()  # a webhook that came twice, elsewhere
        await asyncio.sleep(0.1)
        assert len(stage.admission.asked) == 2
        stage.keeper.waiters["c1"].granted(lease(start()))
        assert await waiting


def test_redis_away_is_waited_for_with_music() -> None:
    @staged(AWAY, AWAY, AWAY, "lease")
    async def _(stage: Stage) -> None:
        wait = stage.wait()
        assert await wait.run()
        assert stage.admission.asked == [0, 1, 2, 3]
        assert stage.ear.heard_bytes > 2.5 * 8000
        assert wait.waited_s == pytest.approx(3)


def test_redis_away_for_good_ends_with_patience() -> None:
    @staged(AWAY)
    async def _(stage: Stage) -> None:
        assert not await stage.wait().run()
        assert asyncio.get_running_loop().time() == pytest.approx(30)


@pytest.mark.parametrize("org", ["shared", "plain"])
def test_redis_away_and_the_worker_shall_judge(org: str) -> None:
    @staged(AWAY)
    async def _(stage: Stage) -> None:
        wait = stage.wait(org=org)
        assert await wait.run()
        assert wait.waited_s == 0.0


def test_as_many_are_let_in_without_redis_as_may_wait() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        room = stage.room
        assert [room.let_in(start(n)) for n in (1, 1, 2, 3)] == [True, True, True, False]
        room.arrived(start(1))  # still one of two
        assert not room.let_in(start(3))
        room.departed(start(1))
        assert room.let_in(start(3))
        assert not room.let_in(start(4, "plain")), "nobody waits there"
        assert all(room.let_in(start(n, "shared")) for n in range(10, 20))
        await asyncio.sleep(UNCLAIMED_S + 1)
        assert room.let_in(start(5)) and room.let_in(start(6)), "those never came"


def test_a_caller_who_leaves() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        waiting = asyncio.create_task(stage.wait().run())
        await asyncio.sleep(5)
        waiting.cancel()
        await asyncio.wait((waiting,))
        await stage.room.leave(start())
        assert waiting.cancelled()
        assert (stage.keeper.waiters, stage.admission.left) == ({}, ["c1"])
        assert stage.ear.clears == 1


def test_the_first_word_about_a_place_counts() -> None:
    @staged("wait")
    async def _(stage: Stage) -> None:
        place = await stage.room.seat(start())
        place.granted(lease(start()))
        place.lost()  # its worker has adopted it
        assert await place.verdict is Verdict.GRANTED
