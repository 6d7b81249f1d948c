"""Twilio's webhooks: signature and form. Pure.

The signature is base64(HMAC-SHA1(auth token, URL + every POST key and value, sorted by key)), over
the URL that Twilio believes it calls. That is the configured public one: what a proxy, or anybody
else, writes into a header decides nothing.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from callfleet.errors import CallerFault
from services.gateway.carriers.twilio import Offence

SIGNATURE: Final = "X-Twilio-Signature"
ANONYMOUS: Final = "anonymous"
_DEFAULT_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_SID = re.compile(r"[A-Za-z0-9]{2,64}").fullmatch
_E164 = re.compile(r"\+[1-9][0-9]{4,14}").fullmatch

Pairs = Sequence[tuple[str, str]]


class Webhook(msgspec.Struct, frozen=True):
    """What a voice webhook says of a call."""

    call_sid: str
    caller: str
    called: str
    status: str  # ringing, in-progress, completed ...

    @property
    def is_anonymous(self) -> bool:
        return self.caller == ANONYMOUS

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "busy", "failed", "no-answer", "canceled")


def sign(auth_token: str, url: str, form: Pairs = ()) -> str:
    """The signature of a request; a value sent twice under one key counts once."""
    text = url + "".join(key + value for key, value in sorted(set(form)))
    return b64encode(hmac.digest(auth_token.encode(), text.encode(), sha1)).decode()


def is_signed(auth_token: str, urls: Iterable[str], form: Pairs, signature: str) -> bool:
    """True if Twilio made this signature for one of the ways to write the URL."""
    given = signature.encode()
    genuine = False
    for url in urls:
        for spelling in (url, _with_port(url)):
            # Every candidate is compared, in constant time: how long it took tells nothing.
            genuine |= hmac.compare_digest(sign(auth_token, spelling, form).encode(), given)
    return genuine


def stream_urls(public_url: str, path: str) -> list[str]:
    """How a media stream's URL may have been written when its handshake was signed."""
    secure = "ws" + public_url.removeprefix("http")
    return [secure + path, f"{secure}{path}/", public_url + path]


def _with_port(url: str) -> str:
    parts = urlsplit(url)
    if parts.port is not None or parts.scheme not in _DEFAULT_PORTS:
        return url
    return parts._replace(netloc=f"{parts.netloc}:{_DEFAULT_PORTS[parts.scheme]}").geturl()


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The pairs of a POST body. Raises CallerFault."""
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200
        )
    except ValueError:
        raise CallerFault(Offence.MALFORMED) from None


def read_webhook(pairs: Pairs) -> Webhook:
    """The call a webhook is about. Raises CallerFault."""
    form: Mapping[str, str] = dict(pairs)
    call_sid = form.get("CallSid", "")
    if not _SID(call_sid):
        raise CallerFault(Offence.MALFORMED)
    caller = form.get("From", "")
    return Webhook(
        call_sid=call_sid,
        caller=caller if _E164(caller) else ANONYMOUS,
        called=form.get("To", "") or form.get("Called", ""),
        status=form.get("CallStatus", ""),
    )
