"""Tells analytics that a call has ended, so that its record is there within a second.

Only a hint: the truth is the journal's finished list, which analytics sweeps. So a hint carries no
more than the call's id, takes at most two seconds, never raises, and may be lost without harm. It
is an arq job; arq would pickle its arguments by default, which lets whoever can write to Redis run
code in the worker, so both sides use the JSON encoding below.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet import telemetry
from callfleet.calls import CallId

QUEUE: Final = "callfleet:analytics"
RECORD_CALL: Final = "record_call"
LIMIT_S: Final = 2.0
EXPIRES_MS: Final = 3_600_000
"""A hint nobody took within the hour is dropped; by then the sweeper has found the call."""

encode_job: Final[Callable[[dict[str, Any]], bytes]] = msgspec.json.encode
decode_job: Final[Callable[[bytes], dict[str, Any]]] = msgspec.json.decode

log = telemetry.logger(__name__)


def job_queue(redis: "Redis") -> ArqRedis:
    """The queue as arq's worker wants it, on the connections (and limits) of the Redis given."""
    return ArqRedis(
        redis.connection_pool,
        job_serializer=encode_job,
        job_deserializer=decode_job,
        default_queue_name=QUEUE,
        expires_extra_ms=EXPIRES_MS,
    )


async def trigger(redis: "Redis", job: str, job_id: str, call_id: CallId) -> bool:
    """Ask for a job; False when Redis would not take it. It may be queued already: as good.

    Not `ArqRedis.enqueue_job`: that takes three round trips under WATCH, answers "queued already"
    for jobs it did not queue when a connection is lost, and leaks the connection when cancelled.
    """
    now_ms = time.time_ns() // 1_000_000
    asked = serialize_job(job, (call_id,), {}, None, now_ms, serializer=encode_job)
    try:
        async with asyncio.timeout(LIMIT_S), redis.pipeline(transaction=True) as pipe:
            pipe.set(f"{job_key_prefix}{job_id}", asked, px=EXPIRES_MS, nx=True)
            pipe.zadd(QUEUE, {job_id: now_ms}, nx=True)
            await pipe.execute()
    except (RedisError, OSError, TimeoutError) as trouble:
        log.warning("job not triggered", job=job, call_id=call_id, why=telemetry.told(trouble))
        return False
    return True


class Handover:
    """What the worker and the gateway say when a call is over: the journal's `Trigger`."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def record(self, call_id: CallId) -> bool:
        """Record this call now. Never raises; False means that the sweeper will have to find it."""
        return await trigger(self._redis, RECORD_CALL, f"{QUEUE}:record:{call_id}", call_id)

    async def finished(self, call_id: CallId) -> None:
        """`record`, for those who have nothing to do with the answer."""
        await self.record(call_id)
