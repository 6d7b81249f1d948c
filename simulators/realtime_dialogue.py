"""The conversation of a session and its responses: items in and out, one answer at a time."""

from typing import TYPE_CHECKING, Any

from simulators.realtime_checks import Refusal
from simulators.realtime_hearing import Turn
from simulators.realtime_items import Conversation, Item, words_of
from simulators.realtime_order import Order
from simulators.realtime_response import Response
from simulators.realtime_turns import decoded, heard_in
from simulators.realtime_usage import Ledger

if TYPE_CHECKING:
    from simulators.realtime_session import Session

_MOST_OUT_OF_BAND = 8
_TURNS_KEPT = 200


class Dialogue:
    def __init__(self, session: "Session", conversation_id: str) -> None:
        self._session = session
        self.conversation = Conversation(conversation_id)
        self.ledger = Ledger()
        self.active: Response | None = None
        self._out_of_band: list[Response] = []
        self.record: dict[str, Any] = {"id": session.id, "model": session.model}
        self.record |= {"heard": [], "said": []}
        session.world.record(self.record)

    def heard(self, turn: Turn) -> None:
        _keep(self.record["heard"], {"text": turn.text, "complete": turn.complete})

    def interrupt(self, reason: str) -> None:
        if self.active is not None:
            self.active.cancel(reason)

    async def create_item(self, event: dict[str, Any]) -> None:
        item = self._item(event["item"])
        if item.role == "function_call_output":
            self._refuse_stray_output(item.wire["call_id"])
        previous = self.conversation.insert(item, event.get("previous_item_id"))
        emit = self._session.emit
        await emit("conversation.item.added", previous_item_id=previous, item=item.wire)
        await emit("conversation.item.done", previous_item_id=previous, item=item.wire)

    def _refuse_stray_output(self, call_id: str) -> None:
        for item in self.conversation.items:
            if item.role == "function_call" and item.wire.get("call_id") == call_id:
                return
        message = f"Tool call ID '{call_id}' not found in conversation."
        raise Refusal("invalid_tool_call_id", message, "item.call_id")

    def _item(self, given: dict[str, Any]) -> Item:
        """The item a client described, as the server keeps it."""
        wire = {"id": self._session.new_id("item"), "object": "realtime.item", **given}
        wire["status"] = "completed"
        item = Item(wire, words_of(wire), fmt=self._session.settings.input_format)
        parts = []
        for part in given.get("content", []):
            part = dict(part)
            if part["type"] == "input_audio":
                audio = decoded(part.pop("audio"), "item.content.audio")
                words, audio_ms = heard_in(audio, self._session.settings.input_format)
                item.audio_ms += audio_ms
                item.words = f"{item.words} {words}".strip()
            parts.append(part)
        if parts:
            wire["content"] = parts
        return item

    async def delete_item(self, event: dict[str, Any]) -> None:
        self.conversation.delete(event["item_id"])
        await self._session.emit("conversation.item.deleted", item_id=event["item_id"])

    async def retrieve_item(self, event: dict[str, Any]) -> None:
        item = self.conversation.find(event["item_id"], "retrieve")
        await self._session.emit("conversation.item.retrieved", item=item.with_audio())

    async def truncate_item(self, event: dict[str, Any]) -> None:
        self.conversation.truncate(event["item_id"], event["audio_end_ms"])
        place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        await self._session.emit("conversation.item.truncated", **place)

    async def create_response(self, event: dict[str, Any]) -> None:
        await self._respond(event.get("response") or {})

    async def respond_to_turn(self) -> None:
        """The caller's turn is over; what it interrupted has first to end."""
        if self.active is not None and self.active.cancelling:
            await self.active.finished.wait()
        try:
            await self._respond({})
        except Refusal as refusal:
            await self._session.refuse(refusal, None)

    async def _respond(self, asked: dict[str, Any]) -> None:
        order = self._order(asked)
        if order.in_conversation and self.active is not None:
            message = (
                "Conversation already has an active response in progress: "
                f"{self.active.id}. Wait until the response is finished before creating a new one."
            )
            raise Refusal("conversation_already_has_active_response", message, violation=False)
        if len(self._out_of_band) >= _MOST_OUT_OF_BAND:
            raise Refusal("too_many_responses", "Too many responses at once.")
        response = Response(self._session, order)
        if order.in_conversation:
            self.active = response
        else:
            self._out_of_band.append(response)
        self._session.spawn(response.run())

    def _order(self, asked: dict[str, Any]) -> Order:
        settings = self._session.settings
        items = list(self.conversation.items)
        if "input" in asked:
            items = [self._input_item(each) for each in asked["input"]]
        output = settings.output | asked.get("audio", {}).get("output", {})
        voice = output["voice"]
        return Order(
            instructions=asked.get("instructions", self._session.instructions),
            order=asked.get("instructions", ""),
            modality=asked.get("output_modalities", settings.get("output_modalities"))[0],
            tools=asked.get("tools", settings.get("tools")),
            tool_choice=asked.get("tool_choice", settings.get("tool_choice")),
            parallel=asked.get("parallel_tool_calls", settings.parallel_tool_calls),
            max_output_tokens=asked.get("max_output_tokens", settings.get("max_output_tokens")),
            audio_format=output["format"],
            voice=voice["id"] if isinstance(voice, dict) else voice,
            speed=settings.speed,
            items=items,
            in_conversation=asked.get("conversation", "auto") == "auto",
            metadata=asked.get("metadata"),
        )

    def _input_item(self, given: dict[str, Any]) -> Item:
        if given["type"] == "item_reference":
            return self.conversation.find(given["id"], "retrieve")
        return self._item(given)

    async def cancel_response(self, event: dict[str, Any]) -> None:
        wanted = event.get("response_id")
        running = [each for each in (self.active, *self._out_of_band) if each is not None]
        for response in running:
            if wanted == response.id or (wanted is None and response is self.active):
                response.cancel("client_cancelled")
                return
        message = "Cancellation failed: no active response found"
        raise Refusal("response_cancel_not_active", message, violation=False)

    def response_over(self, response: Response) -> None:
        if response is self.active:
            self.active = None
            item = response.last_message
            if item is not None:
                _keep(self.record["said"], {"text": item.words, "audio_ms": item.audio_ms})
            self._session.turns.expect_caller(item.audio_ms if item is not None else 0)
        elif response in self._out_of_band:
            self._out_of_band.remove(response)


def _keep(kept: list[Any], value: Any) -> None:
    kept.append(value)
    if len(kept) > _TURNS_KEPT:
        del kept[0]
