"""What a process decides before and beside its sockets."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection

from callfleet.errors import ConfigFault, StoreFault
from callfleet.service import main_of, redis_pool
from callfleet.service_health import Health
from callfleet.service_http import Site
from callfleet.service_life import _done_before
from callfleet.service_redis import ping
from callfleet.settings import ServiceSettings

PASSWORD = "hush-hush-hush"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"rediss://user:{PASSWORD}@redis.example:6380/1", SSLConnection),
        (f"unix://user:{PASSWORD}@/run/redis.sock?db=1", UnixDomainSocketConnection),
    ],
)
def test_the_pool_takes_tls_and_unix_sockets(url: str, kind: type) -> None:
    pool = redis_pool(url).connection_pool
    assert issubclass(pool.connection_class, kind)
    assert pool.connection_kwargs["password"] == PASSWORD


def test_every_wait_on_redis_is_limited_and_the_pool_is_bounded() -> None:
    pool = redis_pool("redis://127.0.0.1:1/0").connection_pool
    limits = {key: pool.connection_kwargs[key] for key in ("socket_timeout", "db")}
    assert limits == {"socket_timeout": 2.0, "db": 0}
    assert pool.connection_kwargs["socket_connect_timeout"] == 2.0
    assert pool.connection_kwargs["health_check_interval"] == 15
    assert 0 < pool.max_connections <= 1000


@pytest.mark.parametrize("url", ["http://x:{}@h", "redis://u:{}@h:port/0", "redis://u:{}@h?db=x"])
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigFault, match="REDIS_URL") as caught:
        redis_pool(url.format(PASSWORD))
    assert PASSWORD not in f"{caught.value}{caught.value.__cause__}"


async def test_a_redis_that_is_away_is_a_store_fault_without_password() -> None:
    redis: Redis = redis_pool(f"unix://u:{PASSWORD}@/nowhere/redis.sock")
    with pytest.raises(StoreFault) as caught:
        await ping(redis)
    await redis.aclose()
    assert PASSWORD not in str(caught.value)


def test_misconfiguration_tells_every_mistake_of_environment_file_and_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("orgs: {m: {sessions: 1}}\nagents: {a: {instructions: x}}")
    monkeypatch.setenv("CALLFLEET_CONFIG", str(file))
    monkeypatch.setenv("CALLFLEET_SECRET", "short")

    def absent_keys(*_: object) -> None:
        raise ConfigFault(["OPENAI_API_KEY: is required by org m"])

    def build(*_: object) -> None:
        raise AssertionError("nothing may be built")

    code = main_of("worker", ServiceSettings, build, also=absent_keys)  # type: ignore[arg-type] # builds nothing
    assert code == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "callfleet worker: 3 mistakes in the configuration"
    assert [line.strip().split(":")[0] for line in told[1:]] == [
        "CALLFLEET_SECRET",
        "CALLFLEET_ENCRYPTION_KEYS",
        "OPENAI_API_KEY",
    ]


def test_an_address_is_told_as_this_machine_reaches_it() -> None:
    def site(host: str) -> Site:
        return Site(None, host, 80)  # type: ignore[arg-type] # nothing is bound

    assert site("0.0.0.0").url() == "http://127.0.0.1:80"
    assert site("10.1.2.3").url("ws", "/link") == "ws://10.1.2.3:80/link"
    assert site("::1").url() == "http://[::1]:80"


class Dependency:
    """Answers once it was told to."""

    def __init__(self) -> None:
        self.up = False
        self.asked = asyncio.Event()

    async def check(self) -> None:
        self.asked.set()
        if not self.up:
            raise StoreFault("it is away")


async def asked_again(dependency: Dependency) -> None:
    """Twice, so that the round in which it was asked is over and its answer is known."""
    for _ in range(2):
        dependency.asked.clear()
        await dependency.asked.wait()


async def test_readiness_waits_for_every_dependency_and_names_who_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callfleet.service_health._UNTIL_READY_S", 0)
    monkeypatch.setattr("callfleet.service_health._AFTERWARDS_S", 0)
    health, redis, database = Health("worker"), Dependency(), Dependency()
    redis.up = True
    health.started({"redis": redis.check, "database": database.check})
    assert health.report()["checks"] == {"redis": "not asked yet", "database": "not asked yet"}
    watching = asyncio.create_task(health.watch())
    await asked_again(database)
    report = health.report()
    assert (report["state"], report["failing"]) == ("starting", ["database"])
    assert report["checks"] == {"redis": "ok", "database": "StoreFault: it is away"}

    database.up = True
    await health.ready.wait()
    assert health.report()["failing"] == []

    # A dependency that goes later is named, but takes no readiness with it.
    redis.up = False
    await asked_again(redis)
    assert (health.report()["state"], health.report()["failing"]) == ("ready", ["redis"])

    health.draining()
    redis.up = True
    await asked_again(redis)
    assert (health.report()["state"], health.report()["ready"]) == ("draining", False)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_check_that_hangs_is_a_failing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callfleet.service_health.CHECK_LIMIT_S", 0.01)
    monkeypatch.setattr("callfleet.service_health._UNTIL_READY_S", 0)
    health, redis = Health("worker"), Dependency()

    async def hangs() -> None:
        redis.asked.set()
        await asyncio.Event().wait()

    health.started({"redis": hangs})
    watching = asyncio.create_task(health.watch())
    await asked_again(redis)
    assert health.report()["checks"] == {"redis": "TimeoutError"}
    assert not health.ready.is_set()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_work_is_cancelled_when_the_event_comes_first() -> None:
    event, cancelled = asyncio.Event(), []

    async def work() -> None:
        event.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    assert not await _done_before(event, work())
    assert cancelled == [True]


async def test_work_that_is_done_first_wins_and_its_failure_is_heard() -> None:
    async def fails() -> None:
        raise StoreFault("no")

    assert await _done_before(asyncio.Event(), asyncio.sleep(0))
    with pytest.raises(StoreFault):
        await _done_before(asyncio.Event(), fails())
