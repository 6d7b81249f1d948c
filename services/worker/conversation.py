"""What to do next in a call: events in, commands out. Pure: no clock, no sockets, no API's words.

Theory of operation. `receive(event, now_ms)` is the only way in, and what it returns is all that is
to be done. A conversation goes through stages, never back (but from LEAVING, when the caller goes
on speaking):

    OPENING -> TALKING -> LEAVING       the agent said goodbye; over when that was heard
                       -> APOLOGISING   the session is gone; over when the apology was heard
                       -> LAST_WORDS    the caller is gone; over when their words are written down
                       -> OVER          nothing is accepted and nothing is ordered any more

The rules that hold whatever happens: a caller is never left in silence (an answer that does not
come is asked for again, then apologised for); the agent forgets what the caller did not hear; the
journal keeps what was heard. Whose turn it is is kept by `floor`, how much was heard of what by
`voice`, who said what by `transcript`; `scene` holds them, the rules are in `turns` and `endings`.
"""

from collections.abc import Callable
from typing import Any, Final

from callfleet.audio import AudioFormat
from services.worker import dialogue as told
from services.worker import endings, turns
from services.worker.dialogue import Command, Event, Manner, Timer
from services.worker.scene import Scene, Stage
from services.worker.spending import Purse


class Conversation:
    """The policy of one call."""

    def __init__(self, manner: Manner, *, fmt: AudioFormat, apology: bytes) -> None:
        self._scene = Scene(manner, fmt, apology)

    def receive(self, event: Event, now_ms: int) -> list[Command]:
        """Take in a fact; `now_ms` is milliseconds since the call started."""
        scene = self._scene
        if scene.stage is Stage.OVER:
            return []
        scene.now_ms = now_ms
        _RULES[type(event)](scene, event)
        return scene.take_orders()

    @property
    def stage(self) -> Stage:
        return self._scene.stage

    @property
    def purse(self) -> Purse:
        """What it cost so far."""
        return self._scene.purse


def _session_ready(scene: Scene, _: told.SessionReady) -> None:
    if scene.stage is Stage.OPENING:
        scene.stage = Stage.TALKING
        if scene.manner.greeting:
            scene.ask(told.Say(scene.manner.greeting))


def _timer_fired(scene: Scene, event: told.TimerFired) -> None:
    _TIMERS[event.timer](scene)


_TIMERS: Final[dict[Timer, Callable[[Scene], None]]] = {
    Timer.ANSWER_DUE: endings.answer_overdue,
    Timer.ASK_AGAIN: endings.ask_again,
    Timer.WORDS_DUE: Scene.write_down_late,
    Timer.GOODBYE_DUE: endings.goodbye_overdue,
    Timer.KEYS_DUE: turns.keys_entered,
}

_RULES: Final[dict[type, Callable[[Scene, Any], None]]] = {
    told.SessionReady: _session_ready,
    told.SessionFailed: endings.session_failed,
    told.CallerStartedSpeaking: turns.caller_started,
    told.CallerStoppedSpeaking: turns.caller_stopped,
    told.CallerTurnEnded: turns.caller_turn_ended,
    told.CallerWords: turns.caller_words,
    told.CallerPressed: turns.caller_pressed,
    told.Spent: turns.spent,
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
