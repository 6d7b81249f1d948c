"""Leg tokens: what a media socket's URL says of its call, sealed so that only gateways can read it.

Any gateway may get the socket, so the token itself carries what the webhook learned: who calls
whom, for which agent of which org. It is sealed rather than only signed because URLs end up in the
logs of every proxy on the way, and telephone numbers have no business there. It expires; that it
works once is kept in Redis, by its `digest`. Pure: time and chance come from the caller.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callfleet.calls import CallStart
from callfleet.errors import CallerFault

NONCE_BYTES: Final = 12
TOKEN_TTL_S: Final = 60.0  # between the answer to the webhook and the socket
MAX_TOKEN_CHARS: Final = 1024
_LABEL: Final = b"leg token 1"


_FIELDS: Final = CallStart.__struct_fields__


class Tokens:
    """Makes and opens leg tokens with one fleet's secret."""

    def __init__(self, secret: str) -> None:
        self._seal = AESGCM(hmac.digest(secret.encode(), b"callfleet leg tokens", sha256))

    def make(self, start: CallStart, *, now_s: float, nonce: bytes) -> str:
        """`nonce`: NONCE_BYTES of chance, never the same twice."""
        # Values without their names: a carrier gives a parameter few hundred characters.
        plain = msgspec.msgpack.encode((int(now_s + TOKEN_TTL_S), *msgspec.structs.astuple(start)))
        sealed = nonce + self._seal.encrypt(nonce, plain, _LABEL)
        return _written(sealed)

    def open(self, token: str, *, now_s: float) -> CallStart:
        """The call the token was made for. Raises CallerFault: not ours, or too late."""
        expires_at_s, start = self._unseal(token)
        if now_s > expires_at_s:
            raise CallerFault("the token has expired")
        return start

    def recall(self, token: str) -> CallStart:
        """The call of a token that we kept ourselves, whatever its age."""
        return self._unseal(token)[1]

    def _unseal(self, token: str) -> tuple[int, CallStart]:
        if len(token) > MAX_TOKEN_CHARS:
            raise CallerFault("the token is none of ours")
        try:
            sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            if _written(sealed) != token:
                # Base64 can be spelt in other ways, and each would be used once.
                raise CallerFault("the token is none of ours")
            plain = self._seal.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _LABEL)
            expires_at_s, *values = msgspec.msgpack.decode(plain, type=list[Any])
            # Not strict: a newer build's token may have more fields, an older one's fewer.
            fields = dict(zip(_FIELDS, values, strict=False))
            return int(expires_at_s), msgspec.convert(fields, CallStart)
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            raise CallerFault("the token is none of ours") from None


def _written(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def digest(token: str) -> str:
    """A name for the token that is safe to keep."""
    return sha256(token.encode()).hexdigest()[:32]
