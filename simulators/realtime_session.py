"""One Realtime session: what it is told, what it remembers, and everything it sends.

The socket is somebody else's: a session is given a `Wire`. Its tasks, the response that speaks and
transcripts that come late, are its own and end with it.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from simulators.realtime_checks import Refusal
from simulators.realtime_dialogue import Dialogue
from simulators.realtime_event_rules import check_event
from simulators.realtime_faults import CLOSES, Close, Fault
from simulators.realtime_settings import Settings
from simulators.realtime_turns import Turns
from simulators.realtime_world import Wire, World

Handler = Callable[[dict[str, Any]], Awaitable[None]]


class Session:
    def __init__(self, world: World, wire: Wire, *, model: str, number: int, expires_at: int):
        self.world = world
        self.model = model
        self._wire = wire
        self._mark = f"{world.random.getrandbits(40):010x}{number:x}"
        self._ids = 0
        self.id = f"sess_{self._mark}"
        self.settings = Settings(self.id, model, expires_at)
        self.turns = Turns(self)
        self.dialogue = dialogue = Dialogue(self, f"conv_{self._mark}")
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_spoken = False
        self._stalled = False
        self._handlers: dict[str, Handler] = {
            "session.update": self._update,
            "input_audio_buffer.append": self.turns.append,
            "input_audio_buffer.commit": self.turns.commit,
            "input_audio_buffer.clear": self.turns.clear,
            "output_audio_buffer.clear": self._only_webrtc,
            "conversation.item.create": dialogue.create_item,
            "conversation.item.delete": dialogue.delete_item,
            "conversation.item.retrieve": dialogue.retrieve_item,
            "conversation.item.truncate": dialogue.truncate_item,
            "response.create": dialogue.create_response,
            "response.cancel": dialogue.cancel_response,
        }

    # What the parts of a session use of it.

    @property
    def instructions(self) -> str:
        return str(self.settings.get("instructions"))

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}_{self._mark}{self._ids:x}"

    async def emit(self, event_type: str, **fields: Any) -> None:
        event = {"type": event_type, "event_id": self.new_id("event"), **fields}
        await self.send(msgspec.json.encode(event))

    async def emit_audio(self, place: dict[str, Any], audio: bytes) -> None:
        """A delta, written by hand: it is most of what a session sends."""
        head = (
            f'{{"type":"response.output_audio.delta","event_id":"{self.new_id("event")}",'
            f'"response_id":"{place["response_id"]}","item_id":"{place["item_id"]}",'
            f'"output_index":{place["output_index"]},"content_index":0,"delta":"'
        )
        await self.send(b"".join((head.encode(), base64.b64encode(audio), b'"}')))

    async def send(self, data: bytes) -> None:
        if self._stalled:
            return
        if self.world.observer is not None:
            self.world.observer("server", self.id, data)
        await self._wire.send(data)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def spoke(self) -> None:
        self._has_spoken = True

    async def suffer(self, fault: Fault) -> None:
        """What a fault point does to a session, whenever its moment is."""
        if fault.point == "stall":
            self._stalled = True
        elif fault.point == "slow":
            await self.world.sleep(fault.number("delay_s", 2.0))
        elif fault.point == "close":
            await self._wire.close(
                int(fault.number("code", 1011)), fault.word("reason", "server_error.server_error")
            )
        elif fault.point in ("drop", "drop_mid_response"):
            self._wire.abort()
        elif fault.point == "unknown_event":
            await self.emit("session.moon_phase.updated", phase={"name": "gibbous", "lit": 0.75})
        elif fault.point == "error_event":
            await self.emit(
                "error",
                error={
                    "type": fault.word("kind", "server_error"),
                    "code": fault.word("code", "server_error"),
                    "message": fault.word("message", "The server had an error."),
                    "param": None,
                    "event_id": None,
                },
            )

    # Its life.

    async def open(self) -> None:
        await self.emit("session.created", session=self.settings.effective())

    async def end(self, close: Close) -> None:
        """Say why in an error event, then close as the API does."""
        if close.error:
            await self.send(close.event(self.new_id("event")))
        await self._wire.close(close.code, close.reason)

    async def expire(self, after_s: float) -> None:
        await self.world.sleep(after_s)
        await self.end(CLOSES["session_expired"])

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def receive(self, raw: str | bytes) -> None:
        if self.world.observer is not None:
            text = raw if isinstance(raw, bytes) else raw.encode()
            self.world.observer("client", self.id, text)
        event: Any = None
        try:
            event = _parsed(raw)
            await self._handlers[event["type"]](event)
        except Refusal as refusal:
            await self.refuse(refusal, event)

    async def refuse(self, refusal: Refusal, event: Any) -> None:
        named = event if isinstance(event, dict) else {}
        caused_by = named.get("event_id")
        self.world.errors[refusal.code] += 1
        if refusal.violation:
            what = f"{named.get('type', 'unreadable message')}: {refusal.message}"
            self.world.violation(f"{self.id}: {what} [{refusal.code}]")
        await self.emit(
            "error",
            error={
                "type": "invalid_request_error",
                "code": refusal.code,
                "message": refusal.message,
                "param": refusal.param,
                "event_id": caused_by if isinstance(caused_by, str) else None,
            },
        )

    # What a client may ask.

    async def _update(self, event: dict[str, Any]) -> None:
        busy = self.dialogue.active is not None
        self.settings.apply(event["session"], spoken=self._has_spoken, busy=busy)
        self.turns.configure()
        fault = self.world.faults.take("update", self.instructions)
        if fault is not None:
            await self.suffer(fault)
            if fault.point == "never_session_updated":
                return
        await self.emit("session.updated", session=self.settings.effective())

    async def _only_webrtc(self, event: dict[str, Any]) -> None:
        message = "output_audio_buffer.clear is only supported for WebRTC and SIP sessions."
        raise Refusal("invalid_value", message, "type")


def _parsed(raw: str | bytes) -> dict[str, Any]:
    try:
        event: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        message = "We could not parse the JSON body of your request."
        raise Refusal("invalid_json", message) from None
    check_event(event)
    checked: dict[str, Any] = event
    return checked
