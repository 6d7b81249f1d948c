"""The one REST resource that changes a live call, as Twilio serves it: end it, or give it another
document.

Listening on loopback under Twilio's own paths, so a product only needs another base URL to be
tested against it. A call that is over is not found (404, code 20404), which is how an application
learns that it was too late.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping

from aiohttp import web

from simulators.phone_call import Call
from simulators.phone_switchboard import CallOver, Located
from simulators.phone_twiml import Document, Redirect, TwimlError, read_document

TWIML_LIMIT_CHARS = 4000
_KNOWN = frozenset({"Status", "Twiml", "Url", "Method", "FallbackUrl", "FallbackMethod"})


class RestApi:
    """Serves `/2010-04-01/Accounts/{AC}/Calls/{CA}.json` for the calls now up."""

    def __init__(self, account_sid: str, auth_token: str, calls: Mapping[str, Call]) -> None:
        self._account_sid = account_sid
        credentials = b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._authorization = f"Basic {credentials}"
        self._calls = calls
        self._runner: web.AppRunner | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        app = web.Application()
        path = "/2010-04-01/Accounts/{account}/Calls/{call}.json"
        app.router.add_post(path, self._change)
        app.router.add_get(path, self._show)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound_host, bound_port = self._runner.addresses[0][:2]
        return f"http://{bound_host}:{bound_port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _show(self, request: web.Request) -> web.Response:
        found = self._find(request)
        return found if isinstance(found, web.Response) else self._resource(found)

    async def _change(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.requests.append((request.match_info["call"], form))
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        order = _order(form)
        if isinstance(order, str):
            return _error(400, 20001, order)
        if not found.order(order):
            return _error(429, 20429, "too many changes of this call are waiting")
        return self._resource(found)

    def _find(self, request: web.Request) -> Call | web.Response:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self._authorization.encode()):
            return _error(401, 20003, "Authenticate")
        call = self._calls.get(request.match_info["call"])
        if request.match_info["account"] != self._account_sid or call is None or call.is_over:
            return _error(404, 20404, f"The requested resource {request.path} was not found")
        return call

    def _resource(self, call: Call) -> web.Response:
        report = call.report
        return web.json_response(
            {
                "sid": report.call_sid,
                "account_sid": self._account_sid,
                "api_version": "2010-04-01",
                "direction": "inbound",
                "from": report.caller,
                "to": report.called,
                "status": report.status,
                "uri": f"/2010-04-01/Accounts/{self._account_sid}/Calls/{report.call_sid}.json",
            }
        )


def _order(form: Mapping[str, str]) -> Located | CallOver | str:
    """What a request asks for, or what is wrong with it."""
    if unknown := sorted(set(form) - _KNOWN):
        return f"unknown parameters: {', '.join(unknown)}"
    status, twiml, url = form.get("Status"), form.get("Twiml"), form.get("Url")
    if sum(value is not None for value in (status, twiml, url)) != 1:
        return "exactly one of Status, Twiml and Url is needed"
    if status is not None:
        if status not in ("completed", "canceled"):
            return f"Status {status!r} is not one a call can be given"
        return CallOver("completed_by_api")
    if url is not None:
        by_get = form.get("Method", "POST").upper() == "GET"
        return Located(Document((Redirect(url, "GET" if by_get else "POST"),)), url)
    assert twiml is not None, "one of the three was given"
    if len(twiml) > TWIML_LIMIT_CHARS:
        return f"Twiml is longer than {TWIML_LIMIT_CHARS} characters"
    try:
        document = read_document(twiml.encode(), "text/xml")
    except TwimlError as error:
        return str(error)
    if document.warnings:
        return "; ".join(document.warnings)
    return Located(document, "")


def _error(status: int, code: int, message: str) -> web.Response:
    info = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": info, "status": status}
    return web.json_response(body, status=status)
