"""The rules of the end: goodbye, apology, last words. Pure.

Every way out of a call leads through `end`, once. What the caller must still hear before it is
waited for by the carrier's marks, and by a timer for the day the marks do not come.
"""

from typing import Final

from callfleet.calls import EndReason
from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker.dialogue import Failure, StartTimer, StopTimer, Timer
from services.worker.floor import Phase
from services.worker.scene import Scene, Stage
from services.worker.voice import HEARD_GRACE_MS

LAST_WORDS_MS = 2_000
FAREWELL_MS = 15_000  # to begin it, and have it made

_GOODBYE_FIRST = '{"next": "Say goodbye in one short sentence. The call ends after it."}'
_CALLER_WENT_ON = '{"ended": false, "why": "The caller went on speaking."}'
_REASONS: Final = {
    Failure.REFUSED: EndReason.SESSION_REFUSED,
    Failure.MISCONFIGURED: EndReason.SESSION_REFUSED,
    Failure.BUSY: EndReason.SESSION_REFUSED,
    Failure.EXPIRED: EndReason.SESSION_LOST,
    Failure.LOST: EndReason.SESSION_LOST,
}


# Goodbye -----------------------------------------------------------------------------------------


def part(scene: Scene, reason: EndReason, words: str | None, advice: str) -> None:
    """End the call politely for a reason of ours: with these words, or with the agent's own."""
    scene.stage, scene.parting = Stage.LEAVING, reason
    scene.record([Note("goodbye", scene.now_ms, {"reason": reason.value})])
    scene.order(StartTimer(Timer.GOODBYE_DUE, FAREWELL_MS))
    if words is None:
        scene.order(told.Advise(advice))
    scene.ask(told.Ask() if words is None else told.Say(words))


def leave(scene: Scene) -> None:
    """The agent wants to go; it goes when its goodbye was heard."""
    said_before = scene.stage is Stage.LEAVING
    scene.stage = Stage.LEAVING
    if scene.voice.sounding:
        leave_when_heard(scene)
    elif scene.voice.spoke or said_before or scene.goodbye is None:
        scene.end_reason = scene.parting or EndReason.AGENT_HUNG_UP
        end(scene)
    else:
        scene.answer(scene.goodbye, _GOODBYE_FIRST)
        scene.goodbye = None
        scene.ask(told.Ask())


def leave_when_heard(scene: Scene) -> None:
    wait_ms = scene.voice.playout.unheard_ms + HEARD_GRACE_MS
    scene.order(StartTimer(Timer.GOODBYE_DUE, wait_ms))
    scene.end_reason = scene.parting or EndReason.AGENT_HUNG_UP


def stay(scene: Scene) -> None:
    """The caller has more to say: the goodbye is taken back."""
    if scene.stage is Stage.LEAVING:
        scene.stage, scene.parting = Stage.TALKING, None
        scene.order(StopTimer(Timer.GOODBYE_DUE))
    if scene.goodbye is not None:
        scene.answer(scene.goodbye, _CALLER_WENT_ON)
        scene.goodbye = None


def all_heard(scene: Scene) -> None:
    """Nothing is left in the carrier's buffer."""
    gone = scene.stage is Stage.LEAVING and scene.floor.free and scene.floor.waiting is None
    if gone or scene.stage is Stage.APOLOGISING:
        end(scene)


def goodbye_overdue(scene: Scene) -> None:
    """The marks, the farewell or the caller's last words did not come."""
    if scene.stage is Stage.LEAVING:
        scene.end_reason = scene.parting or EndReason.AGENT_HUNG_UP
        end(scene)
    elif scene.stage in (Stage.APOLOGISING, Stage.LAST_WORDS):
        end(scene)


# The session is gone for good --------------------------------------------------------------------


def apologise(scene: Scene, failure: Failure) -> None:
    """Say sorry in a voice that needs no session, after what the caller is still hearing."""
    scene.close(Stage.APOLOGISING)
    scene.end_reason = _REASONS[failure]
    scene.orders += scene.voice.break_off(scene.now_ms)
    scene.record([Note("apology", scene.now_ms, {"failure": failure.value})])
    if scene.recordings.apology:
        scene.orders += scene.voice.interject(scene.recordings.apology, scene.now_ms)
    if scene.voice.sounding:
        wait_ms = scene.voice.playout.unheard_ms + HEARD_GRACE_MS
        scene.order(StartTimer(Timer.GOODBYE_DUE, wait_ms))
    else:
        end(scene)


# The caller is gone, or the worker must go -------------------------------------------------------


def hung_up(scene: Scene, event: told.CallerHungUp) -> None:
    """What was said last still matters to whoever reads the call: its words are waited for."""
    if scene.stage is Stage.LAST_WORDS:
        return
    if scene.stage is Stage.APOLOGISING:
        end(scene)
        return
    scene.close(Stage.LAST_WORDS)
    scene.end_reason = event.reason
    scene.voice.cut(scene.now_ms)
    scene.orders += scene.floor.cancel()
    if scene.caller_speaking and scene.connected:
        scene.order(told.EndCallerTurn())
    if scene.connected and _awaits_last_words(scene):
        scene.write_down()
        scene.order(StartTimer(Timer.GOODBYE_DUE, LAST_WORDS_MS))
    else:
        end(scene)


def _awaits_last_words(scene: Scene) -> bool:
    """The caller's, and what the answer that was under way has cost."""
    words_due = scene.manner.transcribed and scene.transcript.words_due
    return words_due or scene.floor.phase is not Phase.IDLE


def last_words_over(scene: Scene) -> None:
    if scene.stage is Stage.LAST_WORDS and not _awaits_last_words(scene):
        end(scene)


def must_leave(scene: Scene, event: told.MustLeave) -> None:
    scene.end_reason = event.reason
    end(scene)


def end(scene: Scene) -> None:
    """The one way out."""
    scene.voice.cut(scene.now_ms)
    scene.record(scene.transcript.flush(scene.now_ms))
    scene.close(Stage.OVER)
    scene.order(told.HangUp(scene.end_reason))
