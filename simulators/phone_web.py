"""The carrier's HTTP side: signed webhooks to public addresses, reached the way a proxy in front
would reach them.

A request is made for, and signed over, the public URL; a map of origins says where that origin
listens on this machine, and the `Host` header stays the public one. Limits are Twilio's: two
connection attempts of five seconds, fifteen in all, and an answer no longer than a TwiML document
may be.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import aiohttp
from yarl import URL

from simulators.phone_report import Exchange
from simulators.phone_signature import HEADER, sign
from simulators.phone_twiml import LIMIT_BYTES

CONNECT_LIMIT_S = 5.0
ANSWER_LIMIT_S = 15.0
_MAX_REDIRECTS = 10
Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    url: str  # where it came from in the end: what relative URLs are relative to
    status: int
    content_type: str
    body: bytes


class FetchFailed(Exception):
    """No usable answer; `code` is what the carrier's debugger calls it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class AddressBook:
    """Public origins and where they really listen. `https` entries serve `wss` as well."""

    def __init__(self, rewrites: Mapping[str, str]) -> None:
        self._rewrites: dict[tuple[str, str], tuple[str, str]] = {}
        for public, local in rewrites.items():
            source, target = urlsplit(public), urlsplit(local)
            self._rewrites[source.scheme, source.netloc] = (target.scheme, target.netloc)
            if source.scheme in ("https", "http"):
                socket = (source.scheme.replace("http", "ws"), source.netloc)
                self._rewrites.setdefault(
                    socket, (target.scheme.replace("http", "ws"), target.netloc)
                )

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        """The URL to dial, and the headers that keep the public name."""
        parts = urlsplit(url)
        local = self._rewrites.get((parts.scheme, parts.netloc))
        if local is None:
            return url, {}
        scheme, netloc = local
        return urlunsplit((scheme, netloc, parts.path, parts.query, "")), {"Host": parts.netloc}


class Web:
    """Signed requests of one account."""

    def __init__(
        self, auth_token: str, addresses: AddressBook, *, answer_limit_s: float = ANSWER_LIMIT_S
    ) -> None:
        self.auth_token = auth_token
        self.addresses = addresses
        self._limit_s = answer_limit_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, method: str, url: str, form: Form, *, token: str | None = None) -> Answer:
        """Ask a public URL, following redirects; raises `FetchFailed`."""
        idempotency = str(uuid.uuid4())
        for _ in range(_MAX_REDIRECTS):
            answer, location = await self._ask(method, url, form, (token, idempotency))
            if not location:
                return answer
            url = urljoin(url, location)
            method = method if answer.status in (307, 308) else "GET"
        raise FetchFailed(11215, f"more than {_MAX_REDIRECTS} redirects, last to {url}")

    async def _ask(
        self, method: str, url: str, form: Form, secrets: tuple[str | None, str]
    ) -> tuple[Answer, str]:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise FetchFailed(11100, f"invalid URL format: {url!r}")
        if method == "GET" and form:
            query = urlencode([*parse_qsl(urlsplit(url).query, keep_blank_values=True), *form])
            url, form = urlunsplit(urlsplit(url)._replace(query=query)), ()
        token, idempotency = secrets
        dial, headers = self.addresses.locate(url)
        headers |= {
            HEADER: sign(token or self.auth_token, url, form),
            "I-Twilio-Idempotency-Token": idempotency,
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        body = urlencode(form) if method == "POST" else None
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._send(method, dial, headers, body, url)
        except TimeoutError:
            raise FetchFailed(11200, f"no answer within {self._limit_s:.0f} s") from None
        except aiohttp.ClientError as error:
            raise FetchFailed(11205, f"{type(error).__name__}: {error}") from None

    async def _send(
        self, method: str, dial: str, headers: Mapping[str, str], body: str | None, url: str
    ) -> tuple[Answer, str]:
        session = self._open_session()
        from_string = URL(dial, encoded=True)
        for attempt in (1, 2):
            try:
                async with session.request(
                    method, from_string, data=body, headers=headers, allow_redirects=False
                ) as response:
                    content = await response.content.read(LIMIT_BYTES + 1)
                    while len(content) <= LIMIT_BYTES and not response.content.at_eof():
                        content += await response.content.read(LIMIT_BYTES + 1)
                    kind = response.headers.get("Content-Type", "")
                    moved = response.status in (301, 302, 303, 307, 308)
                    location = response.headers.get("Location", "") if moved else ""
                    return Answer(url, response.status, kind, content), location
            except aiohttp.ClientConnectorError:
                if attempt == 2:
                    raise
        raise AssertionError("two attempts end in an answer or an error")

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S)
            connector = aiohttp.TCPConnector(limit=0, ssl=True)
            self._session = aiohttp.ClientSession(
                timeout=limits, connector=connector, skip_auto_headers=("User-Agent",)
            )
        return self._session


def logged(purpose: str, method: str, url: str, answer: Answer | FetchFailed) -> Exchange:
    """An exchange as the report keeps it; times are filled in by who knows them."""
    if isinstance(answer, FetchFailed):
        return Exchange(purpose, method, url, 0, f"{answer.code} {answer}", 0, 0)
    text = answer.body[:4096].decode("utf-8", "replace")
    return Exchange(purpose, method, url, answer.status, text, 0, 0)
