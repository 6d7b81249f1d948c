"""Between a conversation and one Realtime session: neutral words to the API's and back. Pure.

The only place that knows both vocabularies. A successor to this API is met by another interpreter
beside another `*_events`; the conversation does not notice. State is kept only for what the API
leaves to its client: how much sound was sent, so that its positions in the sound become times.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from callfleet.audio import AudioFormat
from callfleet.journal_entries import Usage
from callfleet.slots_terms import Refusal
from services.worker import dialogue as told
from services.worker import realtime_events as api
from services.worker import realtime_requests as requests
from services.worker.dialogue import Event, Failure, Outcome, SessionCommand
from services.worker.realtime_errors import Trouble, again_after_ms, said_of_org, trouble_of
from services.worker.realtime_settings import changed_settings

ASK: Final = "ask"  # what a refused event_id of an answer's request begins with
SETUP: Final = "setup"
CHANGE: Final = "change"
_OURS: Final = "callfleet_ask"

_OUTCOMES: Final = {
    "completed": Outcome.COMPLETED,
    "cancelled": Outcome.CANCELLED,
    "incomplete": Outcome.INCOMPLETE,
    "failed": Outcome.FAILED,
}


class Interpreter:
    """Of one session."""

    def __init__(self, fmt: AudioFormat) -> None:
        self._fmt = fmt
        self._sent = 0  # bytes of the caller's sound
        self._number = 0
        self._marks_return = False  # this API repeats the metadata of what was asked for
        self._idle_item = ""
        self._names_conversations = False  # and says which conversation an answer belongs to

    # Towards the API -----------------------------------------------------------------------------

    def append(self, audio: bytes) -> bytes:
        self._sent += len(audio)
        self._number += 1
        return requests.append(self._number, audio)

    def write(self, command: SessionCommand) -> list[bytes]:
        """The client events that carry out an order."""
        return _WRITERS[type(command)](self, command)

    def settings(self, session: dict[str, Any]) -> bytes:
        return requests.update_session(self._id(SETUP), session)

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number}"

    def _ask(self, _: told.Ask) -> list[bytes]:
        return [self._request({})]

    def _say(self, command: told.Say) -> list[bytes]:
        quoted = json.dumps(command.text, ensure_ascii=False)
        order = {"instructions": f"Say exactly: {quoted}", "tool_choice": "none"}
        return [self._request(order)]

    def _request(self, order: dict[str, Any]) -> bytes:
        """Marked, so that our answers can be told from those the session begins by itself."""
        event_id = self._id(ASK)
        return requests.create_response(event_id, {**order, "metadata": {_OURS: event_id}})

    def _cancel(self, command: told.Cancel) -> list[bytes]:
        return [requests.cancel_response(self._id("cancel"), command.turn)]

    def _truncate(self, command: told.Truncate) -> list[bytes]:
        return [requests.truncate_item(self._id("truncate"), command.item, command.heard_ms)]

    def _tell(self, command: told.Tell) -> list[bytes]:
        item = _message("user", "input_text", command.text)
        return [requests.create_item(self._id("tell"), item)]

    def _advise(self, command: told.Advise) -> list[bytes]:
        item = _message("system", "input_text", command.text)
        return [requests.create_item(self._id("advise"), item)]

    def _remember(self, command: told.Remember) -> list[bytes]:
        items = (item for each in command.past for item in _items_of(each))
        return [requests.create_item(self._id("remember"), item) for item in items]

    def _answer(self, command: told.Answer) -> list[bytes]:
        item = {
            "type": "function_call_output",
            "call_id": command.request,
            "output": command.output,
        }
        return [requests.create_item(self._id("answer"), item)]

    def _change(self, command: told.ChangeSettings) -> list[bytes]:
        return [requests.update_session(self._id(CHANGE), changed_settings(command.change))]

    def _end_caller_turn(self, _: told.EndCallerTurn) -> list[bytes]:
        return [requests.commit_audio(self._id("commit"))]

    # From the API --------------------------------------------------------------------------------

    def read(self, event: api.ServerEvent) -> Event | None:
        """What an event means to the conversation; None: nothing."""
        reader = _READERS.get(type(event))
        return None if reader is None else reader(self, event)

    def _ago_ms(self, position_ms: int) -> int:
        return max(0, self._fmt.ms(self._sent) - position_ms)

    def _speech_started(self, event: api.SpeechStarted) -> Event:
        return told.CallerStartedSpeaking(event.item_id, self._ago_ms(event.audio_start_ms))

    def _speech_stopped(self, event: api.SpeechStopped) -> Event:
        return told.CallerStoppedSpeaking(event.item_id, self._ago_ms(event.audio_end_ms))

    def _idled(self, event: api.TimeoutTriggered) -> None:
        """The API itself noticed that the caller is silent: what it commits then is no turn."""
        self._idle_item = event.item_id

    def _committed(self, event: api.Committed) -> Event | None:
        if event.item_id == self._idle_item:
            return None
        return told.CallerTurnEnded(event.item_id)

    def _transcribed(self, event: api.Transcribed) -> Event:
        usage = transcription_usage_of(event.usage)
        return told.CallerWords(event.item_id, event.transcript, usage)

    def _transcription_failed(self, event: api.TranscriptionFailed) -> Event:
        return told.CallerWords(event.item_id, None)

    def _beside(self, response: api.ResponseFacts) -> bool:
        """Out of band: paid for, but no turn. Servers that never name conversations have none."""
        self._names_conversations |= response.conversation_id is not None
        return self._names_conversations and response.conversation_id is None

    def _response_created(self, event: api.ResponseCreated) -> Event | None:
        if self._beside(event.response):
            return None
        if event.response.metadata and _OURS in event.response.metadata:
            self._marks_return = True
            return told.AgentTurnStarted(event.response.id, asked=True)
        return told.AgentTurnStarted(event.response.id, asked=False if self._marks_return else None)

    def _audio(self, event: api.AudioDelta) -> Event:
        return told.AgentAudio(event.item_id, event.delta)

    def _audio_done(self, event: api.AudioDone) -> Event:
        return told.AgentAudioEnded(event.item_id)

    def _words(self, event: api.TranscriptDelta) -> Event:
        return told.AgentWords(event.item_id, event.delta)

    def _said(self, event: api.TranscriptDone) -> Event:
        return told.AgentSaid(event.item_id, event.transcript)

    def _item_done(self, event: api.OutputItemDone) -> Event | None:
        item = event.item
        if item.type != "function_call":
            return None
        return told.ToolAsked(item.call_id, item.name, item.arguments)

    def _response_done(self, event: api.ResponseDone) -> Event:
        response = event.response
        if self._beside(response):
            return told.Spent(usage_of(response.usage))
        outcome = _OUTCOMES.get(response.status or "", Outcome.FAILED)
        error = response.status_details.error if response.status_details else None
        if error is not None and trouble_of(error.type or "", error.code) is Trouble.FATAL:
            return told.SessionFailed(Failure.REFUSED)
        if response.status_details and response.status_details.reason == "content_filter":
            outcome = Outcome.FILTERED
        if error is not None and said_of_org(error.code or "") is Refusal.RATE_LIMIT:
            outcome = Outcome.LIMITED
        hint_ms = again_after_ms(error.message) if error is not None else None
        return told.AgentTurnDone(response.id, outcome, usage_of(response.usage), hint_ms)

    def _error(self, event: api.Error) -> Event | None:
        error = event.error
        trouble = trouble_of(error.type, error.code)
        if trouble is Trouble.FATAL:
            return told.SessionFailed(Failure.REFUSED)
        if trouble is Trouble.EXPIRED:
            return told.SessionFailed(Failure.EXPIRED)
        if (error.event_id or "").startswith(ASK):
            return told.AskRefused(busy=trouble is Trouble.BUSY)
        if (error.event_id or "").startswith(CHANGE):
            return told.ChangeRefused()
        if trouble is Trouble.SERVER and error.event_id is None:
            return told.SessionFailed(Failure.LOST)  # not about anything we asked: its own health
        return None


def _items_of(what: told.Remembered) -> list[dict[str, Any]]:
    """Voice cannot be put into a session, so the agent's words become text like the caller's."""
    match what:
        case told.Said("caller", text) | told.Told(text):
            return [_message("user", "input_text", text)]
        case told.Said(_, text):
            return [_message("assistant", "output_text", text)]
        case told.ToolUsed(request, tool, arguments, output):
            call = {"type": "function_call", "call_id": request, "name": tool}
            result = {"type": "function_call_output", "call_id": request, "output": output}
            return [{**call, "arguments": arguments}, *([] if output is None else [result])]


def _message(role: str, kind: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def usage_of(facts: api.UsageFacts | None) -> Usage:
    """One answer's cost; what the API leaves out is nothing."""
    if facts is None:
        return Usage(responses=1)
    taken = facts.input_token_details or api.TokenDetails()
    made = facts.output_token_details or api.TokenDetails()
    cached = taken.cached_tokens_details or api.TokenSplit()
    return Usage(
        responses=1,
        input_text_tokens=taken.text_tokens or 0,
        input_audio_tokens=taken.audio_tokens or 0,
        input_cached_tokens=taken.cached_tokens or 0,
        output_text_tokens=made.text_tokens or 0,
        output_audio_tokens=made.audio_tokens or 0,
        input_cached_text_tokens=cached.text_tokens or 0,
        input_cached_audio_tokens=cached.audio_tokens or 0,
    )


