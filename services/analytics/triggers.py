"""arq as a trigger: who runs `record_call` and `score_call`, and how that survives a lost Redis.

What arq does by itself, and what is done about it here: a plain exception is never retried (ours
are caught and written to the row); an exception in a hook ends the worker (there are none); a
worker that loses Redis ends (`Consumer` starts it again, with growing pauses); a job of a killed
worker waits for one timeout shared by all jobs (so there is one, and it is short); results are kept
and block their ids (they are not kept); `Worker.close` cancels what runs and raises (so it is not
used). The sweeper finds whatever this loses.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from arq.connections import ArqRedis
from arq.worker import Worker, func
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callfleet import telemetry
from callfleet.calls import CallId, is_call_id
from callfleet.handover import QUEUE, RECORD_CALL, decode_job, encode_job, job_queue, trigger
from services.analytics import metrics
from services.analytics.jobs import Recorder, Scorer, counted
from services.analytics.metrics import Job, Outcome

SCORE_CALL: Final = "score_call"
POLL_S: Final = 1.0  # nobody waits for a score, and Redis is asked this often for ever
RESTART_FIRST_S: Final = 0.25
RESTART_MAX_S: Final = 5.0
STOP_LIMIT_S: Final = 4.0
LEAVE_LIMIT_S: Final = 1.0
BACKSTOP_TRIES: Final = 1_000  # attempts are counted in the row; arq only must not give up first

log = telemetry.logger(__name__)
JobFunction = Callable[..., Awaitable[str]]


class Triggers:
    """Asks for jobs."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def record(self, call_id: CallId) -> bool:
        return await self._trigger(Job.RECORD, RECORD_CALL, f"record:{call_id}", call_id)

    async def score(self, call_id: CallId, attempts: int) -> bool:
        # The attempt is in the id: what is left of an attempt that was killed cannot block the next
        name = f"score:{call_id}:{attempts}"
        return await self._trigger(Job.SCORE, SCORE_CALL, name, call_id)

    async def _trigger(self, kind: Job, job: str, name: str, call_id: CallId) -> bool:
        done = await trigger(self._redis, job, f"{QUEUE}:{name}", call_id)
        if not done:
            metrics.trigger_failed(kind)
        return done


def job_functions(recorder: Recorder, scorer: Scorer, triggers: Triggers) -> dict[str, JobFunction]:
    """The jobs by name, as arq calls them: a context, then what the trigger's JSON said."""

    async def record_call(_context: dict[Any, Any], call_id: str) -> str:
        if not is_call_id(call_id):
            return Outcome.REPEATED
        with telemetry.bind_call(call_id):
            outcome = await counted(Job.RECORD, recorder.record(CallId(call_id)))
            if outcome is not Outcome.FAILED:
                await triggers.score(CallId(call_id), 0)
        return outcome

    async def score_call(_context: dict[Any, Any], call_id: str) -> str:
        if not is_call_id(call_id):
            return Outcome.REPEATED
        with telemetry.bind_call(call_id):
            return await counted(Job.SCORE, scorer.score(CallId(call_id)))

    return {RECORD_CALL: record_call, SCORE_CALL: score_call}


