"""The analytics worker's composition root: recorder, scorer, consumer and sweeper on one loop."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping

from callfleet import service, telemetry
from callfleet.config import Config
from callfleet.encryption import KeyRing
from callfleet.journal import Journal
from callfleet.service import main_of, ping, redis_pool
from callfleet.settings import environment, read
from services.analytics.database import Database
from services.analytics.jobs import AgentFacts, Recorder, Scorer
from services.analytics.limits import Limits
from services.analytics.model import ScoringModel
from services.analytics.settings import AnalyticsSettings, DatabaseSettings
from services.analytics.store import Store
from services.analytics.sweeper import Sweeper
from services.analytics.triggers import Consumer, Triggers, job_functions

log = telemetry.logger(__name__)


class Analytics:
    """Records and scores ended calls until told to stop."""

    name = "analytics"

    def __init__(self, settings: AnalyticsSettings, config: Config) -> None:
        keys = KeyRing.parse(settings.encryption_keys)
        self._redis = redis_pool(settings.redis_url)
        self._database = Database(settings.database_url)
        self._model = ScoringModel(
            api_key=settings.openai_api_key,
            base_url=settings.openai_base_url,
            model=settings.scoring_model,
            successor=settings.scoring_successor,
            limit_s=settings.scoring_limit_s,
        )
        limits = Limits(settings.scoring_limit_s)
        journal = Journal(self._redis, keys)
        store = Store(self._database)
        triggers = Triggers(self._redis)
        recorder = Recorder(
            journal, store, keys, secret=settings.secret, agents=agent_facts(config)
        )
        scorer = Scorer(
            store,
            keys,
            self._model,
            attempts_max=settings.scoring_attempts,
            backoff_s=settings.scoring_backoff_s,
            limits=limits,
        )
        self._consumer = Consumer(
            job_functions(recorder, scorer, triggers),
            lambda: redis_pool(settings.redis_url),
            jobs_max=settings.jobs,
            job_timeout_s=limits.job_s,
        )
        self._sweeper = Sweeper(journal, store, recorder, triggers, every_s=settings.sweep_s)

    async def start(self) -> None:
        await self._database.migrate()
        await self._model.open()

    def addresses(self) -> Mapping[str, str]:
        return {}

    def checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"redis": lambda: ping(self._redis), "database": self._database.ping}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._consumer.run())
            group.create_task(self._sweeper.run())

    async def drain(self) -> None:
        await self._consumer.drain()

    async def stop(self) -> None:
        await self._consumer.stop()
        await self._model.close()
        await self._database.close()
        await self._redis.aclose()


def agent_facts(config: Config) -> dict[str, AgentFacts]:
    """What the rows and the jobs need to know of each agent."""
    return {
        name: AgentFacts(vertical=agent.vertical, analysed=agent.analysis.enabled)
        for name, agent in config.agents.items()
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--migrate", action="store_true", help="bring the database to this version, and leave"
    )


def run(arguments: argparse.Namespace) -> int:
    """`callfleet analytics`, as `services/cli.py` calls it."""
    return migrate() if arguments.migrate else main()


def main() -> int:
    """The worker itself."""
    return main_of("analytics", AnalyticsSettings, Analytics)


def migrate() -> int:
    """The step a deployment takes before its workers; they would take it too, one after another."""
    settings = read(DatabaseSettings, environment())
    telemetry.setup("analytics")

    async def migrating() -> int:
        database = Database(settings.database_url)
        try:
            await database.migrate()
        finally:
            await database.close()
        log.info("database migrated", dialect=database.dialect)
        return 0

    return service.run(migrating())
