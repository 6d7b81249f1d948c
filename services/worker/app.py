"""The worker: composition root. Everything is made here, handed on, and closed in reverse.

A worker takes calls that gateways bring over links, up to its capacity, and tells the fleet every
second that it lives and which calls it has. Draining, it says so and takes no more; what still
talks when it must stop is ended as `drained`.
"""

import asyncio
import gc
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from callfleet import link, slots_metrics, telemetry
from callfleet.audio import FORMATS, AudioFormat
from callfleet.calls import CallId, CallStart
from callfleet.config import Agent, Config
from callfleet.encryption import KeyRing
from callfleet.errors import NoWorker, StoreFault
from callfleet.handover import Handover
from callfleet.journal import Journal
from callfleet.link_server import LinkServer
from callfleet.link_stream import Stream, StreamReceiver
from callfleet.roster import ANNOUNCE_EVERY_S, Roster, WorkerCard
from callfleet.service import Site, main_of, ping, redis_pool, version
from callfleet.settings import environment
from callfleet.slots import OrgLimits, Slots
from callfleet.slots_keeper import SlotKeeper
from services.worker import metrics
from services.worker.account import Account, SessionAccount
from services.worker.address import own_address
from services.worker.call import Call
from services.worker.endpoint import Endpoint
from services.worker.leases import BeatLog, Leases
from services.worker.ports import Ports
from services.worker.realtime import Session
from services.worker.settings import WorkerSettings, api_keys

STOP_LIMIT_S: Final = 5.0
COUNT_EVERY: Final = 5  # announcements
_ANYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 # compared, not bound

log = telemetry.logger(__name__)


