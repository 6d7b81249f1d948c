"""Whatever a client sends, a session answers in the protocol and lives on; no socket is needed."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.realtime_session import Session
from simulators.realtime_world import Options, World
from tests.realtime_conformance import check_server_event

WORDS = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
AUDIO = {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}}
VALID: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime", "audio": AUDIO}},
    {"type": "input_audio_buffer.append", "audio": "/////w=="},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": None},
    {"type": "conversation.item.delete", "item_id": "x"},
    {"type": "conversation.item.retrieve", "item_id": "x"},
    {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 9},
    {"type": "response.create", "response": {"instructions": "Say: hi", "input": [MESSAGE]}},
    {"type": "response.cancel", "response_id": "x"},
]


class Memory:
    """A wire into a list."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    @property
    def open(self) -> bool:
        return not self.closed

    async def send(self, data: bytes) -> None:
        self.sent.append(json.loads(data))

    async def close(self, code: int, reason: str) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A valid event, or one with some value replaced, removed or added."""
    event = json.loads(json.dumps(draw(st.sampled_from(VALID))))
    place = event
    while draw(st.booleans()):
        inner = [each for each in place.values() if isinstance(each, dict)]
        if not inner:
            break
        place = draw(st.sampled_from(inner))
    how = draw(st.sampled_from(["keep", "replace", "remove", "add"]))
    if how == "add":
        place[draw(WORDS)] = draw(JSON)
    elif how != "keep" and place:
        key = draw(st.sampled_from(sorted(place)))
        place[key] = draw(JSON)
        if how == "remove":
            del place[key]
    return json.dumps(event)


async def _talk(messages: list[str]) -> Memory:
    memory = Memory()
    world = World(Options(audio_speed=1e6, first_audio_s=0.0, speed=1000.0), None)
    session = Session(world, memory, model="gpt-realtime-2.1", number=1, expires_at=2_000_000_000)
    await session.open()
    for message in messages:
        await session.receive(message)
        await asyncio.sleep(0)
    await session.receive(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
    assert memory.sent[-1]["type"] != "error"
    await session.stop()
    return memory


@settings(max_examples=150, deadline=None)
@given(st.lists(spoiled() | JSON.map(json.dumps) | st.text(max_size=20), max_size=6))
def test_no_message_breaks_a_session(messages: list[str]) -> None:
    memory = asyncio.run(_talk(messages))
    assert not memory.closed
    for event in memory.sent:
        check_server_event(event)
    types = [event["type"] for event in memory.sent]
    assert types[0] == "session.created" and "session.updated" in types


def test_a_session_forgets_its_oldest_items_first() -> None:
    create = json.dumps({"type": "conversation.item.create", "item": MESSAGE})

    async def fill() -> Session:
        world = World(Options(), None)
        session = Session(world, Memory(), model="gpt-realtime-2.1", number=1, expires_at=0)
        for _ in range(1010):
            await session.receive(create)
        return session

    session = asyncio.run(fill())
    assert len(session.dialogue.conversation.items) == 1000
