"""Where log lines leave the process, without ever making a call wait.

A pipe whose reader has stalled (a full disk, a stuck collector) blocks whoever writes to it; were
that the event loop, every call of the process would fall silent. So lines go through a bounded
queue to a thread of their own. Policy when it is full: the newest lines are dropped and counted,
and the count is told as soon as there is room. Formatting stays with the caller: its context is
there.
"""

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Final, TextIO

from prometheus_client import Counter

QUEUE_LINES_MAX: Final = 5000
FLUSH_LIMIT_S: Final = 2.0

_DROPPED = Counter(
    "callfleet_process_log_lines_dropped_total",
    "Log lines lost because whoever reads them had stalled.",
)


class Outlet(logging.Handler):
    """Also flushed and closed by `logging` itself when the process ends."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._write = _writer(stream)
        self._lines: queue.Queue[str | threading.Event | None] = queue.Queue(QUEUE_LINES_MAX)
        self._dropped = 0
        threading.Thread(target=self._pass_on, name="log-lines", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # a fact that cannot be written must not end the call it is about
            line = self._formatted(logging.ERROR, "log line could not be written")
        if self._dropped and not self._lines.full():
            count, self._dropped = self._dropped, 0
            self._put(self._formatted(logging.WARNING, f"{count} log lines dropped"))
        self._put(line)

    def _formatted(self, level: int, phrase: str) -> str:
        return self.format(logging.LogRecord(__name__, level, "", 0, phrase, None, None))

    def _put(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1
            _DROPPED.inc()

    def flush(self) -> None:
        """Until everything so far is written, or the limit is reached."""
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._lines.put(written, timeout=FLUSH_LIMIT_S)
            written.wait(FLUSH_LIMIT_S)

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        super().close()

    def _pass_on(self) -> None:
        while (line := self._lines.get()) is not None:
            if isinstance(line, threading.Event):
                line.set()
                continue
            # A reader that went away for good costs its lines, nothing else.
            with contextlib.suppress(OSError, ValueError):
                self._write(line + "\n")


def _writer(stream: TextIO) -> Callable[[str], object]:
    """Past Python's own buffer: a thread stuck in it would hold its lock when the process ends."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return stream.write

    def write(text: str) -> None:
        rest = memoryview(text.encode(errors="replace"))
        while rest:
            rest = rest[os.write(number, rest) :]

    return write
