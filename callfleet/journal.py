"""What was said and done in a call so far, kept outside the worker, sealed; and the hand-over.

A worker that dies takes no word with it: each entry goes to Redis as it happens, and who goes on
with the call reads them back. Only the newest holder of the call's slot may write: `open` records
its fencing token, and what comes with a lower one is refused (`SlotLost`).

Redis may be away, or come back without what it had acknowledged. `CallJournal` keeps the call's
entries in memory, sends what Redis lacks in order, and starts the journal anew if it is gone; each
entry has a number, so sending twice writes once.

The finished list is the truth about what is still to be recorded. A journal leaves it only by
`forget`, after the database has committed.
"""

from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from callfleet.calls import CallId, CallStart, EndReason, decode_start, encode_start
from callfleet.encryption import CallKey, KeyRing
from callfleet.errors import CallEnded, SealBroken, SlotLost
from callfleet.journal_entries import (
    CallEnd,
    CallRecord,
    Damage,
    Entry,
    Note,
    decode_end,
    decode_entry,
)
from callfleet.journal_writer import CallJournal, JournalScripts, Opened, Trigger
from callfleet.redis_scripts import Script, lua, store_faults

FINISHED: Final = "callfleet:journal:finished"
HOLE_MAX: Final = 10_000  # more missing at the end than this is a damaged count, not a hole

__all__ = ["FINISHED", "CallJournal", "Journal", "Trigger"]

MARK_KEPT_MS: Final = 3_600_000  # how long a forgotten call is still known to have ended


class Journal:
    """All journals of the fleet in one Redis. Raises `StoreFault` when Redis does not answer."""

    def __init__(
        self,
        redis: Redis,
        keys: KeyRing,
        *,
        keep_s: float = 72 * 3600,
        trigger: Trigger | None = None,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = JournalScripts(redis, keep_ms=int(keep_s * 1000), trigger=trigger)
        self._read = Script(redis, lua("journal_keys", "journal_read"), doing="journal read")
        self._forget = Script(redis, lua("journal_keys", "journal_forget"), doing="journal forget")

    async def open(self, start: CallStart, token: int) -> CallJournal:
        """Begin the call's journal, or go on with it as the holder of a newer token.

        Raises `SlotLost` when a still newer one has it, `CallEnded` when the call is over.
        """
        key, wrapped = self._keys.new_call_key(start.call_id)
        sealed = key.seal(encode_start(start), purpose="start", sequence=0)
        answer = await self._scripts.open(start.call_id, token, wrapped, sealed, 0)
        if answer[0] == b"fenced":
            raise SlotLost
        if answer[0] == b"ended":
            raise CallEnded
        opened = Opened(answer)
        if opened.wrapped != wrapped:
            key = self._keys.unwrap(start.call_id, opened.wrapped)
        log = [
            Note("unreadable", 0) if isinstance(found, Damage) else found
            for found in _entries(key, opened.sequence, opened.entries)
        ]
        return CallJournal(self._scripts, start, token, opened=opened, key=key, log=log)

    async def read(self, call_id: CallId) -> CallRecord | None:
        """All that can be read; what cannot is named in `damage`.

        Raises `SealBroken` when the start or the key itself is damaged: then nothing can be read,
        now or later; `KeyMissing` when the operator has to put a key back.
        """
        found = await self._read([], [call_id])
        if found is None:
            return None
        meta = dict(zip(found[0][::2], found[0][1::2], strict=True))
        key = self._keys.unwrap(call_id, meta.get(b"key", b""))
        start = _start(key, meta.get(b"start", b""))
        places = _entries(key, _number(meta, b"sequence"), found[1])
        entries = [each for each in places if not isinstance(each, Damage)]
        damage = [each for each in places if isinstance(each, Damage)]
        end = _end(key, len(places) + 1, meta, damage)
        return CallRecord(start, entries, end, damage, _number(meta, b"takeovers"))

    async def ended(self, call_id: CallId) -> EndReason | None:
        """How the call ended, if it did; known for an hour after `forget` too."""
        with store_faults("journal ended"):
            mark = await self._redis.get(f"callfleet:journal:{{{call_id}}}:ended")
        return None if mark is None else EndReason(mark.split(b" ", 1)[1].decode())

    async def finished(self, count: int) -> list[CallId]:
        """Calls that ended and were not forgotten yet, the oldest first."""
        with store_faults("journal finished"):
            names = await self._redis.zrange(FINISHED, 0, count - 1)
        return [CallId(name.decode()) for name in names]

    async def forget(self, call_id: CallId) -> bool:
        """Destroy the journal and its key; False if the call has not finished. After the commit."""
        return bool(await self._forget([], [call_id, MARK_KEPT_MS]))


def _number(meta: dict[bytes, bytes], name: bytes) -> int:
    """A count kept in clear; what is sealed bears it out or shows that it is wrong."""
    text = meta.get(name, b"")
    return int(text) if text.isdigit() else 0


def _start(key: CallKey, sealed: bytes) -> CallStart:
    try:
        return decode_start(key.open(sealed, purpose="start", sequence=0))
    except msgspec.DecodeError:
        raise SealBroken("the journal's start is not one") from None


def _entries(key: CallKey, count: int, stream: list[Any]) -> list[Entry | Damage]:
    """Each place in order: the entry that was written there, or the damage."""
    there = {int(name.split(b"-")[0]): fields for name, fields in stream}
    last = max(there, default=0)
    count = max(last, min(count, last + HOLE_MAX))
    return [_entry(key, sequence, there.get(sequence)) for sequence in range(1, count + 1)]


def _entry(key: CallKey, sequence: int, fields: list[bytes] | None) -> Entry | Damage:
    if fields is None:
        return Damage(sequence, "missing")
    try:
        return decode_entry(key.open(fields[1], purpose="entry", sequence=sequence))
    except (SealBroken, msgspec.DecodeError):
        return Damage(sequence, "unreadable")


def _end(
    key: CallKey, sequence: int, meta: dict[bytes, bytes], damage: list[Damage]
) -> CallEnd | None:
    """The end as sealed; if that is damaged, what stands beside it in clear still tells how."""
    if b"end" not in meta:
        return None
    try:
        return decode_end(key.open(meta[b"end"], purpose="end", sequence=sequence))
    except (SealBroken, msgspec.DecodeError):
        damage.append(Damage(sequence, "unreadable"))
    try:
        reason = EndReason(meta.get(b"reason", b"").decode())
    except ValueError:
        reason = EndReason.INTERNAL_ERROR
    return CallEnd(reason, _number(meta, b"ended_at"))
