"""The simulated Realtime API in conversation: turns, interruptions, memory, tools, usage."""

import itertools
import json

from simulators.realtime import RealtimeSimulator
from simulators.speech import PCM, Ear, silence, speak, spoken_by
from tests.integration.realtime_client import Client, client_of

RECEPTIONIST = "You are the receptionist of Acme Dental Clinic. Be friendly."
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
LOOSE = ("rate_limits.updated", "conversation.item.input_audio_transcription.completed")


def lookup_tool(name: str = "lookup") -> dict[str, object]:
    parameters = {"type": "object", "properties": {"day": {"type": "string"}}}
    return {"type": "function", "name": name, "description": "d", "parameters": parameters}


async def test_a_turn_has_its_events_in_the_documented_order() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(RECEPTIONIST)
        start = len(client.events)
        answer = await client.ask("Hello there.")
        assert "Acme Dental Clinic" in answer
        turn = client.events[start:]
        types = [each["type"] for each in turn if not each["type"].endswith(".delta")]
        assert [each for each in types if each not in LOOSE] == TURN
        deltas = [each["type"] for each in turn if each["type"].startswith("response.output_audio")]
        runs = [name for name, _ in itertools.groupby(deltas)]
        assert len(runs) > 4, "transcript and audio are interleaved"
        done = turn[-1]["response"]
        assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": answer}]


async def test_both_transcripts_are_what_the_samples_say() -> None:
    async with RealtimeSimulator(transcript_delay_s=0.3) as api, client_of(api) as client:
        await client.configure(RECEPTIONIST)
        words = "Grüß Gott, do you have an appointment on Tuesday at 3 pm?"
        answer = await client.ask(words)
        topic = "conversation.item.input_audio_transcription.completed"
        late = (client.of(topic) or [await client.until(topic)])[0]
        assert late["transcript"] == words
        assert client.types().index("response.created") < client.types().index(topic)
        assert late["item_id"] == client.of("input_audio_buffer.committed")[0]["item_id"]
        transcripts = client.of("response.output_audio_transcript.delta")
        assert "".join(each["delta"] for each in transcripts) == answer


