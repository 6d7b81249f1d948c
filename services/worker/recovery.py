"""The rules of trouble: answers that do not come, sessions that are lost, silence meanwhile. Pure.

An answer that fails is asked for again: after the wait the API names, or after twice the last one;
within bounds of tries and of time, because a caller does not wait for ever. A session that is gone,
or answers nothing at all, is replaced: the next one is told what was said and done, hears again
what the caller was saying, and owes what the last one owed. A caller who waits in silence hears a
recorded word. Only when all that leads to nothing, or the API said that no other try will help, is
there an apology.
"""

from typing import Final

from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker import rotation
from services.worker.dialogue import Failure, Outcome, StartTimer, StopTimer, Timer
from services.worker.endings import apologise, end, leave_when_heard
from services.worker.floor import Phase
from services.worker.resumption import break_off, resume
from services.worker.scene import Scene, Stage

AGAIN_FIRST_MS: Final = 500
TRIES_MAX: Final = 3
LIMITED_TRIES_MAX: Final = 5
WAIT_LONGEST_MS: Final = 30_000  # for one answer, all tries together

OPEN_AFTER_MS: Final = (200, 500, 1_000, 2_000, 4_000)
RECOVERY_LIMIT_MS: Final = 20_000

FILLER_IN_TROUBLE_MS: Final = 1_500
FILLER_EVERY_MS: Final = 8_000


# An answer that does not come --------------------------------------------------------------------


def try_again(scene: Scene, outcome: Outcome, hint_ms: int | None = None) -> None:
    """Ask once more, later; or give the answer up."""
    scene.tries += 1
    if scene.tries == 1:
        scene.trying_since_ms = scene.now_ms
    limited = outcome is Outcome.LIMITED
    wait_ms = AGAIN_FIRST_MS << scene.tries - 1 if hint_ms is None else hint_ms
    overlong = scene.now_ms + wait_ms - scene.trying_since_ms > WAIT_LONGEST_MS
    if overlong or scene.tries > (LIMITED_TRIES_MAX if limited else TRIES_MAX):
        apologise(scene, Failure.BUSY if limited else Failure.LOST)
        return
    scene.floor.waiting = scene.floor.next_wish
    scene.order(StartTimer(Timer.ASK_AGAIN, wait_ms))
    scene.expect_silence(FILLER_IN_TROUBLE_MS)


def ask_again(scene: Scene) -> None:
    if scene.closing or scene.caller_speaking:
        return  # the caller's new turn will be answered instead
    if scene.floor.free:
        scene.ask(scene.floor.next_wish)
    elif scene.floor.phase is Phase.CANCELLING:
        renew(scene)  # it does not even stop


def answer_overdue(scene: Scene) -> None:
    """No sound for seconds: what is under way is given up and asked for anew, once; a session
    that lets this happen again is taken for dead."""
    if scene.closing or scene.caller_speaking or not scene.connected:
        return
    if scene.tries:
        renew(scene)
        return
    scene.orders += scene.floor.give_up()
    try_again(scene, Outcome.FAILED)


def filler_due(scene: Scene) -> None:
    """Nobody is to wonder whether the line is dead."""
    if scene.closing or scene.caller_speaking or scene.stage is Stage.LEAVING:
        return
    if not scene.voice.sounding:
        scene.record([Note("filler", scene.now_ms)])
        scene.orders += scene.voice.interject(scene.recordings.filler, scene.now_ms)
    scene.expect_silence(FILLER_EVERY_MS)


# A session that is gone --------------------------------------------------------------------------


def session_failed(scene: Scene, event: told.SessionFailed) -> None:
    was_connected, scene.connected = scene.connected, False
    if scene.stage is Stage.LAST_WORDS:
        end(scene)
    elif scene.stage is Stage.APOLOGISING:
        pass
    elif scene.stage is Stage.LEAVING and scene.voice.sounding:
        _let_goodbye_be_heard(scene)
    elif not event.failure.passing:
        apologise(scene, event.failure)
    else:
        scene.record([Note("session_lost", scene.now_ms, {"failure": event.failure.value})])
        _replace(scene, lost=was_connected)


def _let_goodbye_be_heard(scene: Scene) -> None:
    """What came of it is on its way to the caller: nothing more is wanted of any session."""
    scene.stage = Stage.LEAVING
    break_off(scene)
    scene.floor.waiting = None
    leave_when_heard(scene)


def renew(scene: Scene) -> None:
    """The session lives and is of no use."""
    if scene.now_ms - scene.trying_since_ms > WAIT_LONGEST_MS:
        apologise(scene, Failure.LOST)
        return
    scene.connected = False
    scene.record([Note("session_lost", scene.now_ms, {"failure": "silent"})])
    _replace(scene, lost=True)


def _replace(scene: Scene, *, lost: bool) -> None:
    """`lost`: one that served the call, not merely one that never came to be."""
    if lost:
        if scene.goodbye is not None and scene.voice.sounding:
            _let_goodbye_be_heard(scene)
            return
        break_off(scene)
    if lost and scene.age.spare is not None:
        rotation.take_spare(scene)
        resume(scene)
        return
    scene.loss.tries += 1
    if scene.loss.tries > len(OPEN_AFTER_MS):
        apologise(scene, Failure.LOST)
        return
    scene.order(told.OpenSession(OPEN_AFTER_MS[scene.loss.tries - 1]))
    if lost or scene.loss.tries == 1:
        scene.order(StartTimer(Timer.RECOVERY_DUE, RECOVERY_LIMIT_MS))
        scene.expect_silence(FILLER_IN_TROUBLE_MS)


def recovery_overdue(scene: Scene) -> None:
    if not scene.connected and not scene.closing:
        apologise(scene, Failure.LOST)


def session_ready(scene: Scene, event: told.SessionReady) -> None:
    if scene.closing or scene.connected:
        return
    scene.connected = True
    if scene.loss.tries:
        scene.order(StopTimer(Timer.RECOVERY_DUE))
    rotation.plan(scene, event.lifetime_ms)
    if scene.stage is Stage.OPENING:
        _begin(scene)
    else:
        resume(scene)


def _begin(scene: Scene) -> None:
    scene.stage, manner = Stage.TALKING, scene.manner
    if scene.loss.tries and scene.recordings.filler:
        scene.order(StopTimer(Timer.FILLER_DUE))
    if manner.longest_ms is not None:
        scene.order(StartTimer(Timer.TIME_UP, max(0, manner.longest_ms - scene.now_ms)))
    if manner.greeting:
        scene.greeting = True
        scene.deaf = not manner.greeting_interruptible
        scene.ask(told.Say(manner.greeting))
    if not scene.deaf:
        scene.order(told.Hear())
