"""The pool of connections to Redis: every wait limited, the number of connections bounded."""

from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from callfleet.errors import ConfigFault, StoreFault
from callfleet.redis_connection import PROMPT
from callfleet.redis_sentinel import led
from callfleet.redis_url import watched

TIMEOUT_S: Final = 2.0
_CONNECTIONS_MAX: Final = 100  # a command waits at most TIMEOUT_S for one
_CHECK_INTERVAL_S: Final = 15
_RETRY_AFTER_S: Final = 0.05


def redis_pool(url: str) -> Redis:
    """Clients share it; close with `aclose()`. Takes the URLs that `redis_url` describes, and
    unix:// ones.

    One more try after a lost connection: every script of ours may run twice without harm, and a
    pool that slept through a restart of Redis would otherwise fail its first commands.
    """
    over_tcp = {} if url.startswith("unix:") else {"socket_keepalive": True}
    options: dict[str, Any] = {
        "max_connections": _CONNECTIONS_MAX,
        "timeout": TIMEOUT_S,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        **over_tcp,
        "health_check_interval": _CHECK_INTERVAL_S,
        "retry": Retry(ConstantBackoff(_RETRY_AFTER_S), 1),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError, OSError],
        "decode_responses": False,
    }
    try:
        if (primary := watched(url)) is not None:
            pool = BlockingConnectionPool(**led(primary), **options)
        else:
            pool = BlockingConnectionPool.from_url(url, **options)
            pool.connection_class = PROMPT[pool.connection_class]
    except (ValueError, TypeError):
        # The library's message quotes the URL, and the URL may hold the password.
        raise ConfigFault(
            [
                "REDIS_URL: must be redis://, rediss://, unix:// or redis+sentinel://,"
                " with valid options"
            ]
        ) from None
    return Redis.from_pool(pool)


async def ping(redis: Redis) -> None:
    """A readiness check."""
    try:
        await redis.ping()
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreFault(f"Redis did not answer ({type(error).__name__})") from error
