"""What callfleet.yaml says, as types: orgs, agents, numbers. Pure.

The types are the documentation: bounds and descriptions written here are what `load_config` checks
and what the JSON Schema tells an editor, so neither can drift from what the services receive.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from callfleet.config_part import FILLED_IN, Filled, Part
from callfleet.config_patience import Rotation, Silence
from callfleet.config_session import (
    Effort,
    MaxOutputTokens,
    NoiseReduction,
    SemanticVad,
    ServerVad,
    Session,
    Transcription,
    Truncation,
)
from callfleet.config_tools import Tool

DEFAULT_SORRY: Final = "All our lines are busy right now. Please call again in a little while."
DEFAULT_PROMISE: Final = (
    "All our lines are busy right now. We will call you back as soon as somebody is free. Goodbye."
)

Preset = Literal["quiet_office", "noisy_call_center", "phone_line"]
Count = Annotated[int, Meta(ge=1)]
Language = Annotated[str, Meta(pattern=r"^[a-z]{2}$")]


class Queue(Part, frozen=True, kw_only=True):
    """How many callers may wait for a free session, and for how long."""

    max_waiting: Annotated[int, Meta(ge=0, description="Callers who may wait; 0: nobody.")] = 0
    max_wait_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds one caller waits before the overflow.")
    ] = 30.0
    hold_audio: Annotated[
        str | None,
        Meta(
            description="What they hear: .ulaw, or .wav at 8 kHz in mono; beside this file. "
            "Left out: the sound that Callfleet brings.",
        ),
    ] = None
    announce: Annotated[bool, Meta(description="Tell them their place in line, in English.")] = (
        False
    )
    announce_every_s: Annotated[
        float, Meta(ge=5, le=600, description="Seconds between two announcements.")
    ] = 20.0


class Org(Part, frozen=True, kw_only=True):
    """An OpenAI organisation (or project): one key, one limit on sessions."""

    name: Filled = ""
    api_key_env: Annotated[
        str,
        Meta(description="Name of the environment variable that holds the key; never the key."),
    ] = "OPENAI_API_KEY"
    sessions: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Realtime sessions open at once, fleet-wide.")
    ]
    queue: Queue = field(default_factory=Queue)
    reserve: Annotated[
        int, Meta(ge=0, description="Sessions kept back for calls that are being taken over.")
    ] = 0
    tokens_per_minute: Annotated[
        Count | None, Meta(description="The key's token limit, where it binds before sessions do.")
    ] = None
    redis_away: Annotated[
        Literal["queue", "share"],
        Meta(
            description="New calls while Redis is away: `queue` lets them wait for it, as many and "
            "as long as the queue allows; `share` lets each worker admit its share of the sessions."
        ),
    ] = "queue"


class Overflow(Part, frozen=True, kw_only=True):
    """What a caller gets when no session is free in time: exactly one of the four."""

    dial: Annotated[str | None, Meta(description="Ring this number (E.164) instead.")] = None
    say: Annotated[str | None, Meta(description="Say this sentence and hang up.")] = None
    busy: Annotated[bool, Meta(description="The busy signal.")] = False
    call_back: Annotated[
        bool | str,
        Meta(
            description="Promise to call back, in this sentence or in ours (true), and list the "
            "caller under `callfleet calls callbacks`."
        ),
    ] = False

    @property
    def promise(self) -> str:
        """The sentence of `call_back`; empty when that is not the way."""
        return DEFAULT_PROMISE if self.call_back is True else self.call_back or ""


class Analysis(Part, frozen=True, kw_only=True):
    """What is read out of a call after it ended."""

    enabled: Annotated[bool, Meta(description="False: recorded, never sent for scoring.")] = True
    fields: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="Extra fields to extract: name to JSON Schema."),
    ] = field(default_factory=dict)


class PushToTalk(Part, frozen=True, kw_only=True):
    """What ends the caller's turn where turn_detection is null; any key stops the agent."""

    key: Annotated[Literal["#", "*"] | None, Meta(description="The telephone key; null: none.")] = (
        "#"
    )
    silence_s: Annotated[
        Annotated[float, Meta(ge=0.3, le=10)] | None,
        Meta(description="Seconds of silence after speech; null: no."),
    ] = 1.5


