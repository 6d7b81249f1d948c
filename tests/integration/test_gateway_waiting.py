"""Callers for whom there is no slot yet, at a real gateway with a real Redis."""

import asyncio
from typing import Any

import pytest

from callfleet.calls import CallId, EndReason
from callfleet.journal_entries import Note
from callfleet.slots import Lease
from simulators.phone_faults import Fault
from simulators.phone_report import CallReport
from simulators.phone_scripts import HangUp, Listen, Script, Speak, Step, Wait
from tests.integration.gateway_scene import BUSY, CLINIC, SALON, YAML, Scene, scene, until

CALLER = "+15550100200"
ELSE = CallId("c" + "0" * 26)  # somebody else's call, which has the only slot
PROMISE = "We will call you back today."
QUEUE = "queue: {max_waiting: 1, max_wait_s: 30}"


def yaml(queue: str = QUEUE, *, overflow: str = "", more: str = "") -> str:
    text = YAML.replace("{sessions: 2}", f"{{sessions: 1, {queue}{more}}}")
    return text.replace('{say: "Nobody is free."}', overflow) if overflow else text


def a_script(*steps: Step) -> Script:
    return Script("test", steps, patience_ms=20_000)


STAYS = a_script(Wait(25_000))
GREETED = a_script(Listen(), HangUp())


async def taken(fleet: Scene) -> Lease:
    """The only slot is somebody else's."""
    lease = await fleet.slots.acquire("main", "clinic", ELSE, holder="elsewhere")
    assert isinstance(lease, Lease)
    return lease


async def waiting(fleet: Scene, count: int = 1) -> None:
    while (await fleet.slots.usage("main")).waiting != count:  # noqa: ASYNC110 # no event for it
        await asyncio.sleep(0.02)


async def music(placing: "asyncio.Task[CallReport]", fleet: Scene, ms: int = 400) -> None:
    """Until the caller has heard this much of the hold sound."""
    call = next(iter(fleet.company.calls.values()))
    await until(lambda: call.report.other_sound_ms >= ms)
    assert not placing.done()


async def records(fleet: Scene) -> list[Any]:
    await until(lambda: fleet.gateway.legs == 0)
    return [await fleet.journal.read(name) for name in await fleet.journal.finished(10)]


