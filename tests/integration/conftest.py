"""What integration tests share: one real Redis per run, empty at the start of each test."""

from collections.abc import Iterator

import pytest

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
