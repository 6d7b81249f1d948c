"""OpenAI's own clients talk to the simulator unmodified: whom they understand speaks the protocol.

An observer also checks every event of both sides by the official types.
"""

import base64
import json
from typing import Any

from agents import function_tool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from simulators.realtime import RealtimeSimulator
from simulators.speech import PCM, PCMU, Ear, silence, speak
from tests.realtime_conformance import Recorder

MODEL = "gpt-realtime-2.1"
CLINIC = "You are the receptionist of Acme Dental Clinic."
SESSION: Any = {
    "type": "realtime",
    "instructions": CLINIC,
    "audio": {
        "input": {
            "format": {"type": PCMU},
            "transcription": {"model": "gpt-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        },
        "output": {"format": {"type": PCMU}, "voice": "marin"},
    },
    "tools": [
        {
            "type": "function",
            "name": "find_slot",
            "description": "Finds a free slot",
            "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
        }
    ],
}


async def _say(connection: AsyncRealtimeConnection, text: str) -> None:
    audio = speak(text) + silence(700)
    for at in range(0, len(audio), 320):
        await connection.input_audio_buffer.append(
            audio=base64.b64encode(audio[at : at + 320]).decode()
        )


async def _turn(connection: AsyncRealtimeConnection, ear: Ear) -> dict[str, Any]:
    """Read one whole response: its transcript, its calls, and what the caller said."""
    told: dict[str, Any] = {"transcript": "", "calls": [], "caller": None}
    finished = False
    async for event in connection:
        if event.type == "response.output_audio.delta":
            ear.hear(base64.b64decode(event.delta))
        elif event.type == "response.output_audio_transcript.delta":
            told["transcript"] += event.delta
        elif event.type == "response.output_item.done" and event.item.type == "function_call":
            told["calls"].append(event.item)
        elif event.type == "conversation.item.input_audio_transcription.completed":
            told["caller"] = event.transcript
        elif event.type == "response.done":
            finished = True
        if finished and told["caller"] is not None:
            break
    return told


async def test_the_openai_client_holds_a_conversation() -> None:
    recorder, ear = Recorder(), Ear(PCMU)
    async with RealtimeSimulator(observer=recorder) as api:
        client = AsyncOpenAI(
            api_key="sk-simulated", websocket_base_url=api.url.removesuffix("/realtime")
        )
        async with client, client.realtime.connect(model=MODEL) as connection:
            assert (await connection.recv()).type == "session.created"
            await connection.session.update(session=SESSION)
            await _say(connection, "How much is a cleaning?")
            told = await _turn(connection, ear)
            assert told["caller"] == "How much is a cleaning?"
            assert "costs" in told["transcript"]
            assert (ear.utterances[0].text, ear.utterances[0].complete) == (
                told["transcript"],
                True,
            )
            await _say(connection, 'Use tool find_slot with {"day": "Monday"}.')
            [call] = (await _turn(connection, ear))["calls"]
            assert json.loads(call.arguments) == {"day": "Monday"}
            await connection.conversation.item.create(
                item={
                    "type": "function_call_output",
                    "call_id": call.call_id,
                    "output": "Monday at nine is free.",
                }
            )
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_audio_transcript.done":
                    assert event.transcript == "Monday at nine is free."
                if event.type == "response.done":
                    break
    recorder.assert_conforming()


@function_tool
def find_slot(day: str) -> str:
    """Find a free slot."""
    return f"{day} at nine is free."


async def _send(session: RealtimeSession, text: str) -> None:
    audio = speak(text, PCM) + silence(2000, PCM)
    for at in range(0, len(audio), 4800):
        await session.send_audio(audio[at : at + 4800])


async def _hear(session: RealtimeSession, utterances: int, ear: Ear) -> list[str]:
    """Events until so many utterances were heard; the names of the tools that ran."""
    tools: list[str] = []
    async for event in session:
        if event.type == "audio":
            ear.hear(event.audio.data)
        elif event.type == "tool_end":
            tools.append(str(event.output))
        elif event.type == "error":
            raise AssertionError(event.error)
        if len(ear.utterances) >= utterances and not ear.speaking:
            break
    return tools


async def test_an_agent_of_the_agents_sdk_holds_a_conversation() -> None:
    recorder, ear = Recorder(), Ear(PCM)
    async with RealtimeSimulator(observer=recorder) as api:
        agent = RealtimeAgent(name="Receptionist", instructions=CLINIC, tools=[find_slot])
        runner = RealtimeRunner(agent)
        session = await runner.run(
            model_config={
                "api_key": "sk-simulated",
                "url": f"{api.url}?model={MODEL}",
                "initial_model_settings": {"model_name": MODEL, "tracing": None},
            }
        )
        async with session:
            await _send(session, "Good morning.")
            await _hear(session, 1, ear)
            await _send(session, 'Use tool find_slot with {"day": "Friday"}.')
            assert await _hear(session, 2, ear) == ["Friday at nine is free."]
        assert [each.text for each in ear.utterances][1:] == ["Friday at nine is free."]
        assert "Acme Dental Clinic" in ear.utterances[0].text
        assert all(each.complete for each in ear.utterances)
        heard = [each["text"] for each in api.state()["conversations"][0]["heard"]]
        assert heard == ["Good morning.", 'Use tool find_slot with {"day": "Friday"}.']
    recorder.assert_conforming()
