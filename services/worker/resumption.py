"""From one session to the next: what breaks off with the old one, what the new is given. Pure."""

from typing import Final

from services.worker import changes
from services.worker import dialogue as told
from services.worker.dialogue import StopTimer, Timer
from services.worker.floor import Phase
from services.worker.scene import Scene, Stage

KEPT_MS: Final = 8_000  # of the caller's latest sound can be heard again
ONSET_MS: Final = 400  # speech begins a little before it is noticed

_GO_ON: Final = (
    "A technical fault cut your last answer short. Finish it briefly, without repeating what the"
    " caller has heard already."
)
_WORDS_LOST: Final = (
    "A technical fault swallowed what the caller said last. Ask them to say it once more."
)


def break_off(scene: Scene) -> None:
    """The session is gone, in the middle of whatever it was doing."""
    floor, voice = scene.floor, scene.voice
    active = floor.phase is Phase.ACTIVE
    cut_short = active and voice.spoke and bool(voice.playout.unfinished())
    unanswered = scene.caller_speaking or scene.quiet_since_ms is not None
    owed = floor.outstanding is not None or (active and (voice.broken or scene.tool_answered))
    since_ms, words_lost = _heard_in_vain(scene, unanswered=unanswered)
    floor.session_lost(owed=owed or unanswered, begun=cut_short)
    scene.orders += voice.break_off(scene.now_ms)
    for timer in (Timer.ANSWER_DUE, Timer.ASK_AGAIN, Timer.ROTATE_DUE, Timer.ROTATE_BY):
        scene.order(StopTimer(timer))
    if scene.goodbye is not None:
        scene.memory.forget_tool(scene.goodbye)
        scene.goodbye = None
    scene.deaf = scene.caller_speaking = False
    loss = scene.loss
    loss.hear_again = since_ms is not None
    loss.advice = _WORDS_LOST if words_lost else _GO_ON if cut_short else None
    scene.write_down()


def _heard_in_vain(scene: Scene, *, unanswered: bool) -> tuple[int | None, bool]:
    """From when the next session has to hear the caller again, and whether that is too long ago."""
    oldest_ms = scene.now_ms - KEPT_MS + ONSET_MS
    since_ms, lost = scene.transcript.session_lost(oldest_ms)
    if unanswered and not scene.manner.transcribed:
        lost = scene.caller_since_ms < oldest_ms
        return None if lost else scene.caller_since_ms, lost
    return since_ms, lost and unanswered


def resume(scene: Scene, *, overlap_ms: int = 0) -> None:
    """Give the new session all that the old one had."""
    loss = scene.loss
    changes.make_again(scene)
    past = scene.memory.recall(scene.transcript.standing(scene.now_ms))
    if past:
        scene.order(told.Remember(past))
    hears_again, loss.hear_again = loss.hear_again, False
    scene.order(told.Hear(overlap_ms, again=hears_again))
    if scene.stage is Stage.LEAVING and scene.floor.waiting is None:
        scene.floor.waiting = told.Ask()
    if hears_again:
        scene.floor.waiting = None  # the caller's own words will be answered
        scene.await_answer()
    elif scene.floor.waiting is not None:
        if loss.advice is not None:
            scene.order(told.Advise(loss.advice))
        scene.ask_what_waits()
    loss.advice = None
