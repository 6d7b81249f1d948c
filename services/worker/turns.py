"""The rules of talking: the caller's turns, the agent's, and one breaking into the other. Pure.

Barge-in. The carrier's buffer is emptied in the same breath as the caller is heard to speak, the
agent is made to forget what the marks do not prove was heard, and whatever still arrives of the
broken turn is dropped here: the session stops making it by itself, but later.
"""

from typing import Final

from callfleet.journal_entries import Note
from services.worker import changes, endings, hearing, recovery, resumption, silence
from services.worker import dialogue as told
from services.worker.dialogue import Outcome, StartTimer, StopTimer, Timer
from services.worker.floor import Phase
from services.worker.keypad import PAUSE_MS
from services.worker.scene import Scene, Stage

END_CALL: Final = "end_call"

_NO_SUCH_TOOL: Final = '{"error": "There is no such tool."}'
_FILTERED: Final = (
    "A content filter stopped your last answer. Say in one short sentence that you cannot help with"
    " that, and ask what else you can do."
)


# The caller's ------------------------------------------------------------------------------------


def caller_started(scene: Scene, event: told.CallerStartedSpeaking) -> None:
    if scene.closing:
        return
    scene.caller_speaking = True
    scene.caller_since_ms = scene.now_ms - event.ago_ms
    silence.caller_stirred(scene)
    if _listens(scene):
        _interrupt(scene)
    if scene.stage is Stage.LEAVING and not scene.firm:
        endings.stay(scene)
    if not scene.transcript.words_due:
        scene.order(told.KeepSound(event.ago_ms + resumption.ONSET_MS))
    scene.transcript.caller_started(event.turn, scene.caller_since_ms)
    scene.answer_came()


def _listens(scene: Scene) -> bool:
    """The agent falls silent when the caller speaks."""
    manner = scene.manner
    if scene.firm or (scene.greeting and not manner.greeting_interruptible):
        return False
    return manner.interruptible


def _interrupt(scene: Scene) -> None:
    """Stop at once what the caller no longer listens to."""
    if scene.floor.phase in (Phase.ACTIVE, Phase.CANCELLING):
        scene.voice.muted = True
    if scene.voice.sounding:
        scene.order(told.StopPlayback(), *scene.voice.cut(scene.now_ms), told.Interrupted())
        scene.write_down()


def caller_stopped(scene: Scene, event: told.CallerStoppedSpeaking) -> None:
    scene.caller_speaking = False
    scene.quiet_since_ms = scene.now_ms - event.ago_ms
    scene.transcript.caller_stopped(event.turn, scene.quiet_since_ms)


def caller_turn_ended(scene: Scene, event: told.CallerTurnEnded) -> None:
    scene.caller_speaking = False
    if scene.quiet_since_ms is not None:
        scene.decided_ms = scene.now_ms - scene.quiet_since_ms
    scene.transcript.caller_ended(event.turn, scene.now_ms)
    scene.write_down()
    if scene.closing:
        return
    silence.caller_stirred(scene)
    if scene.manner.answers_itself:
        scene.await_answer()
    else:
        scene.ask(told.Ask())


def caller_words(scene: Scene, event: told.CallerWords) -> None:
    scene.spend(event.usage)
    scene.transcript.caller_words(event.turn, event.text, scene.now_ms)
    scene.write_down()
    endings.last_words_over(scene)


def spent(scene: Scene, event: told.Spent) -> None:
    scene.spend(event.usage)


def caller_pressed(scene: Scene, event: told.CallerPressed) -> None:
    if scene.closing:
        return
    silence.caller_stirred(scene)
    if scene.manner.turn_key is not None:
        _interrupt(scene)
    if hearing.ends_turn(scene, event.key):
        return
    if scene.keypad.press(event.key):
        keys_entered(scene)
    else:
        scene.order(StartTimer(Timer.KEYS_DUE, PAUSE_MS))


def keys_entered(scene: Scene) -> None:
    """The model learns of keys as of a note passed to it, and answers."""
    keys = scene.keypad.take()
    if not keys or scene.closing:
        return
    scene.order(StopTimer(Timer.KEYS_DUE))
    scene.record([Note("dtmf", scene.now_ms, {"keys": keys})])
    scene.tell(f"The caller pressed these telephone keys: {' '.join(keys)}")
    scene.ask(told.Ask())


# The agent's -------------------------------------------------------------------------------------


def agent_turn_started(scene: Scene, event: told.AgentTurnStarted) -> None:
    scene.floor.started(event.turn, event.asked)
    scene.voice.begin_turn()
    scene.tool_answered = False
    scene.order(StopTimer(Timer.ASK_AGAIN))
    talked_over = scene.caller_speaking and _listens(scene)
    if talked_over or scene.closing:
        scene.voice.muted = True
        scene.orders += scene.floor.cancel()


def agent_audio(scene: Scene, event: told.AgentAudio) -> None:
    """Up to fifty times a second per call: nothing here that need not be."""
    voice = scene.voice
    if voice.muted or scene.closing:
        return
    if not voice.spoke:
        _answer_begins(scene)
    orders = voice.sound(event.item, event.audio, scene.now_ms)
    scene.orders += orders
    if not orders and voice.playout.full:
        voice.muted = True  # nobody listens for so long; what waits is still played
        scene.orders += scene.floor.cancel()