class AudioWatch(Part, frozen=True, kw_only=True):
    """An ear on the caller's sound: too quiet, too loud, only noise, nothing at all."""

    enabled: Annotated[bool, Meta(description="Counted, and noted in the journal.")] = True
    speak_up: Annotated[
        bool | str,
        Meta(description="Ask a caller who is too quiet, once: in these words, or its own (true)."),
    ] = False


class Agent(Part, frozen=True, kw_only=True):
    """Somebody who answers: a voice, instructions, and what they may do."""

    name: Filled = ""
    org: Annotated[
        str, Meta(description="Whose sessions it uses; may be left out for one org.")
    ] = ""
    sessions: Annotated[
        Count | None, Meta(description="A cap of its own within the org's limit.")
    ] = None
    vertical: Annotated[str, Meta(description="Line of business, a column in the scores.")] = (
        "general"
    )
    model: Annotated[str, Meta(min_length=1, description="Realtime model.")] = "gpt-realtime-2.1"
    voice: Annotated[
        str, Meta(description="A voice of the API's, or the id of a custom one (voice_...).")
    ] = "marin"
    greeting: Annotated[
        str | None, Meta(description="First sentence; left out: the caller speaks first.")
    ] = None
    greeting_interruptible: Annotated[
        bool, Meta(description="False: it is said to its end, whatever the caller says.")
    ] = True
    instructions: Annotated[str, Meta(min_length=1, description="The prompt.")]
    turn_detection: Annotated[
        Preset | ServerVad | SemanticVad | None,
        Meta(description="A preset, the API's own object, or null for push to talk."),
    ] = "phone_line"
    push_to_talk: PushToTalk = field(default_factory=PushToTalk)
    noise_reduction: Annotated[
        Literal["near_field", "far_field"] | NoiseReduction | None,
        Meta(description="near_field: a headset or handset; far_field: a room; null: none."),
    ] = None
    audio_watch: AudioWatch = field(default_factory=AudioWatch)
    transcription: Annotated[
        str | Transcription | None,
        Meta(description="Model that writes down the caller; null: none, cheaper."),
    ] = "gpt-transcribe"
    language: Annotated[
        Language | None, Meta(description="ISO 639-1 hint for the transcription.")
    ] = None
    speed: Annotated[
        Annotated[float, Meta(ge=0.25, le=1.5)] | None,
        Meta(description="How fast it speaks; 1 is as it comes."),
    ] = None
    reasoning: Annotated[
        Effort | None, Meta(description="How long it thinks before it speaks, if its model does.")
    ] = None
    max_output_tokens: Annotated[
        MaxOutputTokens | None, Meta(description="The longest answer, tool calls included.")
    ] = None
    truncation: Annotated[
        Truncation | None, Meta(description="What a long call forgets first, and how much.")
    ] = None
    silence: Annotated[
        Silence | None, Meta(description="Callers who say nothing; null: they are left alone.")
    ] = field(default_factory=Silence)
    max_call_s: Annotated[
        Annotated[float, Meta(gt=0, le=86_400)] | None,
        Meta(description="A call that lasts so long is ended, politely; null: never."),
    ] = 7200.0
    rotation: Rotation = field(default_factory=Rotation)
    budget_usd: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="A call that has cost so much is ended, politely."),
    ] = None
    priced_as: Annotated[
        str | None,
        Meta(description="Model whose price applies, where `model` is a deployment's name."),
    ] = None
    session: Session = field(default_factory=Session)
    tools: Annotated[tuple[Tool, ...], Meta(description="What it may do on a call.")] = ()
    handoffs: Annotated[tuple[str, ...], Meta(description="Agents it may pass the call to.")] = ()
    overflow: Overflow = field(default_factory=lambda: Overflow(say=DEFAULT_SORRY))
    analysis: Analysis = field(default_factory=Analysis)


class Config(Part, frozen=True, kw_only=True):
    """callfleet.yaml."""

    orgs: Annotated[dict[str, Org], Meta(min_length=1, description="OpenAI organisations.")]
    agents: Annotated[dict[str, Agent], Meta(min_length=1, description="Who answers.")]
    numbers: Annotated[
        dict[str, str], Meta(description='Which agent answers which number ("+15551230000").')
    ] = field(default_factory=dict)
    warnings: Annotated[tuple[str, ...], Meta(extra=FILLED_IN)] = ()  # what works, and for now

    def agent_for(self, number: str) -> Agent | None:
        """The agent that answers this number; None when nobody owns it."""
        name = self.numbers.get(number)
        return None if name is None else self.agents[name]
