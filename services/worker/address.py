"""Where other machines reach this one, when nobody has told: the way out towards Redis.

A pod or a host has many addresses; the one it uses to reach the Redis that all share is on the
network they share. No packet is sent to find out.
"""

import socket

from callfleet.redis_url import first_host


def own_address(redis_url: str) -> str:
    """An IP address; the loopback one when Redis is on this machine."""
    target = first_host(redis_url)
    if target is None:
        return "127.0.0.1"  # a unix socket
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