class Worker:
    """A `callfleet.service.RunningService`."""

    name = "worker"

    def __init__(
        self, settings: WorkerSettings, config: Config, api_keys: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._config = config
        self._endpoints = {
            org: Endpoint(settings.realtime_url, key) for org, key in api_keys.items()
        }
        self._calls: dict[CallId, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._shares = any(org.redis_away == "share" for org in config.orgs.values())
        self._idle = asyncio.Event()
        self._idle.set()
        self._redis = redis_pool(settings.redis_url)
        self._roster = Roster(self._redis)
        self._slots = Slots(self._redis)
        self._slots.timed = metrics.slot_script
        self._keeper = SlotKeeper(
            self._slots, self._redis, settings.worker_id, config.orgs, beaten=BeatLog()
        )
        self._leases = Leases(self._slots, self._keeper, config)
        self._accounts = {
            name: Account(
                name, self._slots, self._keeper, counts_tokens=org.tokens_per_minute is not None
            )
            for name, org in config.orgs.items()
        }
        self._links = LinkServer(settings.secret, settings.worker_id, self.take)
        self._site: Site | None = None
        self._url = ""
        self._ports = Ports(
            worker_id=settings.worker_id,
            leases=self._leases,
            journals=Journal(self._redis, KeyRing.parse(settings.encryption_keys)),
            routes=self._roster,
            trigger=Handover(self._redis),
            session=self._session,
            wall_ms=lambda: int(time.time() * 1000),
        )

    # The life of the process ---------------------------------------------------------------------

    async def start(self) -> None:
        metrics.capacity(self._settings.slots)
        for name, org in self._config.orgs.items():
            await self._slots.configure(name, OrgLimits.of(org, self._config.agents.values()))
        routes = web.Application()
        routes.router.add_get(link.PATH, self._links.handle)
        self._site = await Site.open(
            routes, self._settings.host, self._settings.port, knob="CALLFLEET_WORKER_PORT"
        )
        self._url = self._reached_at(self._site)
        # What exists now lives as long as the process: the collector need not look at it again. And
        # it need not look often: frames come and go by the thousand and make no cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)

    def addresses(self) -> Mapping[str, str]:
        return {"link_url": self._url, "worker_id": self._settings.worker_id}

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"redis": lambda: ping(self._redis)}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._keeper.run())
            for account in self._accounts.values():
                loops.create_task(account.run())
            loops.create_task(slots_metrics.watch(self._slots, agents_of(self._config)))
            loops.create_task(self._announce())

    async def drain(self) -> None:
        self._draining = True
        await self._say_alive()
        log.info("waiting for calls", calls=self._live)
        await self._idle.wait()

    async def stop(self) -> None:
        self._draining = True
        for call in list(self._calls.values()):
            call.leave()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_LIMIT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._links.stop()
        if self._site is not None:
            await self._site.close()
        try:
            await self._roster.withdraw(self._settings.worker_id)
        except StoreFault as fault:
            log.warning("left in the roster until it lapses", why=str(fault))
        await self._redis.aclose()

    # Calls ---------------------------------------------------------------------------------------

    def take(self, start: CallStart, stream: Stream) -> StreamReceiver:
        """A gateway brings a call: it is ours from now on, or `NoWorker`."""
        agent = self._agent_of(start)
        before = self._calls.pop(start.call_id, None)
        if before is not None:
            before.talk.fence()  # the same call comes anew: its earlier leg is gone
        call = Call(start, agent, stream, self._ports)
        self._calls[start.call_id] = call
        task = asyncio.create_task(call.live())
        self._tasks.add(task)
        self._idle.clear()
        task.add_done_callback(lambda done: self._gone(call, done))
        metrics.call_taken(self._live)
        return call.talk

    def _agent_of(self, start: CallStart) -> Agent:
        agent = self._config.agents.get(start.agent)
        if self._draining:
            metrics.call_refused("draining")
            raise NoWorker("the worker is draining")
        if self._live >= self._settings.slots:
            metrics.call_refused("full")
            raise NoWorker("the worker is full")
        if agent is None or agent.org != start.org or start.audio not in FORMATS:
            metrics.call_refused("unknown_agent")
            log.warning("call refused", call_id=start.call_id, agent=start.agent, org=start.org)
            raise NoWorker("the worker has no such agent")
        return agent

    def _gone(self, call: Call, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._calls.get(call.start.call_id) is call:
            del self._calls[call.start.call_id]
        metrics.call_gone(self._live)
        metrics.audio_passed(*call.talk.report.take_audio())
        if not self._tasks:
            self._idle.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("call failed", call_id=call.start.call_id, error=telemetry.told(error))

    @property
    def _live(self) -> int:
        """Calls that take room; one whose end waits for Redis takes none."""
        return sum(not call.talk.over.is_set() for call in self._calls.values())

    def _session(self, agent: Agent, settings: dict[str, Any], fmt: AudioFormat) -> Session:
        return Session(
            self._endpoints[agent.org],
            model=agent.model,
            settings=settings,
            fmt=fmt,
            account=SessionAccount(self._accounts[agent.org]),
        )

    # The roster ----------------------------------------------------------------------------------

    async def _announce(self) -> None:
        for turn in itertools.count():
            await self._say_alive()
            if self._shares and turn % COUNT_EVERY == 0:
                await self._count_workers()
            for call in list(self._calls.values()):
                call.talk.look()
                metrics.audio_passed(*call.talk.report.take_audio())
            await asyncio.sleep(ANNOUNCE_EVERY_S)

    async def _say_alive(self) -> None:
        calls = [call_id for call_id, call in self._calls.items() if not call.talk.over.is_set()]
        card = WorkerCard(
            worker_id=self._settings.worker_id,
            url=self._url,
            capacity=self._settings.slots,
            live=len(calls),
            draining=self._draining,
            version=version(),
        )
        try:
            elsewhere = await self._roster.announce(card, calls)
        except StoreFault as fault:
            log.warning("not announced", why=str(fault))
            return
        for call_id in elsewhere:
            if (call := self._calls.get(call_id)) is not None:
                call.talk.fence()

    async def _count_workers(self) -> None:
        """For the day Redis is away: how many share the limit."""
        with suppress(StoreFault):  # then the last count holds
            self._leases.workers = max(1, len(await self._roster.workers()))

    def _reached_at(self, site: Site) -> str:
        """What gateways dial."""
        if self._settings.url:
            return self._settings.url
        if self._settings.host not in _ANYWHERE:
            return site.url("ws", link.PATH)
        host = own_address(self._settings.redis_url)
        return f"ws://{f'[{host}]' if ':' in host else host}:{site.port}{link.PATH}"


def agents_of(config: Config) -> dict[str, frozenset[str]]:
    """Who uses an org's slots."""
    agents = config.agents.values()
    return {org: frozenset(a.name for a in agents if a.org == org) for org in config.orgs}


def main() -> int:
    """`callfleet worker`."""

    def build(settings: WorkerSettings, config: Config) -> Worker:
        return Worker(settings, config, api_keys(config, environment()))

    return main_of("worker", WorkerSettings, build, also=api_keys)
