"""Asks the scoring model, and gives every way it can fail one of two names.

`ModelFault`: ask again later, not before `retry_after_s` where the API gave a hint. `ModelRefused`:
it will not judge this call. The client neither retries (the row in the database owns that, and
survives this process) nor stores (`store=False`). When the API says that the configured model is
gone, its successor answers, with a warning, a metric, and its name in the score's row.

The `openai` package takes 40 MB and a second to import, so that happens when the model is opened.
"""

import asyncio
import email.utils
import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callfleet import telemetry
from callfleet.errors import ModelFault, ModelRefused
from services.analytics import metrics
from services.analytics.scoring import Question

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion

ANSWER_MAX_TOKENS: Final = 4_000
GONE_FOR_S: Final = 3600.0  # a gone model is asked for again after that: operators make mistakes
NO_QUOTA_RETRY_S: Final = 600.0
_GONE_CODES: Final = frozenset({"model_not_found", "model_retired", "model_deprecated"})

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, who it was, and what it took."""

    text: str
    model: str
    asked_model: str
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int


class _ModelGone(Exception):
    """The API does not know the model any more."""


class ScoringModel:
    """One client of the scoring API."""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        model: str,
        successor: str,
        limit_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._successor = successor
        self._limit_s = limit_s
        self._clock = clock
        self._gone_until = 0.0
        self._client: openai.AsyncOpenAI | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> "openai.AsyncOpenAI":
        """Import the client (off the loop: it takes a second) and make it; once."""
        async with self._opening:
            if self._client is None:
                package = await asyncio.to_thread(importlib.import_module, "openai")
                self._client = package.AsyncOpenAI(
                    api_key=self._api_key,
                    base_url=self._base_url,
                    timeout=self._limit_s,
                    max_retries=0,
                )
        return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def ask(self, question: Question) -> Reply:
        """The model's answer as text; raises `ModelFault` or `ModelRefused`, and nothing else."""
        if self._clock() >= self._gone_until:
            try:
                return await self._ask(self._model, question)
            except _ModelGone:
                self._gone_until = self._clock() + GONE_FOR_S
                log.warning(
                    "the scoring model is gone: set CALLFLEET_SCORING_MODEL",
                    model=self._model,
                    successor=self._successor,
                )
        metrics.fell_back()
        try:
            return await self._ask(self._successor, question)
        except _ModelGone:
            raise ModelFault(
                f"neither {self._model} nor its successor {self._successor} exists"
            ) from None

    async def _ask(self, model: str, question: Question) -> Reply:
        client = await self.open()
        import openai

        request = _request(model, question)
        with metrics.model_asked():
            try:
                async with asyncio.timeout(self._limit_s * 1.1):
                    completion = await client.chat.completions.create(**request)
            except openai.APIStatusError as error:
                raise _status_fault(error) from None
            except (openai.APITimeoutError, TimeoutError):
                raise ModelFault("no answer in time") from None
            except openai.APIConnectionError as error:
                cause = error.__cause__ or error
                raise ModelFault(f"no connection: {type(cause).__name__}") from None
            except (openai.OpenAIError, ValueError) as error:  # a body that is no JSON, or cut
                raise ModelFault(f"an answer that cannot be read: {type(error).__name__}") from None
            return _reply(completion, asked=self._model)


def _request(model: str, question: Question) -> dict[str, Any]:
    """Chat Completions, which compatible servers speak too; strict schema, nothing stored."""
    request: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": question.rules},
            {"role": "user", "content": question.document},
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "call_score", "strict": True, "schema": question.schema},
        },
        "max_completion_tokens": ANSWER_MAX_TOKENS,
        "store": False,
    }
    if _reasons(model):
        # Their default effort is medium: dear and slow for what reading a call needs.
        return request | {"reasoning_effort": "low"}
    return request | {"temperature": 0}


def _reasons(model: str) -> bool:
    """Reasoning models refuse `temperature`, the others refuse `reasoning_effort`."""
    return model.startswith(("gpt-5", "gpt-6", "o1", "o3", "o4"))


def _reply(completion: "ChatCompletion", *, asked: str) -> Reply:
    usage = completion.usage
    details = usage.prompt_tokens_details if usage else None
    prompt, answer = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    metrics.tokens_used(prompt=prompt, answer=answer)
    if not completion.choices:
        raise ModelFault("an answer without a choice")
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        raise ModelFault(f"the answer was cut at {ANSWER_MAX_TOKENS} tokens")
    if choice.finish_reason == "content_filter":
        raise ModelRefused("the content filter stopped the answer")
    message = choice.message
    if message is not None and message.refusal:
        raise ModelRefused("the model refused")  # its words may quote the caller's
    if message is None or not message.content:
        raise ModelFault("an empty answer")
    return Reply(
        text=message.content,
        model=completion.model or asked,
        asked_model=asked,
        prompt_tokens=prompt,
        cached_tokens=(details.cached_tokens or 0) if details else 0,
        answer_tokens=answer,
    )


def _status_fault(error: "openai.APIStatusError") -> Exception:
    """An HTTP refusal as a fault; the API's message stays out: it may quote a key or a caller."""
    status, code = error.status_code, error.code or ""
    if status == 404 or code in _GONE_CODES:
        return _ModelGone()
    if status == 400 and code == "content_policy_violation":
        return ModelRefused("the content policy refused the call")
    wait_s = retry_after_s(error.response.headers)
    if code == "insufficient_quota":
        wait_s = max(wait_s or 0.0, NO_QUOTA_RETRY_S)
    what = f"HTTP {status}"
    for detail in (code, error.param and f"param {error.param}"):
        what += f" {detail}" if detail else ""
    if status in (401, 403):
        what += ": check OPENAI_API_KEY"
    return ModelFault(what, retry_after_s=wait_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The API's hint how long to wait: milliseconds, seconds, or a date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        if "retry-after" not in headers:
            return None
        raw = headers["retry-after"]
        if raw.replace(".", "", 1).isdigit():
            return float(raw)
        return max(0.0, email.utils.parsedate_to_datetime(raw).timestamp() - time.time())
    except ValueError:
        return None
