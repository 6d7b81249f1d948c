"""A bare client of the Realtime API for tests of its simulator: one socket, every event checked."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulators.realtime import RealtimeSimulator
from simulators.speech import PCMU, Ear, Utterance, bytes_per_ms, silence, speak
from tests.realtime_conformance import check_server_event

Event = dict[str, Any]
MODEL = "gpt-realtime-2.1"
PHONE_AUDIO = {
    "input": {
        "format": {"type": PCMU},
        "transcription": {"model": "gpt-transcribe"},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
    },
    "output": {"format": {"type": PCMU}, "voice": "marin"},
}


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[Event] = []
        self.ear = Ear(PCMU)

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": event_type, **fields}))

    async def receive(self) -> Event:
        event: Event = json.loads(await self.socket.recv())
        if event["type"] != "session.moon_phase.updated":
            check_server_event(event)
        if event["type"] == "response.output_audio.delta":
            self.ear.hear(base64.b64decode(event["delta"]))
        self.events.append(event)
        return event

    async def until(self, event_type: str, **wanted: Any) -> Event:
        while True:
            event = await self.receive()
            matches = all(event.get(name) == value for name, value in wanted.items())
            if event["type"] == event_type and matches:
                return event

    async def error(self) -> Event:
        found: Event = (await self.until("error"))["error"]
        return found

    async def closed(self) -> tuple[int, str]:
        """Read to the end of the socket; its close code and reason."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed:
            code = self.socket.close_code
            return code or 1006, self.socket.close_reason or ""

    async def configure(self, instructions: str = "", **session: Any) -> Event:
        audio = session.pop("audio", PHONE_AUDIO)
        settings = {"type": "realtime", "instructions": instructions, "audio": audio, **session}
        await self.send("session.update", session=settings)
        return await self.until("session.updated")

    async def play(self, audio: bytes, fmt: str = PCMU) -> None:
        size = 20 * bytes_per_ms(fmt)
        for at in range(0, len(audio), size):
            encoded = base64.b64encode(audio[at : at + size]).decode()
            await self.send("input_audio_buffer.append", audio=encoded)

    async def say(self, text: str, quiet_ms: int = 500) -> None:
        await self.play(speak(text) + silence(quiet_ms))

    async def ask(self, text: str) -> str:
        """Say something; the words that were really heard in the answer's audio."""
        await self.say(text)
        return await self.answer()

    async def answer(self) -> str:
        before = len(self.ear.utterances)
        await self.until("response.done")
        heard = self.heard()[before:]
        assert all(each.complete for each in heard)
        return " ".join(each.text for each in heard)

    def heard(self) -> list[Utterance]:
        return self.ear.utterances

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of(self, event_type: str) -> list[Event]:
        return [event for event in self.events if event["type"] == event_type]


@asynccontextmanager
async def client_of(
    api: RealtimeSimulator, *, key: str = "sk-simulated", model: str = MODEL
) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{api.url}?model={model}"
    async with connect(url, additional_headers=headers, compression=None, max_size=None) as socket:
        client = Client(socket)
        await client.until("session.created")
        yield client
