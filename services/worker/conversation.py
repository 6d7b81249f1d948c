"""What to do next in a call: events in, commands out. Pure: no clock, no sockets, no API's words.

Theory of operation. `receive(event, now_ms)` is the only way in, and what it returns is all that is
to be done. A conversation goes through stages, never back (but from LEAVING, when the caller goes
on speaking):

    OPENING -> TALKING -> LEAVING       the agent said goodbye; over when that was heard
                       -> APOLOGISING   no session is to be had; over when the apology was heard
                       -> LAST_WORDS    the caller is gone; over when their words are written down
                       -> OVER          nothing is accepted and nothing is ordered any more

A session may be lost and replaced in any of the first three; the stage stays what it was.

The rules that hold whatever happens: a caller is never left in silence (an answer that does not
come is asked for again, a session that is lost is replaced, and only then is there an apology); the
agent forgets what the caller did not hear; the journal keeps what was heard. Whose turn it is is
kept by `floor`, how much was heard of what by `voice`, who said what by `transcript`, what the next
session must know by `memory`; `scene` holds them. The rules are in `turns`, `hearing`, `changes`,
`recovery`, `rotation`, `silence` and `endings`.
"""

from collections.abc import Callable
from typing import Any, Final

from callfleet.audio import AudioFormat
from services.worker import changes, endings, hearing, recovery, rotation, silence, turns
from services.worker import dialogue as told
from services.worker.dialogue import Command, Event, Manner, Timer
from services.worker.scene import Recordings, Scene, Stage
from services.worker.spending import Purse


class Conversation:
    """The policy of one call."""

    def __init__(self, manner: Manner, *, fmt: AudioFormat, recordings: Recordings) -> None:
        self._scene = Scene(manner, fmt, recordings)

    def receive(self, event: Event, now_ms: int) -> list[Command]:
        """Take in a fact; `now_ms` is milliseconds since the call started."""
        scene = self._scene
        if scene.stage is Stage.OVER:
            return []
        scene.now_ms = now_ms
        kind = type(event)
        _RULES[kind](scene, event)
        if kind is not told.AgentAudio:  # sound makes no silence
            silence.settle(scene)
        return scene.take_orders()

    @property
    def stage(self) -> Stage:
        return self._scene.stage

    @property
    def purse(self) -> Purse:
        """What it cost so far."""
        return self._scene.purse


def _timer_fired(scene: Scene, event: told.TimerFired) -> None:
    _TIMERS[event.timer](scene)


_TIMERS: Final[dict[Timer, Callable[[Scene], None]]] = {
    Timer.ANSWER_DUE: recovery.answer_overdue,
    Timer.ASK_AGAIN: recovery.ask_again,
    Timer.FILLER_DUE: recovery.filler_due,
    Timer.RECOVERY_DUE: recovery.recovery_overdue,
    Timer.ROTATE_DUE: rotation.rotate_due,
    Timer.ROTATE_BY: rotation.rotate_by,
    Timer.QUIET_DUE: rotation.quiet,
    Timer.CALLER_DUE: silence.caller_overdue,
    Timer.TIME_UP: silence.time_is_up,
    Timer.PLAY_DUE: turns.play_on,
    Timer.HEARD_DUE: turns.heard_overdue,
    Timer.WORDS_DUE: Scene.write_down_late,
    Timer.GOODBYE_DUE: endings.goodbye_overdue,
    Timer.KEYS_DUE: turns.keys_entered,
}

_RULES: Final[dict[type, Callable[[Scene, Any], None]]] = {
    told.SessionReady: recovery.session_ready,
    told.SessionFailed: recovery.session_failed,
    told.SpareReady: rotation.spare_ready,
    told.SpareFailed: rotation.spare_failed,
    told.CallerStartedSpeaking: turns.caller_started,
    told.CallerStoppedSpeaking: turns.caller_stopped,
    told.CallerTurnEnded: turns.caller_turn_ended,
    told.CallerWords: turns.caller_words,
    told.CallerPressed: turns.caller_pressed,
    told.Spent: turns.spent,
    told.CallerPaused: hearing.caller_paused,
    told.SoundTrouble: hearing.sound_trouble,
    told.ChangeWanted: changes.change_wanted,
    told.ChangeRefused: changes.change_refused,
    told.AgentTurnStarted: turns.agent_turn_started,
    told.AgentAudio: turns.agent_audio,
    told.AgentAudioEnded: turns.agent_audio_ended,
    told.AgentWords: turns.agent_words,
    told.AgentSaid: turns.agent_said,
    told.ToolAsked: turns.tool_asked,
    told.AgentTurnDone: turns.agent_turn_done,
    told.AskRefused: turns.ask_refused,
    told.Heard: turns.heard,
    told.CallerHungUp: endings.hung_up,
    told.MustLeave: endings.must_leave,
    told.TimerFired: _timer_fired,
}