def _answer_begins(scene: Scene) -> None:
    scene.answer_came()
    scene.voice_heard = True
    if scene.quiet_since_ms is not None:
        scene.order(told.Answered(scene.now_ms - scene.quiet_since_ms, scene.decided_ms))
        scene.quiet_since_ms = scene.decided_ms = None


def agent_audio_ended(scene: Scene, event: told.AgentAudioEnded) -> None:
    if not scene.closing:
        scene.orders += scene.voice.sound_ended(event.item, scene.now_ms)
        scene.write_down()


def agent_words(scene: Scene, event: told.AgentWords) -> None:
    if not scene.closing:
        scene.voice.words(event.item, event.text, scene.now_ms)


def agent_said(scene: Scene, event: told.AgentSaid) -> None:
    if not scene.closing:
        scene.voice.said(event.item, event.text)
        scene.write_down()


def tool_asked(scene: Scene, event: told.ToolAsked) -> None:
    if scene.closing:
        return
    scene.memory.tool_asked(event.request, event.tool, event.arguments)
    if event.tool == END_CALL:
        scene.goodbye = event.request
    else:
        scene.tool_answered = True
        scene.answer(event.request, _NO_SUCH_TOOL)


def agent_turn_done(scene: Scene, event: told.AgentTurnDone) -> None:
    scene.spend(event.usage)
    scene.floor.done(event.turn)
    if scene.closing:
        endings.last_words_over(scene)
        return
    changes.make(scene)
    silence.budget_watched(scene)
    _greeting_done(scene)
    scene.answer_came()
    scene.orders += scene.voice.end_turn(scene.now_ms)
    scene.write_down()
    if _came_to_nothing(scene, event.outcome):
        recovery.try_again(scene, event.outcome, event.again_after_ms)
        return
    scene.floor.wish = None  # come true, or outlived
    if event.outcome is Outcome.CANCELLED and not scene.firm:
        endings.stay(scene)
    elif event.outcome is Outcome.FILTERED:
        _filtered(scene)
    else:
        _turn_completed(scene, too_long=event.outcome is Outcome.INCOMPLETE)
    scene.ask_what_waits()


def _came_to_nothing(scene: Scene, outcome: Outcome) -> bool:
    """It failed, or was empty: that is silence too."""
    if outcome in (Outcome.FAILED, Outcome.LIMITED):
        return True
    if outcome in (Outcome.CANCELLED, Outcome.FILTERED):
        return False
    meant = scene.goodbye is not None or scene.tool_answered or scene.stage is Stage.LEAVING
    return not (meant or scene.voice.spoke or scene.caller_speaking)


def _greeting_done(scene: Scene) -> None:
    """It is made, if not yet heard to its end: from here on the session cannot cut it short."""
    if scene.deaf:
        scene.deaf = False
        scene.order(told.Hear())


def _filtered(scene: Scene) -> None:
    """Asking for the same again would lead to the same; the caller still gets an answer."""
    scene.tries += 1
    scene.record([Note("filtered", scene.now_ms)])
    if scene.caller_speaking or scene.tries > recovery.TRIES_MAX:
        scene.quiet_since_ms = scene.decided_ms = None
        return
    scene.order(told.Advise(_FILTERED))
    scene.floor.waiting = told.Ask()


def _turn_completed(scene: Scene, *, too_long: bool) -> None:
    if scene.caller_speaking and not scene.firm:
        endings.stay(scene)  # whatever the agent was about to do, the caller comes first
    elif scene.stage is Stage.LEAVING and scene.floor.waiting is not None:
        pass  # the farewell is still to come
    elif scene.goodbye is not None or scene.stage is Stage.LEAVING:
        endings.leave(scene)
    elif scene.tool_answered:
        scene.ask(told.Ask())
    elif too_long and not scene.went_on:
        scene.went_on = True
        scene.record([Note("cut_short", scene.now_ms)])
        scene.ask(told.Ask())  # it goes on where it was stopped; once, then the caller has a say
    else:
        _served(scene)


def _served(scene: Scene) -> None:
    """The caller got an answer: what went wrong before is forgotten."""
    scene.tries = scene.loss.tries = 0
    scene.went_on = False
    scene.quiet_since_ms = scene.decided_ms = None


def ask_refused(scene: Scene, event: told.AskRefused) -> None:
    scene.floor.refused()
    if scene.closing:
        return
    if not event.busy or scene.floor.free:
        recovery.try_again(scene, Outcome.FAILED)


def heard(scene: Scene, event: told.Heard) -> None:
    ended, orders = scene.voice.heard(event.mark, scene.now_ms)
    scene.orders += orders
    if ended:
        scene.write_down()
    if not scene.voice.sounding:
        _silence_falls(scene)


def heard_overdue(scene: Scene) -> None:
    """The marks did not come: the clock says that everything was heard."""
    scene.orders += scene.voice.assume_heard(scene.now_ms)
    scene.write_down()
    if not scene.voice.sounding:
        _silence_falls(scene)


def _silence_falls(scene: Scene) -> None:
    if scene.floor.free:
        scene.greeting = False
    endings.all_heard(scene)


def play_on(scene: Scene) -> None:
    """There is room in the carrier's buffer."""
    scene.orders += scene.voice.playout.release(scene.now_ms)