async def test_a_caller_waits_with_music_and_gets_the_agent(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        fleet.worker.adopts = True
        lease = await taken(fleet)
        script = a_script(Speak("I need an appointment"), Listen(), HangUp())
        placing = asyncio.create_task(fleet.company.place(CALLER, CLINIC, script))
        await waiting(fleet)
        await music(placing, fleet)
        assert fleet.worker.guests == [], "no worker is bothered by those who wait"
        await fleet.slots.release(lease)
        report = await placing
        guest = fleet.worker.guests[0]
        await guest.over.wait()
        usage = await fleet.slots.usage("main")
    assert report.violations == []
    assert [turn.text for turn in report.heard] == [
        "Hello from the clinic",
        "You said I need an appointment",
    ]
    assert all(turn.complete for turn in report.heard)
    stream = report.streams[0]
    assert stream.clears == 1, "what was sent ahead is not heard over the agent"
    assert stream.other_sound_ms >= 400
    assert guest.heard == ["I need an appointment"]
    assert guest.start.waited_ms > 400
    assert guest.lease is not None, "the slot that was waited for is the call's"
    assert (usage.live, usage.waiting) == (1, 0)


async def test_what_is_said_to_the_music_is_not_told_to_the_agent(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        lease = await taken(fleet)
        placing = asyncio.create_task(fleet.company.place(CALLER, CLINIC, GREETED))
        await waiting(fleet)
        await music(placing, fleet, 3000)
        await fleet.slots.release(lease)
        report = await placing
        guest = fleet.worker.guests[0]
        await guest.over.wait()
    told_ms = len(guest.audio) / 8
    connected_ms = report.streams[0].ended_ms - report.streams[0].started_ms
    assert 0 < told_ms < connected_ms - 2500, "only what came after the grant"


async def test_the_slot_may_be_granted_before_the_stream_is_there(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        lease = await taken(fleet)
        released = asyncio.create_task(_released_when_waiting(fleet, lease))
        report = await fleet.company.place(CALLER, CLINIC, GREETED)
        await released
    assert [turn.text for turn in report.heard] == ["Hello from the clinic"]


async def _released_when_waiting(fleet: Scene, lease: Lease) -> None:
    await waiting(fleet)
    await fleet.slots.release(lease)


async def test_a_full_queue_is_the_overflow_at_once(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        await taken(fleet)
        first = asyncio.create_task(fleet.company.place(CALLER, CLINIC, STAYS))
        await waiting(fleet)
        busy = await fleet.company.place(CALLER, BUSY, STAYS)
        told = await fleet.company.place(CALLER, SALON, STAYS)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert busy.ended_by == "busy"
    assert busy.streams == []
    assert told.spoken_by_twiml == ["Nobody is free."]


async def test_patience_ends_in_the_overflow(redis_url: str) -> None:
    queue = "queue: {max_waiting: 1, max_wait_s: 1.5}"
    async with scene(redis_url, yaml=yaml(queue)) as fleet:
        await taken(fleet)
        told = await fleet.company.place(CALLER, SALON, STAYS)
        dialled = await fleet.company.place(CALLER, CLINIC, STAYS)
        busy = await fleet.company.place(CALLER, BUSY, STAYS)
        ended = await records(fleet)
        usage = await fleet.slots.usage("main")
    assert told.spoken_by_twiml == ["Nobody is free."]
    assert [leg.address for leg in dialled.dialled] == ["+15550100"]
    assert len(busy.spoken_by_twiml) == 1, "an answered call cannot be busy any more"
    assert [each.other_sound_ms > 500 for each in (told, dialled, busy)] == [True] * 3
    assert [each.violations for each in (told, dialled, busy)] == [[], [], []]
    assert [record.end.reason for record in ended] == [EndReason.NO_SLOT] * 3
    assert all(1400 <= record.start.waited_ms < 20_000 for record in ended)
    assert (usage.live, usage.waiting) == (1, 0)
    assert fleet.worker.guests == []


async def test_a_caller_who_hangs_up_leaves_the_queue_at_once(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        await taken(fleet)
        script = a_script(Wait(1000), HangUp())
        report = await fleet.company.place(CALLER, CLINIC, script)
        await waiting(fleet, 0)
        (record,) = await records(fleet)
        usage = await fleet.slots.usage("main")
    assert report.ended_by == "caller_hung_up"
    assert record.end.reason is EndReason.CALLER_HUNG_UP
    assert record.start.waited_ms > 500
    assert usage.totals.get("abandoned", 0) == 0, "it left, it did not lapse"


@pytest.mark.parametrize(("caller", "promised"), [(CALLER, True), ("anonymous", False)])
async def test_a_call_back_is_promised_and_written_down(
    redis_url: str, caller: str, promised: bool
) -> None:
    queue = "queue: {max_waiting: 1, max_wait_s: 1}"
    overflow = f'{{call_back: "{PROMISE}"}}'
    async with scene(redis_url, yaml=yaml(queue, overflow=overflow)) as fleet:
        await taken(fleet)
        waited = await fleet.company.place(caller, SALON, STAYS)
        async with asyncio.timeout(20):
            first = asyncio.create_task(fleet.company.place(caller, CLINIC, STAYS))
            await waiting(fleet)
            at_once = await fleet.company.place(caller, SALON, STAYS)
            await first
        ended = await records(fleet)
    kinds = [
        [entry.kind for entry in record.entries if isinstance(entry, Note)]
        for record in ended
        if record.start.agent == "salon"
    ]
    assert kinds == [["call_back_requested"] * promised] * 2
    for report in (waited, at_once):
        assert (report.spoken_by_twiml == [PROMISE]) is promised
        assert len(report.spoken_by_twiml) == 1


async def test_the_place_in_line_is_announced(redis_url: str) -> None:
    queue = "queue: {max_waiting: 1, max_wait_s: 6, announce: true, announce_every_s: 5}"
    async with scene(redis_url, yaml=yaml(queue)) as fleet:
        await taken(fleet)
        report = await fleet.company.place(CALLER, SALON, STAYS)
    assert report.violations == []
    assert report.other_sound_ms > 4000
    assert report.longest_silence_ms < 20_000


async def test_an_open_circuit_lets_nobody_wait(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        await taken(fleet)
        placing = asyncio.create_task(fleet.company.place(CALLER, SALON, STAYS))
        await waiting(fleet)
        await music(placing, fleet)
        await fleet.slots.open_circuit("main", "the key is refused")
        told = await placing
        at_once = await fleet.company.place(CALLER, BUSY, STAYS)
    assert told.spoken_by_twiml == ["Nobody is free."]
    assert at_once.ended_by == "busy"


async def test_a_stream_that_never_comes_gives_its_place_up(redis_url: str) -> None:
    async with scene(redis_url, yaml=yaml()) as fleet:
        await taken(fleet)
        forged = [Fault("forged_upgrade")]
        report = await fleet.company.place(CALLER, CLINIC, STAYS, faults=forged)
        await waiting(fleet, 0)
        (record,) = await records(fleet)
    assert "technical problem" in report.spoken_by_twiml[0]
    assert record.end.reason is EndReason.LEG_LOST