class Consumer:
    """Takes jobs from the queue and runs them, until told to drain; a lost Redis only pauses it."""

    def __init__(
        self,
        functions: dict[str, JobFunction],
        pool: Callable[[], "Redis"],
        *,
        jobs_max: int,
        job_timeout_s: float,
        poll_s: float = POLL_S,
    ) -> None:
        self._functions = functions
        self._pool = pool
        self._jobs_max = jobs_max
        self._job_timeout_s = job_timeout_s
        self._poll_s = poll_s
        self._worker: Worker | None = None
        self._main: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[Any]] = set()  # jobs of workers that ended before them
        self._closing: set[asyncio.Task[None]] = set()
        self._draining = False
        logging.getLogger("arq").setLevel(logging.ERROR)  # it logs two lines per job

    async def run(self) -> None:
        """Until drained or cancelled; whatever else ends arq's worker only makes it start again."""
        pause_s = RESTART_FIRST_S
        while not self._draining:
            redis = self._pool()
            worker = self._worker = self._new_worker(job_queue(redis))
            started_s = time.monotonic()
            main = self._main = asyncio.create_task(worker.main())
            try:
                await asyncio.wait({main})
            finally:
                try:
                    await _ended(worker, main)
                finally:
                    self._adopt_running_jobs(worker, redis)
            if (error := None if main.cancelled() else main.exception()) is not None:
                metrics.consumer_restarted()
                log.warning("job consumer starts again", why=telemetry.told(error))
                if time.monotonic() - started_s > RESTART_MAX_S:
                    pause_s = RESTART_FIRST_S
                await asyncio.sleep(pause_s)
                pause_s = min(RESTART_MAX_S, pause_s * 2)

    async def drain(self) -> None:
        """Take no more jobs; return when those running are done."""
        self._draining = True
        if self._worker is not None and self._main is not None:
            _take_no_more(self._worker)
            await asyncio.wait({self._main})
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    async def stop(self) -> None:
        """Cut running jobs short: they give their claims back, and arq runs them again."""
        self._draining = True
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await _finished(tasks, STOP_LIMIT_S)
        await _finished(set(self._closing), STOP_LIMIT_S)

    def _tasks(self) -> set[asyncio.Task[Any]]:
        current = set(self._worker.tasks.values()) if self._worker else set()
        return {task for task in current | self._running if not task.done()}

    def _new_worker(self, queue: ArqRedis) -> Worker:
        functions = [
            func(function, name=name)  # type: ignore[arg-type] # its Protocol wants __qualname__
            for name, function in self._functions.items()
        ]
        return Worker(
            functions,
            redis_pool=queue,
            queue_name=QUEUE,
            handle_signals=False,
            max_jobs=max(1, self._jobs_max - len(self._running)),
            job_timeout=self._job_timeout_s,
            keep_result=0,
            max_tries=BACKSTOP_TRIES,
            poll_delay=self._poll_s,
            queue_read_limit=max(1_000, 10 * self._jobs_max),
            health_check_interval=10,
            job_serializer=encode_job,
            job_deserializer=decode_job,
            log_results=False,
        )

    def _adopt_running_jobs(self, worker: Worker, redis: "Redis") -> None:
        """A worker ended; its jobs go on. The connections go when the last of them is done."""
        self._worker = None
        tasks = {task for task in worker.tasks.values() if not task.done()}
        self._running |= tasks
        for task in tasks:
            task.add_done_callback(self._forget)
        closing = asyncio.create_task(_close_after(redis, tasks))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its call's row is written; only arq's own bookkeeping failed, and will run it again.
            log.debug("job bookkeeping failed", why=telemetry.told(error))


def _take_no_more(worker: Worker) -> None:
    """arq's own way to leave after the present look at the queue, once running jobs are done."""
    worker.burst = True
    worker.max_burst_jobs = 0


async def _ended(worker: Worker, main: asyncio.Task[None]) -> None:
    """Let it leave by itself: cancelled in the middle of a look, it would leak its connection."""
    if main.done():
        return
    _take_no_more(worker)
    try:
        await asyncio.wait({main}, timeout=LEAVE_LIMIT_S)
    finally:
        main.cancel()  # if it still waits for its jobs, it takes them along
        await asyncio.wait({main})


async def _close_after(redis: "Redis", tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks)
    with contextlib.suppress(RedisError, OSError):
        await redis.aclose(close_connection_pool=True)


async def _finished(tasks: set[asyncio.Task[Any]], limit_s: float) -> None:
    if not tasks:
        return
    _, left = await asyncio.wait(tasks, timeout=limit_s)
    if left:
        log.warning("jobs left running", jobs=len(left))
