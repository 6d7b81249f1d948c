"""One process from its first signal handler to its exit code; see `callfleet/service.py`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from importlib import metadata
from typing import Any, Final, Protocol, runtime_checkable

from callfleet import service_metrics, telemetry
from callfleet.errors import CallfleetError
from callfleet.service_health import Health
from callfleet.service_http import Site
from callfleet.settings import ServiceSettings, shown

OK: Final = 0
FAILED: Final = 1
START_LIMIT_S: Final = 900.0  # a migration of a large table is the slowest start there is
STOP_LIMIT_S: Final = 10.0

log = telemetry.logger(__name__)


class Service(Protocol):
    """What `serve` needs of a service."""

    @property
    def name(self) -> str: ...

    async def start(self) -> None:
        """Bind and connect; what is raised ends the process with one line."""

    def addresses(self) -> Mapping[str, str]:
        """After `start`: what was bound, for the `ready` line (`public_url`, `link_url` ...)."""
        ...

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Dependencies by name; each check raises when its dependency does not answer."""
        ...

    async def drain(self) -> None:
        """Take nothing new; return when idle. Cancelled at the deadline or by a second signal."""

    async def stop(self) -> None:
        """Close everything now; also called after a `start` that failed half-way."""


@runtime_checkable
class RunningService(Protocol):
    """A service with loops of its own."""

    async def run(self) -> None:
        """Started after `start`, runs on while draining, cancelled before `stop`."""


def version() -> str:
    """Of the installed package; "dev" from a bare checkout."""
    try:
        return metadata.version("callfleet")
    except metadata.PackageNotFoundError:
        return "dev"


async def serve(service: Service, settings: ServiceSettings) -> int:
    """Live one life; returns the exit code."""
    signals = _Signals()
    with signals.listening():
        try:
            return await _Life(service, settings, signals).live()
        finally:
            await telemetry.stop()


class _Signals:
    """The first means drain, the second stop."""

    def __init__(self) -> None:
        self.drain = asyncio.Event()
        self.stop = asyncio.Event()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._came, number)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _came(self, number: signal.Signals) -> None:
        (self.stop if self.drain.is_set() else self.drain).set()
        log.info("signal", signal=number.name, means="stop" if self.stop.is_set() else "drain")


class _Life:
    def __init__(self, service: Service, settings: ServiceSettings, signals: _Signals) -> None:
        self._service = service
        self._settings = settings
        self._signals = signals
        self._health = Health(service.name)

    async def live(self) -> int:
        settings = self._settings
        service_metrics.process_started(self._service.name, version())
        log.info("starting", version=version(), settings=shown(settings))
        try:
            private = await Site.open(
                self._health.app(),
                settings.private_host,
                settings.private_port,
                knob="CALLFLEET_PRIVATE_PORT",
            )
        except CallfleetError as error:
            return self._failed("cannot start", error)
        lag = asyncio.create_task(service_metrics.watch_loop_lag())
        try:
            return await self._begin_to_end(private)
        finally:
            await _end(lag)
            await private.close()

    async def _begin_to_end(self, private: Site) -> int:
        """Every way through ends in `stop`; the worst that happened decides the exit code."""
        code, doing = OK, "cannot start"
        try:
            async with asyncio.timeout(START_LIMIT_S):
                begun = await _done_before(self._signals.drain, self._service.start())
            doing = "failed"
            if begun:
                await self._serve_until_asked(private)
        except Exception as error:  # the root of the process: told once, the exit code says it too
            code = self._failed(doing, error)
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._service.stop()
        except Exception as error:
            code = self._failed("did not stop cleanly", error)
        log.info("stopped", exit_code=code)
        return code

    async def _serve_until_asked(self, private: Site) -> None:
        addresses = {"private_url": private.url(), **self._service.addresses()}
        log.info("listening", **addresses)
        self._health.started(self._service.checks())
        background = asyncio.create_task(self._background(addresses))
        asked = asyncio.create_task(self._signals.drain.wait())
        try:
            await asyncio.wait({background, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not background.done():
                await self._drain()
            if background.done():  # only by failing, before the drain or during it
                await background
        finally:
            await _end(background, asked)

    async def _background(self, addresses: Mapping[str, str]) -> None:
        """What runs beside the calls; never returns, fails when the service's own loops do."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._health.watch())
            group.create_task(self._tell_when_ready(addresses))
            if isinstance(self._service, RunningService):
                group.create_task(self._service.run())

    async def _tell_when_ready(self, addresses: Mapping[str, str]) -> None:
        """Whoever started us with port 0 reads the addresses from this line."""
        await self._health.ready.wait()
        log.info("ready", **addresses)

    async def _drain(self) -> None:
        limit_s = self._settings.drain_timeout_s
        self._health.draining()
        log.info("draining", limit_s=limit_s)
        try:
            async with asyncio.timeout(limit_s):
                idle = await _done_before(self._signals.stop, self._service.drain())
        except TimeoutError:
            log.warning("drain deadline passed", limit_s=limit_s)
            return
        log.info("drained" if idle else "drain cut short")

    def _failed(self, phrase: str, error: BaseException) -> int:
        """What somebody can act on is one line; what nobody foresaw keeps its traceback."""
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, CallfleetError):
            sys.stderr.write(f"callfleet {self._service.name}: {phrase}: {error}\n")
        else:
            log.exception(phrase, cause=error)
        return FAILED


async def _done_before(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """True when the work was done; False when the event came first and the work was cancelled."""
    task, waiter = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            return False
        await task
        return True
    finally:
        await _end(task, waiter)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
