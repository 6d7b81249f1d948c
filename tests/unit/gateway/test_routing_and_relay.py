"""A call's way to a worker and what its relay does, with links and roster played by the test."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from callfleet.calls import CallId, CallStart, EndReason, LegKind
from callfleet.config import Queue
from callfleet.errors import AtCapacity, CallEnded, LinkFault, NoWorker, StoreFault
from callfleet.link import CALLER_AUDIO_BOUND, Close, Frame
from callfleet.roster import Route, WorkerCard
from callfleet.slots import Lease
from services.gateway.relay import Relay, Switching
from services.gateway.routing import LastSeen, Search
from services.gateway.waiting import Place

START = CallStart(
    call_id=CallId("c0"),
    org="main",
    agent="clinic",
    leg=LegKind.TWILIO,
    caller="+1",
    called="+2",
    carrier_call_id="CA1",
    audio="audio/pcmu",
    started_at_ms=1,
)


class Roster:
    """Places on the first worker that is not avoided."""

    def __init__(self, *workers: str) -> None:
        self.workers_ = workers
        self.asked: list[tuple[str, ...]] = []
        self.away = False
        self.seen = LastSeen(self)  # type: ignore[arg-type] # as much of a roster as it asks for

    async def workers(self) -> list[WorkerCard]:
        if self.away:
            raise StoreFault
        return [WorkerCard(name, f"ws://{name}", 2, 1, False, "test") for name in self.workers_]

    async def place(self, call_id: CallId, *, avoid: list[str] | tuple[str, ...] = ()) -> Route:
        if self.away:
            raise StoreFault
        self.asked.append(tuple(avoid))
        for worker in self.workers_:
            if worker not in avoid:
                return Route(call_id, worker, f"ws://{worker}")
        raise NoWorker

    def search(self, call_id: CallId) -> Search:
        return Search(self, self.seen, call_id)  # type: ignore[arg-type] # the same


class Stream:
    """Remembers what is sent."""

    def __init__(self) -> None:
        self.audio: list[bytes] = []
        self.frames: list[Frame] = []

    def send_audio(self, audio: bytes) -> None:
        self.audio.append(audio)

    def send(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self, reason: EndReason) -> None:
        self.frames.append(Close(reason))


class Links:
    """Each worker answers as the test says: an error, or a stream."""

    def __init__(self, **answers: Exception | Stream) -> None:
        self.answers = answers
        self.tried: list[tuple[str, float]] = []
        self.meanwhile: Callable[[Relay], None] = lambda relay: None

    async def open(self, route: Route, start: CallStart, relay: Any, *, patience_s: float) -> Any:
        self.tried.append((route.worker_id, patience_s))
        self.meanwhile(relay)
        await asyncio.sleep(0)
        answer = self.answers[route.worker_id]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Admission:
    def __init__(self) -> None:
        self.closed: list[EndReason] = []

    async def close_unserved(self, start: CallStart, reason: EndReason) -> None:
        self.closed.append(reason)

    async def turn_away(self, start: CallStart, reason: EndReason) -> None:
        self.closed.append(reason)


class Room:
    """Everybody has a slot already."""

    loops: ClassVar = {"main": b"\xff" * 1600}

    def __init__(self) -> None:
        self.let: list[str] = []
        self.left: list[str] = []

    def queue(self, org: str) -> Queue:
        return Queue()

    def waited_s(self, start: CallStart) -> float:
        return 0.0

    def arrived(self, start: CallStart) -> None: ...

    def departed(self, start: CallStart) -> None: ...

    async def seat(self, start: CallStart) -> Place:
        place = Place(start)
        place.granted(Lease(start.org, start.agent, start.call_id, "gateway", 1))
        return place

    def let_go(self, start: CallStart) -> None:
        self.let.append(start.call_id)

    async def leave(self, start: CallStart) -> None:
        self.left.append(start.call_id)


class Leg:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def play(self, audio: bytes) -> None:
        self.heard.append(audio)

    def mark(self, name: str) -> None:
        self.heard.append(name)

    def clear(self) -> None:
        self.heard.append("clear")


class Stage:
    """A relay with everything around it."""

    def __init__(self, roster: Roster, links: Links) -> None:
        self.roster, self.links = roster, links
        self.admission, self.leg, self.room = Admission(), Leg(), Room()
        switching: Any = Switching(roster, links, self.admission, self.room)  # type: ignore[arg-type] # played here
        self.relay = Relay(START, self.leg, switching)

    async def play(self, *, until: EndReason | None = None) -> EndReason:
        """Run it; `until` ends it as soon as it is placed."""
        running = asyncio.create_task(self.relay.run())
        while until is not None and self.relay._stream is None and not running.done():  # noqa: ASYNC110 # no event for it
            await asyncio.sleep(0)
        if until is not None:
            self.relay.end(until)
        reason = await running
        await self.relay.record()
        return reason


async def test_a_worker_that_does_not_answer_or_refuses_is_avoided() -> None:
    stream = Stream()
    links = Links(a=LinkFault("dead"), b=NoWorker("full"), c=stream)
    stage = Stage(Roster("a", "b", "c"), links)
    assert await stage.play(until=EndReason.CALLER_HUNG_UP) is EndReason.CALLER_HUNG_UP
    assert [worker for worker, _ in links.tried] == ["a", "b", "c"]
    assert stage.roster.asked == [(), ("a",), ("a", "b")]
    assert stream.frames == [Close(EndReason.CALLER_HUNG_UP)]
    assert stage.admission.closed == []  # the worker has it, and writes it down


async def test_the_only_worker_is_asked_again_more_patiently() -> None:
    links = Links(a=LinkFault("busy"))
    stage = Stage(Roster("a"), links)
    assert await stage.play() is EndReason.NO_WORKER
    assert links.tried == [("a", 0.5), ("a", 2.0)]
    assert stage.admission.closed == [EndReason.NO_WORKER]


async def test_enough_is_enough() -> None:
    names = "abcdefgh"
    links = Links(**{name: LinkFault("dead") for name in names})
    stage = Stage(Roster(*names), links)
    assert await stage.play() is EndReason.NO_WORKER
    assert len(links.tried) == 4


async def test_nobody_at_all() -> None:
    stage = Stage(Roster(), Links())
    assert await stage.play() is EndReason.NO_WORKER
    assert stage.roster.asked == [()]


async def test_a_refusal_for_good_is_not_carried_elsewhere() -> None:
    for refusal, reason in ((AtCapacity(), EndReason.NO_SLOT), (CallEnded(), EndReason.SLOT_LOST)):
        links = Links(a=refusal, b=Stream())
        stage = Stage(Roster("a", "b"), links)
        assert await stage.play() is reason
        assert len(links.tried) == 1
        assert stage.admission.closed == [reason]


async def test_redis_away_and_nobody_seen_before_ends_the_search() -> None:
    roster = Roster("a")
    roster.away = True
    stage = Stage(roster, Links())
    assert await stage.play() is EndReason.NO_WORKER


async def test_redis_away_leaves_the_workers_last_seen() -> None:
    """One that does not answer is avoided, one that is full by our own count is not asked."""
    roster, stream = Roster("a", "b"), Stream()
    await roster.seen.look()
    roster.away = True
    await roster.seen.look()  # what was seen stays seen
    dead = roster.seen.place(CallId("c1"), avoid=["b"])
    assert (dead.worker_id, dead.url) == ("a", "ws://a")
    links = Links(b=stream)
    stage = Stage(roster, links)
    assert await stage.play(until=EndReason.CALLER_HUNG_UP) is EndReason.CALLER_HUNG_UP
    assert [worker for worker, _ in links.tried] == ["b"]


async def test_what_the_caller_says_while_the_call_is_placed_is_kept_to_a_bound() -> None:
    stream = Stream()
    links = Links(a=stream)
    stage = Stage(Roster("a"), links)
    frames = [bytes([n]) * 160 for n in range(120)]

    def speak(relay: Relay) -> None:
        for frame in frames:
            relay.hear(frame)

    links.meanwhile = speak
    await stage.play(until=EndReason.CALLER_HUNG_UP)
    assert stream.audio == frames[-CALLER_AUDIO_BOUND // 160 :]


async def test_a_caller_who_leaves_while_the_call_is_placed() -> None:
    stream = Stream()
    links = Links(a=stream)
    links.meanwhile = lambda relay: relay.end(EndReason.CALLER_HUNG_UP)
    stage = Stage(Roster("a"), links)
    assert await stage.play() is EndReason.CALLER_HUNG_UP
    assert stream.frames == [Close(EndReason.CALLER_HUNG_UP)]  # it has the call and records it
    assert stage.admission.closed == []

    links = Links(a=LinkFault("dead"), b=Stream())
    links.meanwhile = lambda relay: relay.end(EndReason.CALLER_HUNG_UP)
    stage = Stage(Roster("a", "b"), links)
    assert await stage.play() is EndReason.CALLER_HUNG_UP
    assert len(links.tried) == 1  # nobody else is bothered
    assert stage.admission.closed == [EndReason.CALLER_HUNG_UP]


async def test_a_worker_that_ends_the_call_at_once() -> None:
    links = Links(a=Stream())
    links.meanwhile = lambda relay: relay.on_close(EndReason.SESSION_REFUSED)
    stage = Stage(Roster("a"), links)
    assert await stage.play() is EndReason.SESSION_REFUSED
    assert stage.admission.closed == []


async def test_a_lost_worker_is_recorded_here() -> None:
    stage = Stage(Roster("a"), Links(a=Stream()))
    running = asyncio.create_task(stage.relay.run())
    await asyncio.sleep(0.01)
    stage.relay.on_lost()
    assert await running is EndReason.WORKER_LOST
    await stage.relay.record()
    assert stage.admission.closed == [EndReason.WORKER_LOST]


async def test_the_first_reason_is_the_calls() -> None:
    stream = Stream()
    stage = Stage(Roster("a"), Links(a=stream))
    reason = await stage.play(until=EndReason.CALLER_HUNG_UP)
    stage.relay.on_close(EndReason.AGENT_HUNG_UP)
    stage.relay.end(EndReason.LEG_LOST)
    assert reason is stage.relay._over.result() is EndReason.CALLER_HUNG_UP
    assert stream.frames == [Close(EndReason.CALLER_HUNG_UP)]


async def test_the_workers_words_reach_the_leg_in_order() -> None:
    stage = Stage(Roster("a"), Links(a=Stream()))
    relay = stage.relay
    relay.on_audio(b"hello")
    relay.on_mark("m")
    relay.on_clear()
    assert stage.leg.heard == [b"hello", "m", "clear"]
    await stage.play(until=EndReason.CALLER_HUNG_UP)
