"""The rules of trouble and of the end: asking again, goodbye, apology, last words. Pure.

Every way out of a call leads through `end`, once. What the caller must still hear before it is
waited for by the carrier's marks, and by a timer for the day the marks do not come.
"""

from callfleet.calls import EndReason
from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker.dialogue import Failure, StartTimer, StopTimer, Timer
from services.worker.floor import Phase
from services.worker.scene import Scene, Stage

LAST_WORDS_MS = 2_000
HEARD_GRACE_MS = 3_000  # how much later than its length a sound may be confirmed
AGAIN_FIRST_MS = 500
AGAIN_LONGEST_MS = 10_000
TRIES_MAX = 3

_APOLOGY = "apology"
_GOODBYE_FIRST = '{"next": "Say goodbye in one short sentence. The call ends after it."}'
_CALLER_WENT_ON = '{"ended": false, "why": "The caller went on speaking."}'
_REASONS = {
    Failure.REFUSED: EndReason.SESSION_REFUSED,
    Failure.MISCONFIGURED: EndReason.SESSION_REFUSED,
    Failure.EXPIRED: EndReason.SESSION_LOST,
    Failure.LOST: EndReason.SESSION_LOST,
}


# An answer that does not come --------------------------------------------------------------------


def try_again(scene: Scene, hint_ms: int | None) -> None:
    """Ask once more after the hinted time, or after twice the last wait; then give up."""
    scene.tries += 1
    if scene.tries > TRIES_MAX:
        apologise(scene, Failure.LOST)
        return
    wait_ms = AGAIN_FIRST_MS << scene.tries - 1 if hint_ms is None else hint_ms
    scene.order(StartTimer(Timer.ASK_AGAIN, min(wait_ms, AGAIN_LONGEST_MS)))


def ask_again(scene: Scene) -> None:
    if scene.closing or scene.caller_speaking:
        return  # the caller's new turn will be answered instead
    if scene.floor.free:
        scene.ask(scene.floor.next_wish)
    elif scene.floor.phase is Phase.CANCELLING:
        try_again(scene, None)  # it does not even stop


def answer_overdue(scene: Scene) -> None:
    """No sound for seconds: what is under way is given up, and asked for anew."""
    if scene.closing or scene.caller_speaking:
        return
    scene.orders += scene.floor.give_up()
    try_again(scene, None)


# Goodbye -----------------------------------------------------------------------------------------


def leave(scene: Scene) -> None:
    """The agent wants to go; it goes when its goodbye was heard."""
    said_before = scene.stage is Stage.LEAVING
    scene.stage = Stage.LEAVING
    if scene.voice.sounding:
        wait_ms = scene.voice.playout.unheard_ms + HEARD_GRACE_MS
        scene.order(StartTimer(Timer.GOODBYE_DUE, wait_ms))
        scene.end_reason = EndReason.AGENT_HUNG_UP
    elif scene.voice.spoke or said_before or scene.goodbye is None:
        scene.end_reason = EndReason.AGENT_HUNG_UP
        end(scene)
    else:
        scene.order(told.Answer(scene.goodbye, _GOODBYE_FIRST))
        scene.goodbye = None
        scene.ask(told.Ask())


def stay(scene: Scene) -> None:
    """The caller has more to say: the goodbye is taken back."""
    if scene.stage is Stage.LEAVING:
        scene.stage = Stage.TALKING
        scene.order(StopTimer(Timer.GOODBYE_DUE))
    if scene.goodbye is not None:
        scene.order(told.Answer(scene.goodbye, _CALLER_WENT_ON))
        scene.goodbye = None


def all_heard(scene: Scene) -> None:
    """Nothing is left in the carrier's buffer."""
    gone = scene.stage is Stage.LEAVING and scene.floor.free
    if gone or scene.stage is Stage.APOLOGISING:
        end(scene)


def goodbye_overdue(scene: Scene) -> None:
    """The marks, or the caller's last words, did not come."""
    if scene.stage in (Stage.LEAVING, Stage.APOLOGISING, Stage.LAST_WORDS):
        end(scene)


# The session is gone -----------------------------------------------------------------------------


def session_failed(scene: Scene, event: told.SessionFailed) -> None:
    if scene.stage is Stage.LAST_WORDS:
        end(scene)
    elif scene.stage is Stage.APOLOGISING:
        pass
    elif scene.stage is Stage.LEAVING and scene.voice.sounding and scene.floor.free:
        pass  # the goodbye is on its way to the caller: nothing more is wanted of the session
    else:
        apologise(scene, event.failure)


def apologise(scene: Scene, failure: Failure) -> None:
    """Say sorry in a voice that needs no session, after what the caller is still hearing."""
    scene.close(Stage.APOLOGISING)
    scene.end_reason = _REASONS[failure]
    scene.voice.muted = False
    scene.orders += scene.voice.end_turn(scene.now_ms)
    scene.record([Note("apology", scene.now_ms, {"failure": failure.value})])
    if scene.apology:
        scene.orders += scene.voice.playout.play(_APOLOGY, scene.apology)
        scene.orders += scene.voice.playout.finish(_APOLOGY)
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
    opening = scene.stage is Stage.OPENING
    scene.close(Stage.LAST_WORDS)
    scene.end_reason = event.reason
    scene.voice.cut(scene.now_ms)
    scene.orders += scene.floor.cancel()
    if scene.caller_speaking:
        scene.order(told.EndCallerTurn())
    if opening or not _awaits_last_words(scene):
        end(scene)
    else:
        scene.write_down()
        scene.order(StartTimer(Timer.GOODBYE_DUE, LAST_WORDS_MS))


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
