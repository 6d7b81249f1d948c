"""Random calls, in every order sessions, a carrier and a caller may produce.

The machine plays the world: it takes the orders as a session and a carrier would and lets things
happen that may happen next, the loss of the session and its change for another among them. Whatever
comes, the invariants asserted in `random_world` hold, and every call ends exactly once.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from callfleet.audio import PCMU
from callfleet.calls import EndReason
from services.worker import dialogue as told
from services.worker.conversation import Conversation
from services.worker.dialogue import Event, Failure, Manner, Outcome, Timer
from services.worker.scene import Recordings, Stage
from tests.unit.worker.dialogues import APOLOGY, FILLER, GREETING, sound
from tests.unit.worker.random_world import VOICES, RandomWorld


class RandomCall(RandomWorld):
    @initialize(
        greeting=st.sampled_from([None, GREETING]),
        answers_itself=st.booleans(),
        interruptible=st.booleans(),
        transcribed=st.booleans(),
        greeting_interruptible=st.booleans(),
        prompt_after_ms=st.sampled_from([None, 2_000]),
        goodbye_after_ms=st.sampled_from([None, 5_000]),
        longest_ms=st.sampled_from([None, 20_000]),
        lifetime_ms=st.sampled_from([None, 8_000]),
    )
    def begin(self, lifetime_ms: int | None, **manner: bool | str | int | None) -> None:
        self.answers_itself = bool(manner["answers_itself"])
        self.interrupts = bool(manner["interruptible"])
        self.lifetime_ms = lifetime_ms
        self.conversation = Conversation(
            Manner(**manner),  # type: ignore[arg-type] # fields by name
            fmt=PCMU,
            recordings=Recordings(APOLOGY, FILLER),
        )
        self._begin()

    # The session ---------------------------------------------------------------------------------

    @precondition(lambda self: self.opening)
    @rule()
    def session_is_ready(self) -> None:
        self.opening, self.connected = False, True
        self._tell(told.SessionReady(self.lifetime_ms))

    @precondition(lambda self: self.spare == "opening")
    @rule()
    def spare_is_ready(self) -> None:
        self.spare = "ready"
        self._tell(told.SpareReady(self.lifetime_ms))

    @precondition(lambda self: self.spare)
    @rule(failure=st.sampled_from(Failure))
    def spare_fails(self, failure: Failure) -> None:
        self.spare = ""
        self._tell(told.SpareFailed(failure))

    @precondition(lambda self: self.asks)
    @rule()
    def session_takes_an_ask(self) -> None:
        self.asks.pop(0)
        if self.turn:
            self._tell(told.AskRefused(busy=True))
        else:
            self._start_turn(asked=True)

    @precondition(lambda self: self.asks and not self.turn)
    @rule()
    def session_refuses_an_ask(self) -> None:
        self.asks.pop(0)
        self._tell(told.AskRefused(busy=False))

    def _start_turn(self, *, asked: bool) -> None:
        self.turn, self.cancelled, self.item, self.item_open = self._name("r"), False, "", False
        self._tell(told.AgentTurnStarted(self.turn, asked=asked))

    @precondition(lambda self: self.turn)
    @rule(ms=st.integers(1, 700), words=st.text("ab ", max_size=12))
    def answer_goes_on(self, ms: int, words: str) -> None:
        if not self.item_open:
            self.item, self.item_open = self._name("i"), True
            self.items.add(self.item)
            self.sent[self.item] = 0
            self.voices[self._voice()] = self.item
        self._tell(
            told.AgentWords(self.item, words), told.AgentAudio(self.item, sound(ms, self._voice()))
        )

    def _voice(self) -> int:
        return VOICES + int(self.item[1:]) % (256 - VOICES)

    @precondition(lambda self: self.turn and self.item_open)
    @rule(said_first=st.booleans())
    def item_ends(self, said_first: bool) -> None:
        self.item_open = False
        facts: list[Event] = [told.AgentAudioEnded(self.item), told.AgentSaid(self.item, "a b a")]
        self._tell(*(reversed(facts) if said_first else facts))

    @precondition(lambda self: self.turn)
    @rule(tool=st.sampled_from(["end_call", "fly"]))
    def tool_is_asked(self, tool: str) -> None:
        request = self._name("t")
        self.tools[request] = 0
        self._tell(told.ToolAsked(request, tool, "{}"))

    @precondition(lambda self: self.turn)
    @rule(
        outcome=st.sampled_from(Outcome),
        hint_ms=st.sampled_from([None, 0, 320, 86_400]),
    )
    def answer_ends(self, outcome: Outcome, hint_ms: int | None) -> None:
        turn, self.turn = self.turn, ""
        self._tell(
            told.AgentTurnDone(
                turn, Outcome.CANCELLED if self.cancelled else outcome, again_after_ms=hint_ms
            )
        )

    @precondition(lambda self: self.names > 4 and (self.connected or self.opening))
    @rule(failure=st.sampled_from([Failure.LOST, Failure.EXPIRED, Failure.LOST, Failure.REFUSED]))
    def session_fails(self, failure: Failure) -> None:
        if failure is Failure.REFUSED and self.names < 16:
            return  # when the call has become interesting
        self._no_session()
        self.opening = False
        self._tell(told.SessionFailed(failure))

    # The caller and the carrier ------------------------------------------------------------------

    @precondition(lambda self: self.hearing and not self.caller)
    @rule(ago_ms=st.integers(0, 400))
    def caller_speaks(self, ago_ms: int) -> None:
        self.caller = self._name("u")
        if self.interrupts and self.turn:
            self.cancelled = True
        self._tell(told.CallerStartedSpeaking(self.caller, min(ago_ms, self.now_ms)))

    @precondition(lambda self: self.caller)
    @rule()
    def caller_stops(self) -> None:
        turn, self.caller = self.caller, ""
        self.unwritten.append(turn)
        self._tell(told.CallerStoppedSpeaking(turn), told.CallerTurnEnded(turn))
        if self.answers_itself:
            if self.turn and self.cancelled:
                self.answer_ends(Outcome.CANCELLED, None)
            if not self.turn:
                self._start_turn(asked=False)

    @precondition(lambda self: self.unwritten)
    @rule(place=st.integers(0, 3), text=st.sampled_from([None, "", "yes please"]))
    def words_come(self, place: int, text: str | None) -> None:
        turn = self.unwritten.pop(place % len(self.unwritten))
        self._tell(told.CallerWords(turn, text))

    @rule(key=st.sampled_from("12#"))
    def caller_presses(self, key: str) -> None:
        self._tell(told.CallerPressed(key))

    @precondition(lambda self: self.carrier)
    @rule(count=st.integers(1, 3))
    def carrier_plays(self, count: int) -> None:
        for mark in self.carrier[:count]:
            self._tell(told.Heard(mark))
        del self.carrier[:count]

    @precondition(lambda self: self.carrier)
    @rule()
    def carrier_loses_a_mark(self) -> None:
        self.carrier.pop(0)

    @precondition(lambda self: self.echoes)
    @rule()
    def echo_arrives(self) -> None:
        self._tell(told.Heard(self.echoes.pop(0)))

    @rule(ms=st.integers(1, 900))
    def time_passes(self, ms: int) -> None:
        until = self.now_ms + ms
        while self.timers and min(self.timers.values()) <= until:
            timer = min(self.timers, key=lambda each: self.timers[each])
            self.now_ms = max(self.now_ms, self.timers.pop(timer))
            if timer is Timer.ANSWER_DUE:
                self.asks.clear()  # a session that let seconds pass has lost them
            self._tell(told.TimerFired(timer))
        self.now_ms = until

    @precondition(lambda self: self.names > 16)
    @rule(lost=st.booleans())
    def caller_hangs_up(self, lost: bool) -> None:
        self._tell(told.CallerHungUp(EndReason.LEG_LOST if lost else EndReason.CALLER_HUNG_UP))

    # The end -------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "conversation"):
            return
        self._tell(told.CallerHungUp())
        while self.timers and not self.hung_up:
            self.time_passes(1000)
        assert self.hung_up == 1
        assert self.conversation.stage is Stage.OVER
        self._tell(told.SessionReady(), told.CallerHungUp(), told.MustLeave())


RandomCall.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestRandomCall = RandomCall.TestCase
