"""Judges Realtime events by the `openai` package's own types, strictly: no unknown key.

Used on both sides of the wire: what the simulator emits, and what the worker sends. The unions are
wrapped with their discriminator, which makes the failure name the branch that was meant.
"""

import json
from typing import Annotated, Any

from openai.types.realtime import (
    RealtimeClientEvent,
    RealtimeServerEvent,
    RealtimeSessionCreateResponse,
)
from pydantic import Field, TypeAdapter, ValidationError

_CLIENT: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")])
_SERVER: TypeAdapter[Any] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])
_SESSION: TypeAdapter[Any] = TypeAdapter(RealtimeSessionCreateResponse)
_ENVELOPE = {"type", "event_id", "session"}


class Nonconforming(AssertionError):
    """An event the official types do not know, with the event."""


def check_client_event(obj: dict[str, Any]) -> None:
    """Raises unless the official client's types allow exactly this event.

    References to items in the input of a `response.create` exist only as a TypedDict there, which
    checks nothing; they are left out and the rest is checked.
    """
    given = obj.get("response") or {}
    if obj["type"] == "response.create" and "input" in given:
        kept = [item for item in given["input"] if item.get("type") != "item_reference"]
        obj = {**obj, "response": {**given, "input": kept}}
    _validate(_CLIENT, obj, obj)


def check_server_event(obj: dict[str, Any]) -> None:
    """Raises unless the official types know exactly this event.

    The union types `session` as the request's model, which has no id; so the session is checked
    against the response's model instead.
    """
    if obj["type"] in ("session.created", "session.updated"):
        if set(obj) != _ENVELOPE or not isinstance(obj["event_id"], str):
            raise Nonconforming(f"{obj['type']} has the keys {sorted(obj)}")
        _validate(_SESSION, obj["session"], obj)
        return
    _validate(_SERVER, obj, obj)


class Recorder:
    """An observer for `RealtimeSimulator(observer=...)`: checks all, keeps what was wrong."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.wrong: list[str] = []

    def __call__(self, side: str, session_id: str, data: bytes | str) -> None:
        event = json.loads(data)
        self.events.append((side, event))
        try:
            (check_client_event if side == "client" else check_server_event)(event)
        except Nonconforming as nonconforming:
            self.wrong.append(str(nonconforming))

    def types(self, side: str) -> set[str]:
        return {event["type"] for each, event in self.events if each == side}

    def assert_conforming(self) -> None:
        assert self.events, "nothing was observed"
        assert not self.wrong, "\n".join(self.wrong)


def _validate(adapter: TypeAdapter[Any], value: Any, event: dict[str, Any]) -> None:
    try:
        adapter.validate_json(json.dumps(value), extra="forbid", strict=True)
    except ValidationError as error:
        raise Nonconforming(f"{error}\nin {json.dumps(event)[:2000]}") from None
