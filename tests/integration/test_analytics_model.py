"""The scoring client against the simulated API: the request it makes, and every way to fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import pytest

from callfleet.errors import ModelFault, ModelRefused
from services.analytics import scoring
from services.analytics.model import NO_QUOTA_RETRY_S, ScoringModel, retry_after_s
from services.analytics.scoring import Line, Question, Score
from simulators.chat import ChatSimulator

LINES = [
    Line("agent", "Acme Clinic, how can I help?"),
    Line("caller", "I would like to book an appointment. Thank you, that is wonderful!"),
]


class Clock:
    """Time that passes when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asked_through(api: ChatSimulator, **settings: Any) -> AsyncIterator[ScoringModel]:
    given: dict[str, Any] = {
        "api_key": "sk-simulated",
        "base_url": api.url,
        "model": "gpt-4o-mini",
        "successor": "gpt-6-luna",
    }
    model = ScoringModel(**given | settings)
    try:
        yield model
    finally:
        await model.close()


def question() -> Question:
    asked = scoring.question(LINES, agent="clinic", vertical="health")
    assert isinstance(asked, Question)
    return asked


async def test_a_question_is_answered_and_scored() -> None:
    async with ChatSimulator() as api, asked_through(api) as model:
        reply = await model.ask(question())
        score = scoring.read_answer(reply.text, len(LINES))
        assert isinstance(score, Score)
        assert (score.sentiment, score.intent) == ("positive", "book")
        assert (reply.model, reply.asked_model) == ("gpt-4o-mini-2024-07-18", "gpt-4o-mini")
        assert reply.prompt_tokens > 100 and reply.answer_tokens > 10
        (request,) = api.requests
        assert request["store"] is False
        assert request["rules"] == scoring.RULES
        assert request["said"] == [question().document]
        assert api.violations == []


@pytest.mark.parametrize(
    ("point", "options", "told"),
    [
        ("rate_limited", {"retry_after_s": 2.5}, "HTTP 429 rate_limit_exceeded"),
        ("server_error", {"status": 500}, "HTTP 500"),
        ("server_error", {"status": 503}, "HTTP 503"),
        ("timeout", {}, "HTTP 408"),
        ("reset", {}, "no connection"),
        ("cut_body", {}, "no connection|cannot be read"),
        ("garbage", {}, "cannot be read"),
        ("length", {}, "cut at"),
        ("empty", {}, "empty answer"),
    ],
)
async def test_what_may_pass_is_tried_again_later(
    point: str, options: dict[str, Any], told: str
) -> None:
    async with ChatSimulator() as api, asked_through(api) as model:
        api.arm(point, **options)
        with pytest.raises(ModelFault, match=told) as caught:
            await model.ask(question())
        assert not isinstance(caught.value, ModelRefused)
        assert caught.value.retry_after_s == options.get("retry_after_s")
        assert sum(api.state()["counts"].values()) <= 2, "the client itself does not retry"
        await model.ask(question())


@pytest.mark.parametrize("point", ["refusal", "content_filter"])
async def test_refusals_are_for_good(point: str) -> None:
    async with ChatSimulator() as api, asked_through(api) as model:
        api.arm(point)
        with pytest.raises(ModelRefused):
            await model.ask(question())


async def test_a_model_that_says_nothing_is_not_waited_for() -> None:
    async with ChatSimulator() as api, asked_through(api, limit_s=0.2) as model:
        api.arm("hang")
        with pytest.raises(ModelFault, match="in time"):
            await model.ask(question())


async def test_an_api_that_is_not_there() -> None:
    async with ChatSimulator() as api:
        pass
    async with asked_through(api) as model:
        with pytest.raises(ModelFault, match="no connection"):
            await model.ask(question())


async def test_no_quota_is_asked_again_much_later() -> None:
    async with ChatSimulator() as api, asked_through(api) as model:
        api.arm("insufficient_quota")
        with pytest.raises(ModelFault, match="insufficient_quota") as caught:
            await model.ask(question())
        assert caught.value.retry_after_s == NO_QUOTA_RETRY_S


async def test_a_wrong_key_is_told_and_never_shown() -> None:
    async with ChatSimulator() as api, asked_through(api, api_key="sk-very-secret") as model:
        with pytest.raises(ModelFault, match=r"HTTP 401.*OPENAI_API_KEY") as caught:
            await model.ask(question())
        assert "very-secret" not in str(caught.value)


async def test_the_successor_answers_when_the_model_is_gone() -> None:
    clock = Clock()
    async with ChatSimulator() as api, asked_through(api, clock=clock) as model:
        api.models.change("gpt-4o-mini", {"gone": True})
        replies = [await model.ask(question()) for _ in range(3)]
        assert {(reply.model, reply.asked_model) for reply in replies} == {
            ("gpt-6-luna", "gpt-4o-mini")
        }
        assert api.state()["counts"]["404"] == 1, "a gone model is not asked for each time"
        api.models.change("gpt-4o-mini", {"gone": False})
        clock.now += 3601
        assert (await model.ask(question())).model == "gpt-4o-mini-2024-07-18"


async def test_no_successor_either_is_a_fault() -> None:
    async with ChatSimulator() as api, asked_through(api, successor="gpt-none") as model:
        api.models.change("gpt-4o-mini", {"gone": True})
        with pytest.raises(ModelFault, match="gpt-none"):
            await model.ask(question())


def test_hints_come_as_milliseconds_seconds_or_a_date() -> None:
    assert retry_after_s({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retry_after_s({"retry-after": "2.5"}) == 2.5
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({}) is None
    assert retry_after_s({"retry-after": formatdate(0, usegmt=True)}) == 0.0
