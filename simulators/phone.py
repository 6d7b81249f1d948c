"""A phone company: places calls to an application over Twilio's true protocol and reports what its
callers heard.

Used by tests, demo and load in process, and by hand as `python -m simulators phone`, against a
local fleet or any Twilio application one may call. It shares no code with the gateway it tests; see
`phone_call` for the life of a call.
"""

import argparse
import asyncio
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import msgspec

from simulators.phone_call import Call
from simulators.phone_clock import Clock, Ticker
from simulators.phone_faults import Fault, Faults
from simulators.phone_humans import Human
from simulators.phone_lines import VERTICALS
from simulators.phone_report import CallReport
from simulators.phone_rest import RestApi
from simulators.phone_scripts import FACTORIES, Script, mixture, script_named
from simulators.phone_switchboard import CallOver, Number, Switchboard
from simulators.phone_web import ANSWER_LIMIT_S, AddressBook, Web

_LAST_CALLS_S = 5.0


class PhoneCompany:
    """One account with its numbers; `place` makes a call and returns its report."""

    def __init__(
        self,
        *,
        account_sid: str = "AC" + "0" * 32,
        auth_token: str,
        voice_url: str,
        public_url_rewrites: Mapping[str, str] | None = None,
        seed: int = 0,
        fallback_url: str = "",
        status_url: str = "",
        humans: Mapping[str, Human] | None = None,
        clock: Clock | None = None,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self.seed = seed
        self.humans: dict[str, Human] = dict(humans or {})
        self.calls: dict[str, Call] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        clock = clock or Clock()
        web = Web(auth_token, AddressBook(public_url_rewrites or {}), answer_limit_s=answer_limit_s)
        self._board = Switchboard(
            account_sid=account_sid,
            web=web,
            number=Number(voice_url, fallback_url, status_url),
            clock=clock,
            ticker=Ticker(clock),
            humans=self.humans,
        )
        self._api = RestApi(account_sid, auth_token, self.calls)

    @property
    def api_requests(self) -> list[tuple[str, dict[str, str]]]:
        """What was asked of the REST API: (call, form)."""
        return self._api.requests

    async def serve_api(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve the REST API that changes live calls; returns its base URL."""
        return await self._api.start(host, port)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the calls that are still up, then let go of sockets and the heartbeat."""
        for call in self.calls.values():
            call.order(CallOver("completed_by_api"))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_CALLS_S):
                await self._quiet.wait()
        await self._api.stop()
        await self._board.ticker.stop()
        await self._board.web.close()

    async def place(
        self, caller: str, called: str, script: Script, *, faults: Sequence[Fault] = ()
    ) -> CallReport:
        """One call, from the voice webhook to the last callback."""
        sid = "CA" + uuid.uuid4().hex
        report = CallReport(sid, script.name, caller, called)
        call = self.calls[sid] = Call(self._board, report, script, Faults(faults))
        self._quiet.clear()
        try:
            return await call.run()
        finally:
            del self.calls[sid]
            if not self.calls:
                self._quiet.set()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--voice-url", required=True, help="the voice webhook, where it listens")
    parser.add_argument("--public-url", help="the public origin it is known and signed by")
    parser.add_argument("--auth-token-env", default="TWILIO_AUTH_TOKEN", metavar="NAME")
    parser.add_argument("--account-sid", default="AC" + "0" * 32)
    parser.add_argument("--status-url", default="", help="the number's status callback")
    parser.add_argument("--fallback-url", default="", help="asked when the voice webhook fails")
    parser.add_argument("--called", action="append", metavar="+1555...", help="may be repeated")
    parser.add_argument("--caller", default="+15550100100", help="the first caller's number")
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=20, help="calls that may run together")
    parser.add_argument("--script", choices=[*FACTORIES, "mixture"], default="polite")
    parser.add_argument("--vertical", choices=list(VERTICALS), default="clinic")
    parser.add_argument("--seed", type=int, default=0)


async def run(args: argparse.Namespace) -> int:
    """Place the calls, print one report per line; 3 if the application broke a rule."""
    token = os.environ.get(args.auth_token_env)  # the tool's own argument names the variable
    if not token:
        print(f"{args.auth_token_env} is not set: export the auth token first", file=sys.stderr)
        return 2
    company = PhoneCompany(
        account_sid=args.account_sid,
        auth_token=token,
        voice_url=_public(args.voice_url, args.public_url),
        public_url_rewrites=_rewrites(args.voice_url, args.public_url),
        status_url=args.status_url,
        fallback_url=args.fallback_url,
        seed=args.seed,
    )
    room = asyncio.Semaphore(args.at_once)
    called = args.called or ["+15551230000"]
    broken = 0

    async def one(number: int, script: Script) -> None:
        nonlocal broken
        caller = f"+{int(args.caller.lstrip('+')) + number}"
        async with room:
            report = await company.place(caller, called[number % len(called)], script)
        broken += bool(report.violations)
        print(msgspec.json.encode(report).decode(), flush=True)

    async with company, asyncio.TaskGroup() as group:
        for number, script in enumerate(_scripts(args)):
            group.create_task(one(number, script))
    return 3 if broken else 0


def _scripts(args: argparse.Namespace) -> list[Script]:
    if args.script == "mixture":
        return mixture(args.calls, args.seed)
    return [
        script_named(args.script, args.vertical, args.seed + number) for number in range(args.calls)
    ]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _public(voice_url: str, public_url: str | None) -> str:
    if not public_url:
        return voice_url
    public = urlsplit(public_url)
    return urlunsplit(urlsplit(voice_url)._replace(scheme=public.scheme, netloc=public.netloc))


def _rewrites(voice_url: str, public_url: str | None) -> dict[str, str]:
    return {_origin(public_url): _origin(voice_url)} if public_url else {}
