"""A primary, its replica and three Sentinels, all real: to fail over at will."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from tests.redis_server import RedisServer

NAME = "callfleet"
DOWN_AFTER_MS = 1000
_READY_LIMIT_S = 30.0


class Watched:
    """What `REDIS_URL=redis+sentinel://...` leads to."""

    def __init__(
        self, primary: RedisServer, replica: RedisServer, sentinels: list[RedisServer]
    ) -> None:
        self.primary = primary
        self.replica = replica
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{nodes}/{NAME}"

    def freeze_replication(self) -> None:
        """Stopping the replica is not enough: its socket would go on taking what is written."""
        self.replica.freeze()
        with contextlib.closing(self.primary.client()) as client:
            client.client_kill_filter(_type="slave")

    def fail_over(self) -> None:
        """The primary dies; the replica is promoted with what it knows."""
        self.primary.kill()
        self.replica.thaw()

    def hand_over(self) -> None:
        """As for maintenance: the replica is promoted, the living primary demoted."""
        with contextlib.closing(self.sentinels[0].client()) as client:
            client.execute_command("SENTINEL", "FAILOVER", NAME)

    def until_replicated(self) -> None:
        with contextlib.closing(self.primary.client()) as client:
            client.execute_command("WAIT", 1, 2000)


@contextlib.contextmanager
def watched_redis() -> Iterator[Watched]:
    """Up, synchronised, and known to each Sentinel."""
    with contextlib.ExitStack() as stack:
        options = {"repl-diskless-sync-delay": "0"}  # else the first sync alone takes five seconds
        primary = stack.enter_context(RedisServer(options=options))
        replica = RedisServer(options=options)
        stack.callback(replica.close)
        replica.start()
        with contextlib.closing(replica.client()) as joining:
            joining.replicaof("127.0.0.1", primary.port)
            _until(lambda: joining.info("replication")["master_link_status"] == "up")
        watching = {
            f"sentinel monitor {NAME}": f"127.0.0.1 {primary.port} 2",
            f"sentinel down-after-milliseconds {NAME}": str(DOWN_AFTER_MS),
            f"sentinel failover-timeout {NAME}": "5000",
        }
        sentinels = [
            stack.enter_context(RedisServer(sentinel=True, options=watching)) for _ in range(3)
        ]
        for sentinel in sentinels:
            with contextlib.closing(sentinel.client()) as client:
                _until(lambda client=client: _knows_all(client))
        yield Watched(primary, replica, sentinels)


def _knows_all(client: Any) -> bool:
    state = client.sentinel_master(NAME)
    return bool((state["num-slaves"], state["num-other-sentinels"]) == (1, 2))


def _until(seen: Any) -> None:
    deadline = time.monotonic() + _READY_LIMIT_S
    while not seen():
        assert time.monotonic() < deadline, "the Sentinels do not agree"
        time.sleep(0.05)
