"""What a caller said is sealed: one data key per call, wrapped by a key the operator holds. Pure.

AES-256-GCM throughout. A sealed text names the key it was sealed with and is bound, as associated
data, to its call, its place and its purpose: swapping two entries, or lifting one into another
call, is seen as surely as a flipped bit. Data keys are per call so that destroying one wrapped key
forgets one call everywhere, in backups and replicas too, and so that rotating the operator's key
re-wraps 32 bytes per call and never touches what was said.

    sealed   = version | id of the key | 96-bit random nonce | ciphertext | tag
    wrapped  = the same, with the call's data key as its plaintext
"""

import base64
import binascii
import hashlib
import secrets
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from callfleet.calls import CallId
from callfleet.errors import ConfigFault, KeyMissing, SealBroken

KEYS_ENV: Final = "CALLFLEET_ENCRYPTION_KEYS"
KEY_BYTES: Final = 32
OVERHEAD_BYTES: Final = 1 + 4 + 12 + 16  # what sealing adds to a text

_VERSION: Final = b"\x01"
_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = len(_VERSION) + _ID_BYTES + _NONCE_BYTES
_HOW: Final = "32 bytes as base64 or 64 hex digits, e.g. from `openssl rand -base64 32`"


class _Key:
    """One AES-256-GCM key and the name its sealed texts carry."""

    __slots__ = ("_cipher", "name")

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)
        # A name, not a check value: four bytes of a hash tell keys apart and betray nothing.
        self.name = hashlib.sha256(b"callfleet key name" + secret).digest()[:_ID_BYTES]

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + self.name + nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def open(self, sealed: bytes, bound_to: bytes) -> bytes:
        nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
        try:
            return self._cipher.decrypt(nonce, sealed[_HEAD_BYTES:], bound_to)
        except InvalidTag:
            raise SealBroken from None


def _key_name(sealed: bytes) -> bytes:
    """The name of the key a text was sealed with; raises on what cannot be a sealed text."""
    if len(sealed) < OVERHEAD_BYTES or sealed[:1] != _VERSION:
        raise SealBroken
    return sealed[1 : 1 + _ID_BYTES]


def _binding(call_id: CallId, purpose: str, sequence: int) -> bytes:
    """Call, purpose and place as associated data; lengths first, so that no two can coincide."""
    what = purpose.encode()
    return b"%d|%d|" % (sequence, len(what)) + what + b"|" + call_id.encode()


class CallKey:
    """The data key of one call: seals and opens what belongs to that call and to no other."""

    __slots__ = ("_key", "call_id")

    def __init__(self, call_id: CallId, secret: bytes) -> None:
        assert len(secret) == KEY_BYTES
        self.call_id = call_id
        self._key = _Key(secret)

    def seal(self, plain: bytes, *, purpose: str, sequence: int) -> bytes:
        return self._key.seal(plain, _binding(self.call_id, purpose, sequence))

    def open(self, sealed: bytes, *, purpose: str, sequence: int) -> bytes:
        """Raises `SealBroken` for anything but what `seal` made for this very place."""
        if _key_name(sealed) != self._key.name:
            raise SealBroken("sealed for another call, or damaged")
        return self._key.open(sealed, _binding(self.call_id, purpose, sequence))


class KeyRing:
    """The operator's keys, newest first: the newest wraps, every one of them unwraps."""

    def __init__(self, secrets_newest_first: list[bytes]) -> None:
        assert secrets_newest_first
        self._newest = _Key(secrets_newest_first[0])
        keys = [_Key(secret) for secret in secrets_newest_first]
        self._keys = {key.name: key for key in keys}
        assert len(self._keys) == len(keys), "two keys of one name: `parse` refuses them"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the environment's text; mistakes name a key's position, never what it is."""
        parts = [part.strip() for part in text.split(",")]
        keys: list[bytes] = []
        mistakes: list[str] = []
        for position, part in enumerate(parts, 1):
            where = f"{KEYS_ENV}: key {position} of {len(parts)}"
            secret = _decoded(part)
            if not part:
                mistakes.append(f"{where} is empty; each key is {_HOW}")
            elif secret is None:
                mistakes.append(f"{where} is neither base64 nor hex; a key is {_HOW}")
            elif len(secret) != KEY_BYTES:
                mistakes.append(f"{where} is {len(secret)} bytes long; a key is {_HOW}")
            elif secret in keys:
                mistakes.append(f"{where} is there twice")
            else:
                keys.append(secret)
        if mistakes:
            raise ConfigFault(mistakes)
        return cls(keys)

    def new_call_key(self, call_id: CallId) -> tuple[CallKey, bytes]:
        """A fresh data key, and its wrapped form to be stored beside what it seals."""
        secret = secrets.token_bytes(KEY_BYTES)
        return CallKey(call_id, secret), self._newest.seal(secret, _binding(call_id, "key", 0))

    def unwrap(self, call_id: CallId, wrapped: bytes) -> CallKey:
        """Raises `KeyMissing` when its wrapping key is not on the ring, else `SealBroken`."""
        return CallKey(call_id, self._unwrapped(call_id, wrapped))

    def is_current(self, wrapped: bytes) -> bool:
        """Was it wrapped by the newest key? If not, `rewrap` before retiring the old one."""
        return _key_name(wrapped) == self._newest.name

    def rewrap(self, call_id: CallId, wrapped: bytes) -> bytes:
        """The same data key under the newest key."""
        return self._newest.seal(self._unwrapped(call_id, wrapped), _binding(call_id, "key", 0))

    def _unwrapped(self, call_id: CallId, wrapped: bytes) -> bytes:
        key = self._keys.get(_key_name(wrapped))
        if key is None:
            raise KeyMissing
        return key.open(wrapped, _binding(call_id, "key", 0))

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} keys)"


def _decoded(part: str) -> bytes | None:
    """Hex when it is exactly a key's worth of hex digits, else standard or URL-safe base64."""
    try:
        if len(part) == 2 * KEY_BYTES:
            return bytes.fromhex(part)
    except ValueError:
        pass  # 64 characters of base64 are possible, and are then too long for a key
    try:
        padded = part.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def new_key() -> str:
    """A key for `CALLFLEET_ENCRYPTION_KEYS`, as text."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
