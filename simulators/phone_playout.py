"""What the carrier has been sent and has not yet played: the buffer between a fast application and
a slow ear.

The application may send minutes of speech in a second; the caller hears 20 ms every 20 ms. A mark
is due when all that was queued before it has been heard, or at once when `clear` throws that audio
away. Twilio holds ten minutes and discards what does not fit (31931).
"""

from collections import deque

FRAME_MS = 20
BYTES_PER_MS = 8
FRAME_BYTES = FRAME_MS * BYTES_PER_MS
SILENCE = b"\xff" * FRAME_BYTES
LIMIT_MS = 10 * 60 * 1000


class Playout:
    """Audio and marks in the order they came; played frame by frame by whoever owns the clock."""

    def __init__(self, limit_ms: int = LIMIT_MS) -> None:
        self._queue: deque[bytes | str] = deque()
        self._offset = 0  # bytes of the first chunk that have been played
        self._queued_bytes = 0
        self._due: list[str] = []  # marks whose audio is in the frame now in the ear
        self._limit_bytes = limit_ms * BYTES_PER_MS

    @property
    def queued_ms(self) -> int:
        return self._queued_bytes // BYTES_PER_MS

    def add(self, audio: bytes) -> bool:
        """Queue audio; False if the buffer is full and it was discarded."""
        if self._queued_bytes + len(audio) > self._limit_bytes:
            return False
        self._queue.append(audio)
        self._queued_bytes += len(audio)
        return True

    def mark(self, name: str) -> None:
        self._queue.append(name)

    def clear(self) -> tuple[list[str], int]:
        """Throw away what is queued: (the marks that are thereby due, the milliseconds dropped)."""
        marks = self._due + [item for item in self._queue if isinstance(item, str)]
        dropped_ms = self.queued_ms
        self._queue.clear()
        self._due = []
        self._offset = self._queued_bytes = 0
        return marks, dropped_ms

    def play(self) -> tuple[bytes, list[str]]:
        """The next 20 ms for the ear, and the marks whose audio the ear has by now."""
        marks, self._due = self._due, []
        queue = self._queue
        while queue and isinstance(queue[0], str):
            marks.append(str(queue.popleft()))
        if not queue:
            return SILENCE, marks
        frame = b""
        while queue and len(frame) < FRAME_BYTES:
            head = queue[0]
            if isinstance(head, str):
                self._due.append(head)
                queue.popleft()
                continue
            piece = head[self._offset : self._offset + FRAME_BYTES - len(frame)]
            frame += piece
            self._offset += len(piece)
            if self._offset == len(head):
                queue.popleft()
                self._offset = 0
        self._queued_bytes -= len(frame)
        return frame.ljust(FRAME_BYTES, b"\xff"), marks
