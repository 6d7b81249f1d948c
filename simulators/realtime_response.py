"""One response, from response.created to response.done: what the brain decides, paid for and told.

A message is told by `realtime_message`; calls of functions, limits and failures are here.
"""

import asyncio
import random
from typing import TYPE_CHECKING, Any

from simulators.realtime_brain import CallTool, Said, Scene
from simulators.realtime_faults import Fault
from simulators.realtime_items import Item, text_tokens, voice_tokens
from simulators.realtime_message import Message
from simulators.realtime_order import Answered, Details, Ending, Order
from simulators.realtime_usage import TokenBucket, hint

if TYPE_CHECKING:
    from simulators.realtime_session import Session

_FAILED_TEXT = "The server had an error while processing your request. Sorry about that!"


class Response:
    def __init__(self, session: "Session", order: Order) -> None:
        self.session = session
        self.world = session.world
        self.order = order
        self.id = session.new_id("resp")
        self.finished = asyncio.Event()
        self._cancelled = asyncio.Event()
        self._reason = ""
        self.fault: Fault | None = None
        self.out = Answered()
        self.last_message: Item | None = None
        self.random = random.Random(f"{session.id}|{self.id}")

    @property
    def cancelling(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self, reason: str) -> None:
        self._reason = self._reason or reason
        self._cancelled.set()

    async def run(self) -> None:
        """Send everything from response.created to response.done."""
        try:
            await self._answer()
        finally:
            self.session.dialogue.response_over(self)
            self.finished.set()

    async def _answer(self) -> None:
        session, order = self.session, self.order
        context = session.dialogue.ledger.context(order.instructions, order.tools, order.items)
        bucket = self.world.bucket(session.model)
        wait_s = bucket.wait_s(context.tokens)
        await session.emit("response.created", response=self._wire("in_progress", None, None))
        self.fault = self.world.faults.take("response", session.instructions)
        if self.fault is not None and self.fault.point == "rate_limited_response":
            wait_s = wait_s or 6.232
        if wait_s:
            ending = self._refused_for_now(bucket, context.tokens, wait_s)
        else:
            bucket.take(context.tokens)
            await session.emit("rate_limits.updated", rate_limits=bucket.state())
            ending = await self._perform()
        audio_out = voice_tokens(self.out.audio_ms)
        usage = None
        if not wait_s:
            usage = context.usage(self.out.text_tokens, audio_out)
            bucket.take(self.out.text_tokens + audio_out)
            if order.in_conversation:
                session.dialogue.ledger.read(context, self.out.text_tokens, audio_out)
        self.world.responses[ending.status] += 1
        session.dialogue.response_over(self)
        done = self._wire(ending.status, ending.details, usage)
        await session.emit("response.done", response=done)

    def _refused_for_now(self, bucket: TokenBucket, tokens: int, wait_s: float) -> Ending:
        text, code = hint(wait_s), "rate_limit_exceeded"
        if self.fault is not None and self.fault.point == "rate_limited_response":
            text, code = self.fault.word("hint", text), self.fault.word("code", code)
        return _failed("tokens", code, bucket.refusal(tokens, text))

    async def _perform(self) -> Ending:
        fault = self.fault
        if fault is not None:
            if fault.point == "slow":  # a caller can interrupt it even so
                await self.pause(fault.number("delay_s", 2.0))
            elif fault.point != "drop_mid_response" and not fault.options.get("after_deltas"):
                await self.session.suffer(fault)
            if fault.point == "failed_response":
                error = fault.word("code", "server_error")
                return _failed("server_error", error, fault.word("message", _FAILED_TEXT))
            if fault.point == "empty_response":
                return Ending()
        await self.pause(self.world.options.first_audio_s)
        cut = await self._act()
        if fault is not None and fault.point == "drop_mid_response":
            await self.session.suffer(fault)  # the answer was shorter than the deltas to wait for
        if self.cancelling:
            return Ending("cancelled", {"type": "cancelled", "reason": self._reason})
        if cut:
            return Ending("incomplete", {"type": "incomplete", "reason": cut})
        return Ending()

    async def _act(self) -> str:
        """Say and call what the brain decides; returns why it stopped short, if it did."""
        for index, act in enumerate(self.world.brain.acts(self._scene())):
            if self.cancelling:
                break
            if isinstance(act, CallTool):
                await self._call(act, index)
            elif cut := await Message(self, act.text, index).tell():
                return cut
        return ""

    def _scene(self) -> Scene:
        order = self.order
        history = [Said(item.role, item.words) for item in order.items]
        return Scene(
            instructions=self.session.instructions,
            order=order.order,
            history=history,
            tools=order.tools,
            tool_choice=order.tool_choice,
            parallel=order.parallel,
        )

    async def pause(self, simulated_s: float) -> None:
        """Wait, unless cancelled first."""
        try:
            async with asyncio.timeout(simulated_s / self.world.options.speed):
                await self._cancelled.wait()
        except TimeoutError:
            return

    async def begin(self, item: Item, index: int) -> None:
        await self.session.emit(
            "response.output_item.added",
            response_id=self.id,
            output_index=index,
            item=item.wire,
        )
        if item.wire["type"] == "message":
            self.last_message = item
        if self.order.in_conversation:
            before = self.session.dialogue.conversation.insert(item, None)
            await self.session.emit(
                "conversation.item.added", previous_item_id=before, item=item.wire
            )

    async def end(self, item: Item, index: int) -> None:
        done = {"response_id": self.id, "output_index": index, "item": item.wire}
        self.out.items.append(item.wire)
        await self.session.emit("response.output_item.done", **done)
        is_call = item.wire["type"] == "function_call"
        if is_call and self.fault is not None and self.fault.point == "duplicate_function_call":
            await self.session.emit("response.output_item.done", **done)
        if self.order.in_conversation:
            before = self.session.dialogue.conversation.before(item.id)
            await self.session.emit(
                "conversation.item.done", previous_item_id=before, item=item.wire
            )

    async def after_delta(self) -> None:
        """Something audible or readable was sent: the moment some faults wait for."""
        self.out.deltas += 1
        fault = self.fault
        if fault is None:
            return
        if fault.point == "slow":
            await self.pause(fault.number("per_delta_s", 0.0))
            return
        usual = 3 if fault.point == "drop_mid_response" else 0
        if self.out.deltas == fault.number("after_deltas", usual):
            await self.session.suffer(fault)

    async def _call(self, act: CallTool, index: int) -> None:
        session = self.session
        wire = {
            "id": session.new_id("item"),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": act.name,
            "call_id": session.new_id("call"),
            "arguments": "",
        }
        item = Item(wire)
        place = {"response_id": self.id, "item_id": wire["id"], "output_index": index}
        await self.begin(item, index)
        named = {**place, "call_id": wire["call_id"]}
        for at in range(0, len(act.arguments), 16):
            delta = act.arguments[at : at + 16]
            await session.emit("response.function_call_arguments.delta", delta=delta, **named)
            await self.after_delta()
        await session.emit(
            "response.function_call_arguments.done",
            name=act.name,
            arguments=act.arguments,
            **named,
        )
        wire["arguments"], wire["status"] = act.arguments, "completed"
        item.words = f"{act.name} {act.arguments}"
        self.out.text_tokens += text_tokens(item.words)
        await self.end(item, index)

    def _wire(
        self, status: str, details: Details | None, usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        order = self.order
        conversation_id = self.session.dialogue.conversation.id if order.in_conversation else None
        shown = {"format": order.audio_format, "voice": order.voice}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": list(self.out.items),
            "conversation_id": conversation_id,
            "output_modalities": [order.modality],
            "max_output_tokens": order.max_output_tokens,
            "audio": {"output": shown},
            "usage": usage,
            "metadata": order.metadata,
        }


def _failed(kind: str, code: str, message: str) -> Ending:
    error = {"type": kind, "code": code, "message": message}
    return Ending("failed", {"type": "failed", "error": error})
