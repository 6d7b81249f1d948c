"""The keys a caller presses, gathered into what they meant to enter. Pure."""

from dataclasses import dataclass

PAUSE_MS = 1_500  # so long without a key ends an entry
KEYS_MAX = 32
_ENTER = "#"


@dataclass(slots=True)
class Keypad:
    _keys: str = ""

    @property
    def pressed(self) -> bool:
        """An entry is under way."""
        return bool(self._keys)

    def press(self, key: str) -> bool:
        """True when that completed the entry."""
        self._keys += key
        return key == _ENTER or len(self._keys) >= KEYS_MAX

    def take(self) -> str:
        """The entry so far; begins the next."""
        keys, self._keys = self._keys, ""
        return keys
