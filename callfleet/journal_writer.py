"""One call's journal as its holder writes it: in memory at once, in Redis as soon as it can be.

The entries stay in memory for the call's life. How many of them Redis has acknowledged is one
number; what comes after it is the spool. So Redis away, Redis restarted empty and Redis failed over
to a replica that knew less are one case: send again from where Redis stands.

When the spool is full (`SPOOL_BYTES`, `ENTRIES_MAX`) new entries are refused and counted, because
the beginning without a hole is worth more than an end without a beginning; a note `journal_gap`
takes their place as soon as there is room.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, Protocol

from redis.asyncio import Redis

from callfleet.calls import CallId, CallStart, encode_start
from callfleet.encryption import CallKey
from callfleet.errors import CallEnded, SlotLost, StoreFault
from callfleet.journal_entries import CallEnd, Entry, Note, encode_end, encode_entry
from callfleet.redis_scripts import Script, lua
from callfleet.slots_terms import Lease

SPOOL_BYTES: Final = 1 << 20
ENTRIES_MAX: Final = 20_000
BATCH: Final = 64
RETRY_AFTER_S: Final = 1.0  # after Redis failed, entries only join the spool for so long
RESTORES_MAX: Final = 3  # a Redis that loses a journal three times while it is sent is no Redis


class Trigger(Protocol):
    """Tells analytics at once that a call has ended. Never raises, is soon done, may be lost."""

    async def finished(self, call_id: CallId) -> None: ...


class Opened:
    """What Redis holds of a journal that was just opened."""

    def __init__(self, answer: list[Any]) -> None:
        self.wrapped: bytes = answer[1]
        self.start: bytes = answer[2]
        self.sequence = int(answer[3])
        self.takeovers = int(answer[4])
        self.entries: list[Any] = answer[5]


class JournalScripts:
    """The scripts that write journals."""

    def __init__(self, redis: Redis, *, keep_ms: int, trigger: Trigger | None = None) -> None:
        self.trigger = trigger
        self._keep_ms = keep_ms
        self._open = Script(redis, lua("journal_keys", "journal_open"), doing="journal open")
        self._append = Script(redis, lua("journal_keys", "journal_append"), doing="journal append")
        pieces = ("journal_keys", "roster_keys", "slots_state", "slots_rules", "journal_end")
        self._end = Script(redis, lua(*pieces), doing="journal end")

    async def open(
        self, call_id: CallId, token: int, wrapped: bytes, start: bytes, takeovers: int = 0
    ) -> list[Any]:
        args = (call_id, token, self._keep_ms, wrapped, start, takeovers)
        return list(await self._open([], args))

    async def append(
        self, call_id: CallId, token: int, first: int, sealed: list[bytes]
    ) -> list[Any]:
        return list(await self._append([], (call_id, token, self._keep_ms, first, *sealed)))

    async def end(self, call_id: CallId, token: int, *args: str | bytes | int) -> list[Any]:
        return list(await self._end([], (call_id, token, self._keep_ms, *args)))


class CallJournal:
    """The journal of one call, held under one fencing token. Not for two holders at once."""

    def __init__(
        self,
        scripts: JournalScripts,
        start: CallStart,
        token: int,
        *,
        opened: Opened,
        key: CallKey,
        log: list[Entry],
    ) -> None:
        self.start = start
        self.token = token
        self.takeovers = opened.takeovers
        self._scripts = scripts
        self._wrapped = opened.wrapped
        self._key = key
        self._log = log
        self._stored = opened.sequence  # how many of the log Redis has acknowledged
        self._spooled_bytes = 0
        self._refused = 0
        self._sending = asyncio.Lock()
        self._quiet_until = 0.0
        self._over: SlotLost | CallEnded | None = None

    @property
    def entries(self) -> list[Entry]:
        """All so far, those of earlier holders first."""
        return list(self._log)

    @property
    def unsent(self) -> int:
        """How many entries Redis does not have yet."""
        return len(self._log) - self._stored

    async def append(self, entry: Entry, *, at_once: bool = True) -> None:
        """Keep an entry, and store it if Redis answers; if not, it waits for the next one.

        What need not be stored at once waits for the next that must, for `flush` or for `end`.

        Raises `SlotLost` when somebody else has the call by now, `CallEnded` when it is over.
        """
        self._check()
        self._spool(entry)
        if at_once and asyncio.get_running_loop().time() >= self._quiet_until:
            with suppress(StoreFault):  # it is in the spool
                async with self._sending:
                    await self._send()

    async def flush(self) -> None:
        """Send what waits, and let Redis say whether it still has the rest.

        To be called now and then: every second while `unsent`, every few otherwise, so that a
        Redis that lost the journal has it back before anybody else needs it, and a holder that was
        given up learns it. Raises as `append`, and `StoreFault`.
        """
        self._check()
        async with self._sending:
            await self._send(even_nothing=True)

    async def end(self, end: CallEnd, lease: Lease | None) -> None:
        """The call is over: stored, slot released, route dropped, handed to analytics, at once.

        Raises `StoreFault` when Redis is away: ask again, as often as needed; it ends once.
        """
        assert lease is None or lease.token == self.token
        async with self._sending:
            if isinstance(self._over, CallEnded):
                return
            self._check()
            self._tell_gap(self._log[-1] if self._log else None)
            for _ in range(RESTORES_MAX):
                await self._send()
                count = len(self._log)
                sealed = self._key.seal(encode_end(end), purpose="end", sequence=count + 1)
                org = "" if lease is None else lease.org
                told = (count, sealed, end.reason, end.ended_at_ms, org)
                answer = await self._try(self._scripts.end(self.start.call_id, self.token, *told))
                if answer[0] == b"ok":
                    self._over = CallEnded()
                    break
                await self._answered(answer)
            else:
                raise StoreFault("the journal was lost again and again")
        if self._scripts.trigger is not None:
            await self._scripts.trigger.finished(self.start.call_id)

    def _check(self) -> None:
        if self._over:
            raise type(self._over)

    def _spool(self, entry: Entry) -> None:
        size = len(encode_entry(entry))
        full = self._spooled_bytes + size > SPOOL_BYTES or len(self._log) >= ENTRIES_MAX
        if full:
            self._refused += 1
            return
        self._tell_gap(entry)
        self._log.append(entry)
        self._spooled_bytes += size

    def _tell_gap(self, near: Entry | None) -> None:
        if self._refused and near is not None:
            at_ms = near.at_ms if isinstance(near, Note) else near.started_ms
            self._log.append(Note("journal_gap", at_ms, {"entries": self._refused}))
            self._refused = 0

    async def _send(self, *, even_nothing: bool = False) -> None:
        restores = 0
        while self.unsent or even_nothing:
            first = self._stored + 1
            plain = [encode_entry(entry) for entry in self._log[self._stored :][:BATCH]]
            sealed = [
                self._key.seal(text, purpose="entry", sequence=sequence)
                for sequence, text in enumerate(plain, first)
            ]
            answer = await self._try(
                self._scripts.append(self.start.call_id, self.token, first, sealed)
            )
            if answer[0] == b"ok":
                self._stored = first + len(plain) - 1
                even_nothing = False
                self._spooled_bytes = max(0, self._spooled_bytes - sum(map(len, plain)))
            else:
                restores += 1
                if restores > RESTORES_MAX:
                    raise StoreFault("the journal was lost again and again")
                await self._answered(answer)
        self._spooled_bytes = 0

    async def _answered(self, answer: list[Any]) -> None:
        """What to do about anything but `ok`."""
        match answer[0]:
            case b"gap":  # failed over to a replica that knew less
                self._stored = int(answer[1])
            case b"absent":  # Redis came back empty
                start = self._key.seal(encode_start(self.start), purpose="start", sequence=0)
                args = (self.start.call_id, self.token, self._wrapped, start, self.takeovers)
                opened = await self._try(self._scripts.open(*args))
                if opened[0] != b"ok":
                    await self._answered(opened)
                    return
                self._stored = min(int(opened[3]), len(self._log))
            case b"ended":
                self._over = CallEnded()
                raise self._over
            case _:
                self._over = SlotLost()
                raise self._over

    async def _try(self, asked: Awaitable[list[Any]]) -> list[Any]:
        try:
            answer = await asked
        except StoreFault:
            self._quiet_until = asyncio.get_running_loop().time() + RETRY_AFTER_S
            raise
        self._quiet_until = 0.0
        return answer
