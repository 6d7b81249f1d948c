"""The gateway's links: a stream to the worker that the roster named."""

from callfleet.calls import CallStart
from callfleet.link_dialler import LinkDialler
from callfleet.link_stream import Stream, StreamReceiver
from callfleet.roster import Route
from services.gateway import metrics


class Links:
    """One connection per worker, for all calls of this gateway."""

    def __init__(self, secret: str) -> None:
        self._dialler = LinkDialler(secret)
        metrics.links.watch(self._dialler)

    async def open(
        self, route: Route, start: CallStart, receiver: StreamReceiver, *, patience_s: float
    ) -> Stream:
        """The call's stream, taken. Raises LinkFault, NoWorker, AtCapacity or CallEnded."""
        return await self._dialler.open(
            route.worker_id, route.url, start, receiver, answer_limit_s=patience_s
        )

    async def stop(self) -> None:
        metrics.links.forget(self._dialler)
        await self._dialler.stop()
