"""The doctor's questions to OpenAI, or to whoever speaks like it.

The Realtime API accepts the upgrade first and refuses afterwards, by an error event and a close
reason; so the check waits for `session.created` and reads both.
"""

import asyncio
import datetime
import json
from typing import Any, Final

import aiohttp

from services.doctor_findings import Finding, bad, good, warning
from services.worker.endpoint import Endpoint

SHUTDOWN_WARNING_DAYS: Final = 180
_SCORING_KEY: Final = "OPENAI_API_KEY"
_NEW_KEY = "put a valid key into {env} (https://platform.openai.com/api-keys)"
_REMEDIES: Final = {
    "invalid_api_key": _NEW_KEY,
    "account_deactivated": "the account behind {env} is closed: use another key",
    "insufficient_quota": "add credit to the account behind {env}",
    "billing_hard_limit_reached": "raise the spending limit of the account behind {env}",
    "model_not_found": "write a Realtime model that this key may use under the agent's `model`",
    "missing_model": "write a Realtime model under the agent's `model`",
}
_TRY_AGAIN = "try again; if it stays so, see https://status.openai.com"


async def check_session(url: str, *, org: str, env: str, key: str, model: str) -> Finding:
    """Open a Realtime session as a worker would, and hang up."""
    subject = f"realtime {org} {model}"
    endpoint = Endpoint(url, key)  # as a worker would: Azure wants its key elsewhere
    started = asyncio.get_running_loop().time()
    try:
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(endpoint.address(model), headers=endpoint.headers()) as socket,
        ):
            refusal = await _refusal(socket)
    except aiohttp.WSServerHandshakeError as error:
        remedy = _NEW_KEY.format(env=env) if error.status in (401, 403) else "check the URL"
        return bad(subject, f"answered HTTP {error.status}", f"{remedy} (OPENAI_REALTIME_URL)")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        told = f"no connection ({type(error).__name__})"
        return bad(subject, told, "check OPENAI_REALTIME_URL, the network and any proxy")
    if refusal:
        remedy = next((text for code, text in _REMEDIES.items() if code in refusal), _TRY_AGAIN)
        return bad(subject, f"refused: {refusal}", remedy.format(env=env))
    elapsed_ms = (asyncio.get_running_loop().time() - started) * 1000
    return good(subject, f"session opened in {elapsed_ms:.0f} ms")


async def _refusal(socket: aiohttp.ClientWebSocketResponse) -> str:
    """Why no session came; "" when one did."""
    code = ""
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.CLOSE and message.extra:
            return str(message.extra)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return code or f"closed with {socket.close_code} before a session began"
        event = json.loads(message.data)
        if event.get("type") == "session.created":
            return ""
        if event.get("type") == "error":
            error = event.get("error") or {}
            code = str(error.get("code") or error.get("type") or "error")


async def check_model(
    base_url: str, *, subject: str, key: str, model: str, today: datetime.date
) -> Finding:
    """Does the endpoint know the model, and until when?"""
    address = f"{base_url.rstrip('/')}/models/{model}"
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with (
            aiohttp.ClientSession() as client,
            client.get(address, headers=headers) as response,
        ):
            status = response.status
            answer = await response.json(content_type=None) if status == 200 else {}
    except (aiohttp.ClientError, OSError, ValueError) as error:
        told = f"no usable answer ({type(error).__name__})"
        return bad(subject, told, "check OPENAI_BASE_URL, the network and any proxy")
    if status in (401, 403):
        return bad(
            subject, f"the key was refused (HTTP {status})", _NEW_KEY.format(env=_SCORING_KEY)
        )
    if status == 404:
        knob = f"CALLFLEET_SCORING_{'MODEL' if subject == 'scoring' else 'SUCCESSOR'}"
        return bad(subject, f"unknown model {model}", f"set {knob} to one it has")
    if status != 200:
        return bad(subject, f"answered HTTP {status}", _TRY_AGAIN)
    return _with_its_end(subject, model, answer, today)


def _with_its_end(subject: str, model: str, answer: Any, today: datetime.date) -> Finding:
    announced = answer.get("shutdown_date") if isinstance(answer, dict) else None
    try:
        end = datetime.date.fromisoformat(str(announced)[:10]) if announced else None
    except ValueError:
        end = None
    if end is None:
        return good(subject, f"{model} answers")
    days = (end - today).days
    if days <= 0:
        return bad(subject, f"{model} was shut down on {end}", "choose its successor")
    if days <= SHUTDOWN_WARNING_DAYS:
        told = f"{model} answers, but will be shut down on {end}, in {days} days"
        return warning(subject, told, "plan the move to its successor before that day")
    return good(subject, f"{model} answers (announced to end on {end})")
