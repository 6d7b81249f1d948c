"""What the API says of an org reaches the fleet: once, however many calls heard it."""

import asyncio
from typing import Any

import pytest

from callfleet.errors import StoreFault
from callfleet.slots_keeper import SlotKeeper
from callfleet.slots_terms import Beat, Circuit, Refusal, Spent
from services.worker import realtime_events as api
from services.worker.account import Account, SessionAccount
from services.worker.realtime_errors import KeyRefused, Said, said_of_org
from tests.virtual_time import run


class MemorySlots:
    """What is used of `callfleet.slots.Slots`."""

    heartbeat_s, lease_ttl_s = 5.0, 15.0

    def __init__(self) -> None:
        self.told: list[object] = []
        self.spent: list[Spent] = []
        self.circuit = Circuit.CLOSED
        self.away = False

    async def report_refusal(self, org: str, kind: Refusal) -> None:
        self._tell(kind)

    async def open_circuit(self, org: str, reason: str) -> None:
        self._tell(reason)

    async def report_good(self, org: str) -> None:
        self._tell("good")

    def _tell(self, what: object) -> None:
        if self.away:
            raise StoreFault
        self.told.append(what)

    async def heartbeat(self, org: str, holder: str, *words: Any) -> Beat:
        self.spent.append(words[-1])
        return Beat(circuit=self.circuit)


class Desk:
    """An account, its keeper and the semaphore in memory."""

    def __init__(self, *, counts_tokens: bool = True) -> None:
        slots: Any = MemorySlots()
        redis: Any = None  # nobody listens for hints
        self.slots: MemorySlots = slots
        self.keeper = SlotKeeper(slots, redis, "w1", ["main"])
        self.account = Account("main", slots, self.keeper, counts_tokens=counts_tokens)

    def session(self) -> SessionAccount:
        return SessionAccount(self.account)

    async def told(self) -> list[object]:
        telling = asyncio.create_task(self.account.run())
        await asyncio.sleep(1)
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        return self.slots.told


def done(status: str = "completed", code: str | None = None, tokens: int = 0) -> api.ResponseDone:
    taken = api.TokenDetails(text_tokens=tokens)
    return api.ResponseDone(
        api.ResponseFacts(
            "resp_1",
            status=status,
            status_details=api.StatusDetails(error=api.FailureFacts(code=code)) if code else None,
            usage=api.UsageFacts(input_token_details=taken),
        )
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("insufficient_quota.insufficient_quota", KeyRefused("insufficient_quota")),
        ("invalid_request_error.invalid_api_key", KeyRefused("invalid_api_key")),
        ("billing_hard_limit_reached", KeyRefused("billing_hard_limit_reached")),
        ("rate_limit_error.rate_limit_exceeded", Refusal.RATE_LIMIT),
        ("inference_rate_limit_exceeded", Refusal.RATE_LIMIT),
        ("quota_exceeded", Refusal.QUOTA),
        ("server_overloaded", Refusal.CAPACITY),
        ("invalid_request_error.model_not_found", None),  # one agent's mistake
        ("invalid_request_error.beta_api_shape_disabled", None),
        ("Your session hit the maximum duration of 60 minutes.", None),
        ("server_error.server_error", None),
        ("", None),
    ],
)
def test_what_a_reason_says_of_the_org(text: str, said: Said | None) -> None:
    assert said_of_org(text) == said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, KeyRefused("invalid_api_key")),
        (402, KeyRefused("insufficient_quota")),
        (429, Refusal.RATE_LIMIT),
        (503, Refusal.CAPACITY),
        (403, None),
        (404, None),
        (500, None),
    ],
)
def test_what_a_refused_handshake_says_of_the_org(status: int, said: Said | None) -> None:
    assert said_of_org("", status=status) == said


def test_try_again_later_without_a_reason_is_want_of_capacity() -> None:
    assert said_of_org("", close=1013) is Refusal.CAPACITY
    assert said_of_org("insufficient_quota", close=1013) == KeyRefused("insufficient_quota")


def test_a_hundred_calls_hear_it_and_it_is_told_once() -> None:
    async def story() -> list[object]:
        desk = Desk()
        for _ in range(100):
            desk.session().refused(KeyRefused("invalid_api_key"))
            desk.session().refused(Refusal.CAPACITY)
        return await desk.told()

    assert run(story()) == ["invalid_api_key", Refusal.CAPACITY]


def test_a_response_refused_by_a_rate_limit_makes_the_org_back_off() -> None:
    async def story() -> list[object]:
        desk = Desk()
        desk.session().heard(done("failed", "rate_limit_exceeded"))
        desk.session().heard(done("failed", "server_error"))
        return await desk.told()

    assert run(story()) == [Refusal.RATE_LIMIT]


def test_only_an_answer_in_a_session_begun_since_says_that_the_key_is_taken_again() -> None:
    async def story() -> tuple[list[object], list[object]]:
        desk = Desk()
        before = desk.session()
        desk.slots.circuit = Circuit.OPEN
        await desk.keeper.beat("main")
        before.heard(done())
        first = list(await desk.told())
        since = desk.session()
        since.heard(done())
        since.heard(done())
        return first, await desk.told()

    assert run(story()) == ([], ["good"])


def test_redis_away_is_no_reason_to_stop_telling() -> None:
    async def story() -> list[object]:
        desk = Desk()
        desk.slots.away = True
        desk.account.note(Refusal.CAPACITY)
        await desk.told()
        desk.slots.away = False
        desk.account.note(Refusal.RATE_LIMIT)
        return await desk.told()

    assert run(story()) == [Refusal.RATE_LIMIT]


def test_tokens_of_all_calls_ride_on_one_heartbeat() -> None:
    async def story() -> list[Spent]:
        desk = Desk()
        for tokens in (100, 20, 3):
            desk.session().heard(done(tokens=tokens))
        for remaining in (9_000, 8_000):
            limits = (api.RateLimit("requests", 9, 8), api.RateLimit("tokens", 10_000, remaining))
            desk.session().heard(api.RateLimitsUpdated(limits))
        await desk.keeper.beat("main")
        await desk.keeper.beat("main")
        return desk.slots.spent

    assert run(story()) == [Spent(123, 8_000, 10_000), Spent()]


def test_an_org_without_a_stated_budget_tells_no_tokens() -> None:
    async def story() -> list[Spent]:
        desk = Desk(counts_tokens=False)
        desk.session().heard(done(tokens=100))
        desk.session().heard(api.RateLimitsUpdated((api.RateLimit("tokens", 10, 1),)))
        await desk.keeper.beat("main")
        return desk.slots.spent

    assert run(story()) == [Spent()]
