"""Where other machines reach this one, when nobody has told: the way out towards Redis.

A pod or a host has many addresses; the one it uses to reach the Redis that all share is on the
network they share. No packet is sent to find out.
"""

import socket
from urllib.parse import urlsplit


def own_address(redis_url: str) -> str:
    """An IP address; the loopback one when Redis is on this machine."""
    target = urlsplit(redis_url)
    if not target.hostname:
        return "127.0.0.1"  # a unix socket
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            target.hostname, target.port or 6379, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
