"""A worker's link in a process of its own, for tests that freeze it: `python -m ... <worker id>`.

Prints its URL when it listens. Every call is sent back what it says.
"""

import asyncio
import sys

from callfleet.link_stream import Stream
from tests.integration.link_scene import Desk, Receiver


class Echo(Receiver):
    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def on_audio(self, audio: bytes) -> None:
        self._stream.send_audio(audio)


async def main() -> None:
    desk = Desk(worker_id=sys.argv[1])
    desk.make = Echo
    async with desk.open():
        print(desk.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until the test lets go


if __name__ == "__main__":
    asyncio.run(main())
