"""What gateways tell one another about a call, in Redis, by the carrier's name for it.

Any gateway may get a call's second webhook, its media socket, or the question what comes after. One
hash per call holds the answers: the token it was given (so that a repeated webhook gets the same
call), which tokens were used (each opens one stream in the whole fleet), and how the call ended as
far as a gateway saw it (so that what comes after need not wait for the journal).
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, Final, TypeVar, cast

from redis.asyncio import Redis

from callfleet.calls import EndReason
from callfleet.errors import StoreFault
from callfleet.redis_scripts import store_faults

KEPT_S: Final = 24 * 3600  # a carrier ends a call of its own accord long before
REMEMBERED_HERE: Final = 2_000
USE_LIMIT_S: Final = 1.0  # a caller hears nothing meanwhile


def key_of(carrier_call_id: str) -> str:
    """A hash: `token`, `used:<digest>`, `ended`."""
    return f"callfleet:gateway:call:{carrier_call_id}"


V = TypeVar("V")


def _remember(memory: "OrderedDict[str, V]", key: str, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED_HERE:
        memory.popitem(last=False)


class CallBook:
    """Raises StoreFault when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ended_here: OrderedDict[str, EndReason] = OrderedDict()
        self._tokens_here: OrderedDict[str, str] = OrderedDict()
        self._used_here: OrderedDict[str, bool] = OrderedDict()

    async def keep_token(self, carrier_call_id: str, token: str) -> str:
        """The call's token: this one, or the one it was given before."""
        if not await self._set_once(carrier_call_id, "token", token):
            token = await self.token(carrier_call_id) or token
        _remember(self._tokens_here, carrier_call_id, token)
        return token

    def keep_token_here(self, carrier_call_id: str, token: str) -> str:
        """`keep_token` while Redis is away."""
        token = self._tokens_here.get(carrier_call_id, token)
        _remember(self._tokens_here, carrier_call_id, token)
        return token

    async def token(self, carrier_call_id: str) -> str | None:
        found = await self._get(carrier_call_id, "token")
        return None if found is None else found.decode()

    async def use(self, carrier_call_id: str, digest: str) -> bool:
        """Claim the token of this digest; False: somebody has it already."""
        if digest in self._used_here:
            return False
        try:
            async with asyncio.timeout(USE_LIMIT_S):
                ours = await self._claim(carrier_call_id, digest)
        except (StoreFault, TimeoutError):
            ours = digest not in self._used_here
        _remember(self._used_here, digest, True)
        return ours

    async def _claim(self, carrier_call_id: str, digest: str) -> bool:
        field, claim = f"used:{digest}", secrets.token_hex(8)
        if await self._set_once(carrier_call_id, field, claim):
            return True
        # A first try whose answer was lost may have been ours.
        return await self._get(carrier_call_id, field) == claim.encode()

    async def note_end(self, carrier_call_id: str, reason: EndReason) -> None:
        _remember(self._ended_here, carrier_call_id, reason)
        key = key_of(carrier_call_id)
        with store_faults("callbook end"):
            async with self._redis.pipeline(transaction=True) as both:
                both.hset(key, "ended", reason.value)
                both.expire(key, KEPT_S)
                await both.execute()

    async def ended(self, carrier_call_id: str) -> EndReason | None:
        """How the call's leg ended, as its gateway saw it; what this one saw needs no Redis."""
        here = self._ended_here.get(carrier_call_id)
        if here is not None:
            return here
        found = await self._get(carrier_call_id, "ended")
        return None if found is None else EndReason(found.decode())

    async def _set_once(self, carrier_call_id: str, field: str, value: str) -> bool:
        key = key_of(carrier_call_id)
        with store_faults(f"callbook {field.partition(':')[0]}"):
            async with self._redis.pipeline(transaction=True) as both:
                both.hsetnx(key, field, value)
                both.expire(key, KEPT_S)
                answers = await both.execute()
        return bool(answers[0])

    async def _get(self, carrier_call_id: str, field: str) -> bytes | None:
        with store_faults(f"callbook {field}"):
            asked = cast(Awaitable[Any], self._redis.hget(key_of(carrier_call_id), field))
            return cast(bytes | None, await asked)
