"""The rules of a session's old age: changed for a new one before it ends, between two turns. Pure.

A session lives for an hour at most and cannot be resumed. Some minutes before its end a second one
is opened beside it; at the next moment in which nobody speaks and nothing is awaited, that one is
told what was said, and takes over: nothing is lost and nothing repeated. Should no such moment
come, the change is made all the same shortly before the end, as after a loss.
"""

from typing import Final

from services.worker import dialogue as told
from services.worker.dialogue import StartTimer, StopTimer, Timer
from services.worker.resumption import break_off, resume
from services.worker.scene import Age, Scene, Stage

QUIET_MS: Final = 1_500  # so long nobody has spoken
OVERLAP_MS: Final = 1_000  # of that, the new session hears too: speech not noticed yet is in there
WORDS_WAIT_MS: Final = 500
SPARE_AGAIN_MS: Final = 10_000
RESERVE_MS: Final = 10_000  # before its end a session is left at the latest


def plan(scene: Scene, lifetime_ms: int | None) -> None:
    """A session begins: when is the next one to be there?"""
    manner = scene.manner
    scene.age = Age()
    due_ms = manner.rotate_after_ms
    if lifetime_ms is not None:
        margin_ms = min(manner.rotate_margin_ms, lifetime_ms // 2)
        scene.age.last_ms = scene.now_ms + lifetime_ms - min(RESERVE_MS, margin_ms // 4)
        by_margin_ms = lifetime_ms - margin_ms
        due_ms = by_margin_ms if due_ms is None else min(due_ms, by_margin_ms)
    if due_ms is not None:
        scene.order(StartTimer(Timer.ROTATE_DUE, due_ms))


def rotate_due(scene: Scene) -> None:
    if scene.stage is not Stage.TALKING or not scene.connected:
        return  # what is about to end, or to be replaced, needs no second one
    scene.order(told.OpenSession(spare=True))
    if scene.age.last_ms is not None:
        scene.order(StartTimer(Timer.ROTATE_BY, max(0, scene.age.last_ms - scene.now_ms)))


def spare_ready(scene: Scene, event: told.SpareReady) -> None:
    if scene.closing or not scene.connected:
        return
    scene.age.spare, scene.age.spare_since_ms = event, scene.now_ms
    if scene.calm.now:
        scene.order(StartTimer(Timer.QUIET_DUE, QUIET_MS))


def spare_failed(scene: Scene, event: told.SpareFailed) -> None:
    """The one in use still serves; if no other comes in time, it is replaced when it ends."""
    scene.age.spare = None
    if not scene.closing and event.failure.passing:
        scene.order(StartTimer(Timer.ROTATE_DUE, SPARE_AGAIN_MS))


def quiet(scene: Scene) -> None:
    """The moment for it has come."""
    if scene.age.spare is None or not scene.calm.now:
        return
    if scene.transcript.words_due:
        scene.order(StartTimer(Timer.QUIET_DUE, WORDS_WAIT_MS))
        return
    _change(scene)


def rotate_by(scene: Scene) -> None:
    """There was no such moment, and there is no more time."""
    if scene.age.spare is not None and not scene.closing and scene.connected:
        _change(scene)


def _change(scene: Scene) -> None:
    break_off(scene)
    take_spare(scene)
    resume(scene, overlap_ms=OVERLAP_MS if scene.calm.now else 0)


def take_spare(scene: Scene) -> None:
    spare = scene.age.spare
    assert spare is not None
    scene.connected = True
    scene.order(told.SwitchSession(), StopTimer(Timer.QUIET_DUE))
    stood_ms, left_ms = scene.now_ms - scene.age.spare_since_ms, spare.lifetime_ms
    plan(scene, None if left_ms is None else max(0, left_ms - stood_ms))
