"""How the two ends of a link prove to each other that they know CALLFLEET_SECRET. Pure.

The gateway's upgrade request carries a timestamp, a nonce and an HMAC over both, the link version
and the worker it means to reach; the worker answers with a HELLO frame whose HMAC covers that
nonce. So an upgrade is worth nothing to another worker, nothing after the window, and nothing a
second time; and an address that now belongs to somebody else is noticed before a call goes there.
This authenticates the ends, it hides nothing: links belong on a private network.
"""

import hmac
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from callfleet.errors import LinkFault
from callfleet.link import VERSION

WINDOW_S: Final = 30.0  # how far two machines' clocks may be apart
NONCE_BYTES: Final = 16
_REMEMBERED: Final = 10_000  # nonces: dials by every gateway within the window, with room

_VERSION = "X-Callfleet-Link-Version"
_TIME = "X-Callfleet-Link-Time"
_NONCE = "X-Callfleet-Link-Nonce"
_PROOF = "X-Callfleet-Link-Proof"


class LinkSecret:
    """A key for links only, so that a signature made for something else never opens one."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"callfleet link", sha256)

    def request(self, worker_id: str, now_s: float, nonce: bytes) -> dict[str, str]:
        """Headers of the gateway's upgrade request."""
        time, name = str(int(now_s)), nonce.hex()
        proof = self._mac("dial", str(VERSION), worker_id, time, name)
        return {_VERSION: str(VERSION), _TIME: time, _NONCE: name, _PROOF: proof.hex()}

    def answer(self, worker_id: str, nonce: bytes) -> bytes:
        """The payload of the worker's HELLO."""
        return self._mac("answer", str(VERSION), worker_id, nonce.hex())

    def check_answer(self, worker_id: str, nonce: bytes, payload: bytes) -> None:
        if not hmac.compare_digest(payload, self.answer(worker_id, nonce)):
            raise LinkFault("the worker does not know the secret")

    def check_proof(self, worker_id: str, headers: Mapping[str, str]) -> None:
        version, time = headers.get(_VERSION, ""), headers.get(_TIME, "")
        if version != str(VERSION):
            raise LinkFault(f"link version {VERSION} is spoken here")
        expected = self._mac("dial", version, worker_id, time, headers.get(_NONCE, ""))
        if not hmac.compare_digest(headers.get(_PROOF, "").encode(), expected.hex().encode()):
            raise LinkFault("the gateway does not know the secret, or means another worker")

    def _mac(self, *parts: str) -> bytes:
        return hmac.digest(self._key, "\n".join(parts).encode(), sha256)


class Doorkeeper:
    """The worker's side: lets each good request in once."""

    def __init__(self, secret: LinkSecret, worker_id: str) -> None:
        self._secret = secret
        self._worker_id = worker_id
        self._seen: OrderedDict[str, float] = OrderedDict()

    def admit(self, headers: Mapping[str, str], now_s: float) -> bytes:
        """The payload of the HELLO to answer with. Raises LinkFault: the door stays shut."""
        self._secret.check_proof(self._worker_id, headers)
        # The proof holds, so these were written by a gateway of ours and are well formed.
        if abs(now_s - int(headers[_TIME])) > WINDOW_S:
            raise LinkFault("the upgrade is too old, or the clocks disagree")
        nonce = headers[_NONCE]
        self._forget(now_s)
        if nonce in self._seen or len(self._seen) >= _REMEMBERED:
            raise LinkFault("the upgrade was used before")
        self._seen[nonce] = now_s + 2 * WINDOW_S
        return self._secret.answer(self._worker_id, bytes.fromhex(nonce))

    def _forget(self, now_s: float) -> None:
        while self._seen and next(iter(self._seen.values())) <= now_s:
            self._seen.popitem(last=False)
