"""Tells analytics that a call has ended, so that its record is there within a second.

Only a hint: the truth is the journal's finished list, which analytics sweeps. So a hint carries no
more than the call's id, takes at most two seconds, never raises, and may be lost without harm. It
is an arq job; arq would pickle its arguments by default, which lets whoever can write to Redis run
code in the worker, so both sides use the JSON encoding below.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis
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
    """arq's view of a Redis, on the connections (and with the time limits) of the one given."""
    return ArqRedis(
        redis.connection_pool,
        job_serializer=encode_job,
        job_deserializer=decode_job,
        default_queue_name=QUEUE,
        expires_extra_ms=EXPIRES_MS,
    )


async def trigger(queue: ArqRedis, job: str, job_id: str, call_id: CallId) -> bool:
    """Ask for a job; False when Redis would not take it. It may be queued already: as good."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await queue.enqueue_job(job, call_id, _job_id=job_id)
    except (RedisError, OSError, TimeoutError) as trouble:
        log.warning("job not triggered", job=job, call_id=call_id, why=telemetry.told(trouble))
        return False
    return True


class Handover:
    """What the worker and the gateway say when a call is over: the journal's `Trigger`."""

    def __init__(self, redis: "Redis") -> None:
        self._queue = job_queue(redis)

    async def record(self, call_id: CallId) -> bool:
        """Record this call now. Never raises; False means that the sweeper will have to find it."""
        return await trigger(self._queue, RECORD_CALL, f"{QUEUE}:record:{call_id}", call_id)

    async def finished(self, call_id: CallId) -> None:
        """`record`, for those who have nothing to do with the answer."""
        await self.record(call_id)
