"""What every mapping of callfleet.yaml has in common. Pure."""

from typing import Annotated, Final

from msgspec import Meta, Struct

FILLED_IN: Final = {"filled_in": True}  # a field that is the entry's own key, never written twice

Filled = Annotated[str, Meta(extra=FILLED_IN)]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mapping in the file: immutable once read, and no key is silently ignored."""
