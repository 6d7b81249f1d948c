"""The events of the OpenAI Realtime API (GA) that we send. Pure.

Everything carries an `event_id`, which the API repeats in the error it may cause; the letters
before the dash say what kind of request it was. The append is made by joining bytes: it is sent
fifty times a second per call.
"""

import binascii
from typing import Any, Final

import msgspec

_APPEND_HEAD: Final = b'{"type":"input_audio_buffer.append","event_id":"audio-'
_APPEND_AUDIO: Final = b'","audio":"'
_APPEND_TAIL: Final = b'"}'


def append(number: int, audio: bytes) -> bytes:
    """The caller's next sound."""
    encoded = binascii.b2a_base64(audio, newline=False)
    return b"%b%d%b%b%b" % (_APPEND_HEAD, number, _APPEND_AUDIO, encoded, _APPEND_TAIL)


def update_session(event_id: str, session: dict[str, Any]) -> bytes:
    return _event_bytes("session.update", event_id, session=session)


def create_response(event_id: str, response: dict[str, Any]) -> bytes:
    return _event_bytes("response.create", event_id, response=response)


def cancel_response(event_id: str, response_id: str) -> bytes:
    return _event_bytes("response.cancel", event_id, response_id=response_id)


def truncate_item(event_id: str, item_id: str, audio_end_ms: int) -> bytes:
    return _event_bytes(
        "conversation.item.truncate",
        event_id,
        item_id=item_id,
        content_index=0,
        audio_end_ms=audio_end_ms,
    )


def create_item(event_id: str, item: dict[str, Any]) -> bytes:
    return _event_bytes("conversation.item.create", event_id, item=item)


def commit_audio(event_id: str) -> bytes:
    return _event_bytes("input_audio_buffer.commit", event_id)


def _event_bytes(kind: str, event_id: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "event_id": event_id, **fields})
