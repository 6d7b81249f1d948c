"""The rules of time in which nothing is said: a silent caller, a call without end. Pure.

After every event it is asked whether the line is calm: nobody speaks, nothing is under way or
awaited. While it is, the caller's silence counts: first the agent asks whether they are still
there, later it says goodbye. What the agent says of its own accord does not end the caller's
silence; a word or a key of theirs does. No turn detection is needed for it.
"""

from typing import Final

from callfleet.calls import EndReason
from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker.dialogue import StartTimer, StopTimer, Timer
from services.worker.endings import part
from services.worker.rotation import QUIET_MS
from services.worker.scene import Scene, Stage

OVERTIME_MS: Final = 15_000  # to finish what is being said

_ASK_WHETHER_THERE: Final = (
    "The caller has said nothing for a while. Ask in one short sentence whether they are still"
    " there."
)
_LEAVE_SILENT: Final = (
    "The caller is still silent. Say in one short sentence that you are ending the call now, and"
    " goodbye."
)
_TIME_IS_UP: Final = (
    "This call has reached its time limit. Say in one short sentence that you have to end it now,"
    " and goodbye."
)


def settle(scene: Scene) -> None:
    """After every event but sound."""
    if scene.closing:
        scene.calm.now = False
        return
    calm = (
        scene.stage is Stage.TALKING
        and scene.connected
        and not scene.caller_speaking
        and scene.quiet_since_ms is None
        and scene.floor.free
        and scene.floor.waiting is None
        and not scene.voice.sounding
        and not scene.keypad.pressed
    )
    if calm == scene.calm.now:
        return
    scene.calm.now = calm
    if not calm:
        scene.order(StopTimer(Timer.CALLER_DUE), StopTimer(Timer.QUIET_DUE))
    elif scene.overtime:
        _say_that_time_is_up(scene)
    else:
        _wait_for_caller(scene)
        if scene.age.spare is not None:
            scene.order(StartTimer(Timer.QUIET_DUE, QUIET_MS))


def _wait_for_caller(scene: Scene) -> None:
    calm, manner = scene.calm, scene.manner
    if not calm.prompted or calm.silent_since_ms is None:
        calm.silent_since_ms = scene.now_ms
    after_ms = manner.goodbye_after_ms if calm.prompted else manner.prompt_after_ms
    after_ms = manner.goodbye_after_ms if after_ms is None else after_ms
    if after_ms is not None:
        silent_ms = scene.now_ms - calm.silent_since_ms
        scene.order(StartTimer(Timer.CALLER_DUE, max(0, after_ms - silent_ms)))


def caller_stirred(scene: Scene) -> None:
    """A sign of life."""
    scene.calm.silent_since_ms, scene.calm.prompted = None, False


def caller_overdue(scene: Scene) -> None:
    calm, manner = scene.calm, scene.manner
    if not calm.now:
        return
    if calm.prompted or manner.prompt_after_ms is None:
        part(scene, EndReason.CALLER_SILENT, manner.goodbye, _LEAVE_SILENT)
        return
    calm.prompted = True
    scene.record([Note("silence", scene.now_ms)])
    if manner.prompt is None:
        scene.order(told.Advise(_ASK_WHETHER_THERE))
    scene.ask(told.Ask() if manner.prompt is None else told.Say(manner.prompt))


def time_is_up(scene: Scene) -> None:
    """What is being said may be finished; then, or a little later, the call ends."""
    if scene.closing or scene.firm:
        return
    if scene.calm.now or scene.overtime:
        _say_that_time_is_up(scene)
    else:
        scene.overtime = True
        scene.order(StartTimer(Timer.TIME_UP, OVERTIME_MS))


def budget_watched(scene: Scene) -> None:
    """A call may cost only so much, as it may last only so long."""
    if scene.purse.empty and not scene.overtime:
        time_is_up(scene)


def _say_that_time_is_up(scene: Scene) -> None:
    reason = EndReason.BUDGET_SPENT if scene.purse.empty else EndReason.TIME_LIMIT
    part(scene, reason, scene.manner.goodbye, _TIME_IS_UP)
