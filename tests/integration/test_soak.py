"""Hundreds of calls of every kind through one worker, while the API fails in every way it can.

Afterwards nothing may be left: no task, no socket, no session, and no memory but what it had after
the first calls. SOAK_CALLS=5000 makes a night of it.
"""

import asyncio
import gc
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from simulators.speech import speak
from tests.integration.worker_scene import CONFIG, Scene, a_worker

pytestmark = pytest.mark.alone

CALLS = int(os.environ.get("SOAK_CALLS", "200"))
WARM_UP = 60
AT_ONCE = 20
GROWTH_MAX_BYTES = 150_000  # what dictionaries and pools may round up to

FAULTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("drop_mid_response", {"after_deltas": 2}),
    ("drop", {}),
    ("close", {"code": 1011, "reason": "server_error.server_error"}),
    ("refuse", {"row": "server_error"}),
    ("rate_limited_response", {"hint": "320ms"}),
    ("failed_response", {}),
    ("empty_response", {}),
    ("incomplete", {}),
    ("content_filter", {}),
    ("late_transcript", {"delay_s": 1.0}),
    ("failed_transcript", {}),
    ("error_event", {}),
    ("unknown_event", {}),
)


async def caller(scene: Scene, chance: random.Random) -> None:
    """One call, of whatever kind; a caller's patience is short."""
    phone = await scene.call()
    try:
        async with asyncio.timeout(chance.uniform(1.0, 4.0)):
            await phone.is_spoken_to(after_ms=chance.choice((0, 300)))
            for _ in range(chance.randint(1, 3)):
                match chance.randrange(4):
                    case 0:
                        await phone.say("What are your opening hours?")
                    case 1:
                        phone.press("42#")
                    case 2:
                        sound = speak("I would like to book a cleaning on Tuesday.")
                        await phone.send(sound[: chance.randrange(160, len(sound), 160)])
                    case _:
                        await phone.say("Thank you, goodbye.")
                await phone.is_spoken_to()
            await phone.over.wait()
    except TimeoutError:
        pass
    if not phone.over.is_set():
        phone.hang_up()
    await phone.put_down()
    scene.phones.remove(phone)


async def calls(scene: Scene, count: int, chance: random.Random) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with room:
            if chance.random() < 0.5:
                point, options = chance.choice(FAULTS)
                scene.api.arm(point, 1, **options)
            await caller(scene, chance)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
    await _until_quiet(scene)


async def _until_quiet(scene: Scene) -> None:
    async with asyncio.timeout(30):
        while scene.worker._tasks or scene.api.state()["sessions"]["live"]:  # noqa: ASYNC110 # polled
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)


def _sockets() -> int:
    return sum(
        1 for each in Path("/proc/self/fd").iterdir() if each.is_symlink() and _is_socket(each)
    )


def _is_socket(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False


def _ours_bytes() -> int:
    """What the worker's own code holds."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot()
    filters = [tracemalloc.Filter(True, f"*/{part}/*") for part in ("services", "callfleet")]
    return sum(trace.size for trace in snapshot.filter_traces(filters).traces)


async def test_calls_leave_nothing_behind(redis_url: str) -> None:
    chance = random.Random(4)
    conf = CONFIG.replace("sessions: 4", "sessions: 100").replace("sessions: 3", "sessions: 100")
    async with a_worker(redis_url, conf=conf, slots=100) as scene:
        scene.recorder.events.clear()
        await calls(scene, WARM_UP, chance)
        tracemalloc.start()
        await calls(scene, AT_ONCE, chance)
        memory, sockets, tasks = _ours_bytes(), _sockets(), len(asyncio.all_tasks())
        await calls(scene, CALLS - WARM_UP - AT_ONCE, chance)
        growth = _ours_bytes() - memory
        tracemalloc.stop()
        assert growth < GROWTH_MAX_BYTES, f"{growth} bytes more than after the first calls"
        assert _sockets() <= sockets
        assert len(asyncio.all_tasks()) <= tasks
        assert (await scene.slots.usage("main")).live == 0
        scene.recorder.events.clear()


test_calls_leave_nothing_behind.limit_s = 60 + CALLS / 2  # type: ignore[attr-defined] # see conftest