def transcription_usage_of(facts: api.TranscriptionUsage | None) -> Usage:
    """In tokens or in seconds, whichever the model is billed in."""
    if facts is None:
        return Usage()
    split = facts.input_token_details or api.TokenSplit(audio_tokens=facts.input_tokens)
    return Usage(
        transcription_text_tokens=split.text_tokens or 0,
        transcription_audio_tokens=split.audio_tokens or 0,
        transcription_output_tokens=facts.output_tokens or 0,
        transcription_ms=round((facts.seconds or 0) * 1000),
    )


_WRITERS: Final[dict[type, Callable[[Interpreter, Any], list[bytes]]]] = {
    told.Ask: Interpreter._ask,
    told.Say: Interpreter._say,
    told.Cancel: Interpreter._cancel,
    told.Truncate: Interpreter._truncate,
    told.Tell: Interpreter._tell,
    told.Advise: Interpreter._advise,
    told.Remember: Interpreter._remember,
    told.Answer: Interpreter._answer,
    told.EndCallerTurn: Interpreter._end_caller_turn,
    told.ChangeSettings: Interpreter._change,
}

_READERS: Final[dict[type, Callable[[Interpreter, Any], Event | None]]] = {
    api.SpeechStarted: Interpreter._speech_started,
    api.SpeechStopped: Interpreter._speech_stopped,
    api.TimeoutTriggered: Interpreter._idled,
    api.Committed: Interpreter._committed,
    api.Transcribed: Interpreter._transcribed,
    api.TranscriptionFailed: Interpreter._transcription_failed,
    api.ResponseCreated: Interpreter._response_created,
    api.ResponseDone: Interpreter._response_done,
    api.AudioDelta: Interpreter._audio,
    api.AudioDone: Interpreter._audio_done,
    api.TranscriptDelta: Interpreter._words,
    api.TranscriptDone: Interpreter._said,
    api.OldAudioDelta: Interpreter._audio,
    api.OldAudioDone: Interpreter._audio_done,
    api.OldTranscriptDelta: Interpreter._words,
    api.OldTranscriptDone: Interpreter._said,
    api.OutputItemDone: Interpreter._item_done,
    api.Error: Interpreter._error,
}
