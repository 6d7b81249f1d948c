"""Listening on a port, with an error that says what to do when that fails."""

import errno
from typing import Any, Final, Self

from aiohttp import web

from callfleet.errors import PortTaken

_BACKLOG: Final = 1024  # a burst of callers arrives within one second
_CLOSE_LIMIT_S: Final = 2.0


class Site:
    """An aiohttp application on a port of its own; port 0 takes a free one."""

    def __init__(self, runner: web.AppRunner, host: str, port: int) -> None:
        self._runner = runner
        self.host = host
        self.port = port

    @classmethod
    async def open(
        cls, app: web.Application, host: str, port: int, *, knob: str, **options: Any
    ) -> Self:
        """Bind; `knob` is the variable that would choose another port; `options` are aiohttp's."""
        # Access logs are metrics' business; a handler whose client left is cancelled at once.
        ours = {"handler_cancellation": True, "shutdown_timeout": _CLOSE_LIMIT_S}
        runner = web.AppRunner(app, access_log=None, **(ours | options))
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            await runner.cleanup()
            raise _cannot_listen(error, host, port, knob) from error
        return cls(runner, host, runner.addresses[0][1])

    def url(self, scheme: str = "http", path: str = "") -> str:
        """As reached from this machine."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "", "::") else self.host  # noqa: S104 # compared, not bound
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{path}"

    async def close(self) -> None:
        """Take no more, end what runs within the limit."""
        await self._runner.cleanup()


def _cannot_listen(error: OSError, host: str, port: int, knob: str) -> PortTaken:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(f"port {port} on {host} is taken: free it, or set {knob} to another")
    why = error.strerror or type(error).__name__
    return PortTaken(f"cannot listen on {host}:{port} ({why}): set {knob} to something else")
