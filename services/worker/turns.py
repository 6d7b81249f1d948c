"""The rules of talking: the caller's turns, the agent's, and one breaking into the other. Pure.

Barge-in. The carrier's buffer is emptied in the same breath as the caller is heard to speak, the
agent is made to forget what the marks do not prove was heard, and whatever still arrives of the
broken turn is dropped here: the session stops making it by itself, but later.
"""

from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker import endings
from services.worker.dialogue import Outcome, StartTimer, StopTimer, Timer
from services.worker.floor import Phase
from services.worker.keypad import PAUSE_MS
from services.worker.scene import ANSWER_DUE_MS, Scene, Stage

END_CALL = "end_call"

_NO_SUCH_TOOL = '{"error": "There is no such tool."}'


# The caller's ------------------------------------------------------------------------------------


def caller_started(scene: Scene, event: told.CallerStartedSpeaking) -> None:
    if scene.closing:
        return
    scene.caller_speaking = True
    if scene.manner.interruptible:
        _interrupt(scene)
    if scene.stage is Stage.LEAVING:
        endings.stay(scene)
    scene.transcript.caller_started(event.turn, scene.now_ms - event.ago_ms)
    scene.order(StopTimer(Timer.ANSWER_DUE))


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
    if scene.manner.answers_itself:
        scene.order(StartTimer(Timer.ANSWER_DUE, ANSWER_DUE_MS))
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
    scene.order(told.Tell(f"The caller pressed these telephone keys: {' '.join(keys)}"))
    scene.ask(told.Ask())


# The agent's -------------------------------------------------------------------------------------


def agent_turn_started(scene: Scene, event: told.AgentTurnStarted) -> None:
    scene.floor.started(event.turn, event.asked)
    scene.voice.begin_turn()
    scene.tool_answered = False
    scene.order(StopTimer(Timer.ASK_AGAIN))
    talked_over = scene.caller_speaking and scene.manner.interruptible
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
    scene.orders += voice.sound(event.item, event.audio, scene.now_ms)


def _answer_begins(scene: Scene) -> None:
    scene.order(StopTimer(Timer.ANSWER_DUE))
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
    if event.tool == END_CALL:
        scene.goodbye = event.request
    else:
        scene.tool_answered = True
        scene.order(told.Answer(event.request, _NO_SUCH_TOOL))


def agent_turn_done(scene: Scene, event: told.AgentTurnDone) -> None:
    scene.spend(event.usage)
    scene.floor.done(event.turn)
    if scene.closing:
        endings.last_words_over(scene)
        return
    scene.order(StopTimer(Timer.ANSWER_DUE))
    scene.orders += scene.voice.end_turn(scene.now_ms)
    scene.write_down()
    if event.outcome is Outcome.FAILED:
        endings.try_again(scene, event.again_after_ms)
        return
    if event.outcome is Outcome.CANCELLED:
        endings.stay(scene)
    else:
        _turn_completed(scene)
    scene.ask_what_waits()


def _turn_completed(scene: Scene) -> None:
    if scene.caller_speaking:
        endings.stay(scene)  # whatever the agent was about to do, the caller comes first
    elif scene.goodbye is not None or scene.stage is Stage.LEAVING:
        endings.leave(scene)
    elif scene.tool_answered:
        scene.ask(told.Ask())
    elif scene.voice.spoke:
        scene.tries = 0
    else:
        endings.try_again(scene, None)  # an empty answer is silence too


def ask_refused(scene: Scene, event: told.AskRefused) -> None:
    scene.floor.refused()
    if scene.closing:
        return
    if not event.busy or scene.floor.free:
        endings.try_again(scene, None)


def heard(scene: Scene, event: told.Heard) -> None:
    if scene.voice.heard(event.mark, scene.now_ms):
        scene.write_down()
    if not scene.voice.sounding:
        endings.all_heard(scene)
