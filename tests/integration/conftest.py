"""What integration tests share: one real Redis and PostgreSQL per run, empty for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(_redis_server: RedisServer) -> str:
    """The URL of a real, empty redis-server. Do not kill it: others follow; start your own."""
    client = _redis_server.client()
    client.flushall()
    client.close()
    return _redis_server.url


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer.fresh() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind. Do not stop its server: others follow; start your own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'callfleet.db'}"
    server: PostgresServer = request.getfixturevalue("_postgres_server")
    return server.new_database()
