"""The product's scripts with two screws turned: the clock and the server's run come from keys.

Production has no such switch; the text of the scripts is changed here, in the test, so that time
can be moved by hand and a failover played by putting yesterday's keys back.
"""

from typing import Any

from redis.asyncio import Redis

from callfleet import slots as production
from callfleet.redis_scripts import Script, lua
from callfleet.slots import Slots, slot_keys

CLOCK, RUN = "test:clock", "test:run"
_TIME = "redis.call('TIME')"
_INFO = "redis.call('INFO', 'server')"


class ClockworkSlots(Slots):
    """`Slots` whose scripts read `test:clock` (ms) and `test:run`."""

    def __init__(self, redis: "Redis", **times: float) -> None:
        super().__init__(redis, **times)
        for name in production._SCRIPTS:
            text = lua("slots_state", "slots_rules", f"slots_{name}")
            assert _TIME in text and _INFO in text
            text = text.replace(
                _TIME,
                f"(function() local t = tonumber(redis.call('GET', '{CLOCK}')) "
                "return { math.floor(t / 1000), t % 1000 * 1000 } end)()",
            ).replace(_INFO, f"'run_id:' .. redis.call('GET', '{RUN}')")
            self._scripts[name] = Script(redis, text, doing=f"slots {name}")


class Photograph:
    """An org's keys at one moment: what a replica knew when its primary died."""

    def __init__(self, org: str, dumps: dict[str, bytes]) -> None:
        self._org = org
        self._dumps = dumps

    @classmethod
    async def take(cls, redis: "Redis", org: str) -> "Photograph":
        dumps: dict[str, Any] = {key: await redis.dump(key) for key in slot_keys(org)}
        return cls(org, {key: dump for key, dump in dumps.items() if dump is not None})

    async def put_back(self, redis: "Redis") -> None:
        await redis.delete(*slot_keys(self._org))
        for key, dump in self._dumps.items():
            await redis.restore(key, 0, dump)