async def test_audio_comes_faster_than_speech_in_pieces_that_fit_no_frame() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(RECEPTIONIST)
        await client.ask("Hello there.")
        sizes = {len(each["delta"]) for each in client.of("response.output_audio.delta")}
        assert len(sizes) > 3
        assert any(size * 3 // 4 % 160 for size in sizes)


async def test_a_caller_who_interrupts_cuts_the_answer_and_truncation_forgets_the_rest() -> None:
    async with RealtimeSimulator(audio_speed=1.0) as api, client_of(api) as client:
        await client.configure(RECEPTIONIST)
        line = "Our address is one two three Long Street, second floor, just behind the bakery."
        await client.send("response.create", response={"instructions": f'Say exactly: "{line}"'})
        first = await client.until("response.output_audio.delta")
        while client.ear.position_ms < 1600:
            await client.receive()
        await client.play(speak("Wait a moment.")[:800])
        await client.until("input_audio_buffer.speech_started")
        done = (await client.until("response.done"))["response"]
        assert done["status"] == "cancelled"
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert done["output"][0]["status"] == "incomplete"
        assert done["usage"]["output_tokens"] > 0
        place = {"item_id": first["item_id"], "content_index": 0}
        await client.send("conversation.item.truncate", audio_end_ms=1600, **place)
        await client.until("conversation.item.truncated", audio_end_ms=1600)
        await client.send("conversation.item.retrieve", item_id=first["item_id"])
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == spoken_by(line, 1600)
        client.ear.finish()
        await client.play(speak("What did you say?") + silence(500))
        assert await client.answer() == f"I said: {spoken_by(line, 1600)}"


async def test_without_interrupt_response_the_answer_goes_on() -> None:
    detection = {"type": "server_vad", "interrupt_response": False, "create_response": False}
    async with RealtimeSimulator() as api, client_of(api) as client:
        audio = {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": detection}}
        await client.configure(audio=audio | {"output": {"format": {"type": "audio/pcmu"}}})
        await client.send("response.create", response={"instructions": "Say: one two three four"})
        await client.until("response.output_audio.delta")
        await client.say("Excuse me.")
        assert await client.answer() == "one two three four"
        if "input_audio_buffer.committed" not in client.types():
            await client.until("input_audio_buffer.committed")
        assert client.of("response.done")[0]["response"]["status"] == "completed"
        assert len(client.of("response.created")) == 1


async def test_it_remembers_what_was_said_and_what_it_was_seeded_with() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(RECEPTIONIST)
        for role, kind, text in (
            ("user", "input_text", "Hi, my name is Dana Becker."),
            ("assistant", "output_text", "Hello Dana, how can I help?"),
            ("user", "input_text", "I want to book a cleaning on Friday at 10 am."),
        ):
            content = [{"type": kind, "text": text}]
            item = {"type": "message", "role": role, "content": content}
            await client.send("conversation.item.create", item=item)
        assert "Dana Becker" in await client.ask("What is my name?")
        assert await client.ask("What time did I book?") == "You asked for Friday at 10 am."
        first = await client.ask("What did I say first?")
        assert first.endswith("Hi, my name is Dana Becker.")


async def test_push_to_talk_without_turn_detection() -> None:
    audio = {
        "input": {"format": {"type": PCM, "rate": 24000}, "turn_detection": None},
        "output": {"format": {"type": PCM, "rate": 24000}},
    }
    async with RealtimeSimulator() as api, client_of(api) as client:
        client.ear = Ear(PCM)
        await client.configure("You work for the Shiny Hair Salon.", audio=audio)
        await client.play(speak("How much is a haircut?", PCM) + silence(900, PCM), PCM)
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.done")
        await client.send("response.create")
        assert "haircut costs" in await client.answer()
        assert "input_audio_buffer.speech_started" not in client.types()


async def test_semantic_detection_waits_for_the_end_of_a_thought() -> None:
    detection = {"type": "semantic_vad", "eagerness": "high"}
    audio = {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": detection}}
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(audio=audio)
        await client.say("Well, what I wanted to", quiet_ms=1000)
        await client.say("ask is your price.", quiet_ms=400)
        await client.until("response.done")
        assert len(client.of("input_audio_buffer.speech_stopped")) == 1
        assert api.state()["conversations"][0]["heard"] == [
            {"text": "Well, what I wanted to ask is your price.", "complete": True}
        ]


async def test_a_silent_caller_is_asked_after_the_idle_timeout() -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5000, "silence_duration_ms": 400}
    audio = {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": detection}}
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(audio=audio)
        await client.ask("Hello there.")
        await client.play(silence(15_000))
        timeout = await client.until("input_audio_buffer.timeout_triggered")
        assert timeout["audio_end_ms"] - timeout["audio_start_ms"] == 5000
        await client.until("response.done")
        kinds = client.types()
        at = kinds.index("input_audio_buffer.timeout_triggered")
        assert kinds[at + 1] == "input_audio_buffer.committed"


async def _call_of(client: Client, words: str) -> list[dict[str, str]]:
    await client.say(words)
    done = (await client.until("response.done"))["response"]
    return [each for each in done["output"] if each["type"] == "function_call"]


async def test_tools_are_called_in_parallel_and_their_outputs_spoken() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(RECEPTIONIST, tools=[lookup_tool(), lookup_tool("prices")])
        calls = await _call_of(
            client, 'Please use tool lookup with {"day": "Monday"} and tool prices with {"day": 1}.'
        )
        assert [(call["name"], json.loads(call["arguments"])) for call in calls] == [
            ("lookup", {"day": "Monday"}),
            ("prices", {"day": 1}),
        ]
        types = client.types()
        done = [n for n, kind in enumerate(types) if kind == "response.output_item.done"]
        named = [n for n, kind in enumerate(types) if kind.endswith("arguments.done")]
        assert named[0] < done[0] < named[1] < done[1] < types.index("response.done")
        for call, output in zip(calls, ("free at ten", '{"check-up": "80 dollars"}'), strict=True):
            item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
            await client.send("conversation.item.create", item=item)
        await client.send("response.create")
        assert await client.answer() == "free at ten check-up: 80 dollars."


async def test_goodbye_ends_the_call_where_there_is_a_tool_for_it() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(RECEPTIONIST, tools=[lookup_tool("end_call")])
        calls = await _call_of(client, "Thank you, goodbye.")
        assert [call["name"] for call in calls] == ["end_call"]
        assert "oodbye" in client.heard()[-1].text
        await client.configure(tool_choice="none")
        assert await _call_of(client, "Thank you, goodbye.") == []


async def test_a_response_out_of_band_leaves_no_trace() -> None:
    async with RealtimeSimulator() as api, client_of(api) as client:
        await client.configure(RECEPTIONIST)
        content = [{"type": "input_text", "text": "How much is a check-up?"}]
        asked = {
            "conversation": "none",
            "output_modalities": ["text"],
            "metadata": {"purpose": "summary"},
            "input": [{"type": "message", "role": "user", "content": content}],
        }
        await client.send("response.create", response=asked)
        done = (await client.until("response.done"))["response"]
        assert done["metadata"] == {"purpose": "summary"}
        assert done["conversation_id"] is None
        assert "eighty dollars" in done["output"][0]["content"][0]["text"]
        assert "conversation.item.added" not in client.types()
        assert await client.ask("What did I say first?") == "You just called."


async def test_usage_counts_audio_and_a_growing_cached_share() -> None:
    async with RealtimeSimulator(audio_speed=20.0) as api, client_of(api) as client:
        await client.configure(RECEPTIONIST * 10)
        for words in ("Hello there.", "How much is a cleaning?", "When are you open?"):
            await client.ask(words)
        usages = [each["response"]["usage"] for each in client.of("response.done")]
        cached = [each["input_token_details"]["cached_tokens"] for each in usages]
        assert cached[0] == 0 and sorted(cached) == cached and cached[1] < cached[2]
        said = api.state()["conversations"][0]["said"]
        spoken = [each["output_token_details"]["audio_tokens"] for each in usages]
        assert spoken == [each["audio_ms"] // 50 for each in said]
        for usage in usages:
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_echo_mode_returns_every_frame_untouched() -> None:
    async with RealtimeSimulator(echo=True) as api, client_of(api) as client:
        await client.configure()
        frames = 300
        audio = speak("These very words.")
        await client.play(audio + silence(frames * 20 - len(audio) // 8))
        while len(client.of("response.output_audio.delta")) < frames:
            await client.receive()
        assert client.heard()[0].text == "These very words."
        assert client.heard()[0].complete
        assert len(client.of("response.created")) == 1
