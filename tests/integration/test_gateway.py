"""Calls through a real gateway: the phone company's protocol on one side, a link on the other."""

import asyncio

from callfleet.calls import EndReason
from callfleet.errors import AtCapacity, NoWorker
from simulators.phone_faults import Fault
from simulators.phone_scripts import HangUp, Listen, Press, Script, Speak, Step, Wait
from tests.integration.gateway_scene import BUSY, CLINIC, SALON, Scene, scene, until

CALLER = "+15550100200"
TALKS = (Speak("I need an appointment"), Press("42"), Wait(300), HangUp())
WAITS = (Wait(20_000),)


def a_script(*steps: Step) -> Script:
    return Script("test", steps, patience_ms=20_000)


async def spoken_for(fleet: Scene, count: int) -> list[str]:
    """Take this many slots, as other calls would."""
    for number in range(count):
        start = f"c{number:026d}"
        await fleet.slots.acquire("main", "clinic", start, holder="elsewhere")  # type: ignore[arg-type] # a name is all it needs
    return []


async def test_a_caller_and_a_worker_hear_each_other(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        report = await fleet.company.place(CALLER, CLINIC, a_script(*TALKS))
        guest = fleet.worker.guests[0]
        await guest.over.wait()
    assert report.violations == []
    heard = [turn.text for turn in report.heard]
    assert heard == ["Hello from the clinic", "You said I need an appointment"]
    assert all(turn.complete for turn in report.heard)
    assert guest.heard == ["I need an appointment"]
    assert guest.digits == ["4", "2"]
    assert guest.marks == ["greeted", "answered"]
    assert guest.closed is EndReason.CALLER_HUNG_UP
    assert report.ended_by == "caller_hung_up"
    assert (guest.start.caller, guest.start.called) == (CALLER, CLINIC)


async def test_the_agent_hangs_up(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        fleet.worker.hangs_up_after = "greeted"
        report = await fleet.company.place(CALLER, CLINIC, a_script(*WAITS))
        guest = fleet.worker.guests[0]
        await until(lambda: fleet.worker.finished == 1)
        ended = await fleet.journal.ended(guest.start.call_id)
        usage = await fleet.slots.usage("main")
    assert report.violations == []
    assert [turn.text for turn in report.heard] == ["Hello from the clinic"]
    assert report.ended_by == "twiml_hangup"
    assert report.closes[0][0] == 1000
    assert ended is EndReason.AGENT_HUNG_UP
    assert report.spoken_by_twiml == []
    assert usage.live == 0


async def test_a_full_fleet_overflows_in_the_agents_own_way(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        await spoken_for(fleet, 2)
        dialled = await fleet.company.place(CALLER, CLINIC, a_script(*WAITS))
        told = await fleet.company.place(CALLER, SALON, a_script(*WAITS))
        busy = await fleet.company.place(CALLER, BUSY, a_script(*WAITS))
        finished = [await fleet.journal.read(name) for name in await fleet.journal.finished(10)]
        usage = await fleet.slots.usage("main")
    assert [leg.address for leg in dialled.dialled] == ["+15550100"]
    assert told.spoken_by_twiml == ["Nobody is free."]
    assert busy.ended_by == "busy"
    assert [each.violations for each in (dialled, told, busy)] == [[], [], []]
    assert fleet.worker.guests == []
    reasons = [record.end.reason for record in finished if record and record.end]
    assert reasons == [EndReason.NO_SLOT] * 3  # written down all the same
    assert usage.live == 2


async def test_a_number_nobody_owns_gets_a_sentence(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        report = await fleet.company.place(CALLER, "+15559999999", a_script(*WAITS))
    assert report.violations == []
    assert report.spoken_by_twiml == ["Sorry, this number is not in service. Goodbye."]
    assert report.ended_by == "twiml_hangup"


async def test_a_webhook_that_comes_twice_makes_one_call(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        script = a_script(*TALKS)
        twice = [Fault("duplicate_webhook")]
        report = await fleet.company.place(CALLER, CLINIC, script, faults=twice)
        usage = await fleet.slots.usage("main")
    answers = [each.answer for each in report.twiml_log if each.purpose.startswith("voice")]
    assert len(answers) == 2
    assert answers[0] == answers[1]
    assert len(fleet.worker.guests) == 1
    assert usage.live <= 1


async def test_a_forged_webhook_is_refused(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        forged = [Fault("forged_webhook")]
        report = await fleet.company.place(CALLER, CLINIC, a_script(*WAITS), faults=forged)
        usage = await fleet.slots.usage("main")
    assert [each.status for each in report.twiml_log] == [403]
    assert usage.live == 0


async def test_no_worker_means_the_overflow_and_no_slot_kept(redis_url: str) -> None:
    async with scene(redis_url, workers=0) as fleet:
        report = await fleet.company.place(CALLER, SALON, a_script(*WAITS))
        await until(lambda: fleet.gateway.legs == 0)
        usage = await fleet.slots.usage("main")
        names = await fleet.journal.finished(10)
        ended = [await fleet.journal.ended(name) for name in names]
    assert report.violations == []
    assert report.spoken_by_twiml == ["Nobody is free."]
    assert ended == [EndReason.NO_WORKER]
    assert usage.live == 0


async def test_a_worker_that_refuses_is_avoided(redis_url: str) -> None:
    async with scene(redis_url, workers=2) as fleet:
        for _ in range(6):  # whomever the roster names first
            fleet.workers[0].refuses = NoWorker("not now")
            await fleet.company.place(CALLER, CLINIC, a_script(Listen(), HangUp()))
            await fleet.release_all()
    assert fleet.workers[0].guests == []
    assert len(fleet.workers[1].guests) == 6


async def test_a_worker_without_a_slot_for_the_call_ends_it_in_the_overflow(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        fleet.worker.refuses = AtCapacity()
        report = await fleet.company.place(CALLER, SALON, a_script(*WAITS))
    assert report.spoken_by_twiml == ["Nobody is free."]


async def test_a_lost_worker_ends_in_an_apology_and_a_human(redis_url: str) -> None:
    async with scene(redis_url) as fleet:
        placing = asyncio.create_task(fleet.company.place(CALLER, CLINIC, a_script(*WAITS)))
        await fleet.worker.came.wait()
        await fleet.worker.server.stop()
        report = await placing
        await until(lambda: fleet.gateway.legs == 0)
        usage = await fleet.slots.usage("main")
        ended = await fleet.journal.ended(fleet.worker.guests[0].start.call_id)
    assert report.violations == []
    assert "technical problem" in report.spoken_by_twiml[0]
    assert [leg.address for leg in report.dialled] == ["+15550100"]
    assert ended is EndReason.WORKER_LOST
    assert usage.live == 0


async def test_a_caller_who_never_brings_the_stream_is_written_down(redis_url: str) -> None:
    """The media handshake is refused, so the token is never used; Twilio asks what is next."""
    async with scene(redis_url) as fleet:
        forged = [Fault("forged_upgrade")]
        report = await fleet.company.place(CALLER, CLINIC, a_script(*WAITS), faults=forged)
        usage = await fleet.slots.usage("main")
        names = await fleet.journal.finished(10)
        ended = [await fleet.journal.ended(name) for name in names]
    assert "technical problem" in report.spoken_by_twiml[0]
    assert ended == [EndReason.LEG_LOST]
    assert usage.live == 0
