"""Random calls in which the sound is bad, settings change, keys end turns and money runs out."""

from datetime import date

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from callfleet.journal_entries import Usage
from callfleet.prices import price_of
from services.worker import dialogue as told
from services.worker.dialogue import Change, Command, Sound
from services.worker.spending import Tariff
from tests.unit.worker.test_conversation_machine import RandomCall

TARIFF = Tariff(price_of("gpt-realtime-2.1", date(2026, 11, 20)), None)


class HeardCall(RandomCall):
    @initialize(
        greeting=st.none(),
        answers_itself=st.booleans(),
        budget_micro_usd=st.sampled_from([None, 1_000, 10_000]),
        turn_key=st.sampled_from([None, "#"]),
        speak_up=st.booleans(),
        speak_up_words=st.sampled_from([None, "Speak up, please."]),
    )
    def begin(self, **manner: bool | str | int | None) -> None:
        plain = {"interruptible": True, "transcribed": True}
        RandomCall.begin(self, lifetime_ms=None, tariff=TARIFF, **plain, **manner)
        self.changes = 0

    def _obey(self, order: Command) -> None:
        if isinstance(order, told.ChangeSettings):
            assert not self.turn or self.cancelled, "changed in the middle of an answer"
            assert order.change != Change(), "changed nothing"
            self.changes += 1
        super()._obey(order)

    @rule(sound=st.sampled_from(Sound))
    def sound_is_bad(self, sound: Sound) -> None:
        self._tell(told.SoundTrouble(sound))

    @rule(ago_ms=st.integers(0, 3000))
    def caller_pauses(self, ago_ms: int) -> None:
        self._tell(told.CallerPaused(min(ago_ms, self.now_ms)))

    @rule(
        voice=st.sampled_from([None, "ash", "cedar"]),
        speed=st.sampled_from([None, 0.9, 1.2]),
        listening=st.sampled_from([None, "quiet_office"]),
    )
    def change_is_wanted(self, **change: str | float | None) -> None:
        self._tell(told.ChangeWanted(Change(**change)))  # type: ignore[arg-type] # by name

    @precondition(lambda self: self.changes)
    @rule()
    def change_is_refused(self) -> None:
        self.changes -= 1
        self._tell(told.ChangeRefused())

    @rule(tokens=st.integers(0, 100))
    def something_is_paid_for(self, tokens: int) -> None:
        self._tell(told.Spent(Usage(responses=1, output_audio_tokens=tokens)))


HeardCall.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestHeardCall = HeardCall.TestCase
