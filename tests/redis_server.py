"""The real redis-server of the tests; it lives with the simulators, whose fleets use it too."""

from simulators.redis_server import RedisServer, executable, free_port

__all__ = ["RedisServer", "executable", "free_port"]
