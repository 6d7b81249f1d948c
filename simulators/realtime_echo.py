"""Echo mode, for benches: every append comes back at once as audio of one never-ending response.

Nothing is parsed or decoded on the way, so that the cost measured is that of the fleet between the
caller and here. All other client events go to the session as ever, except `response.create`, which
in this mode only begins the endless response.
"""

from simulators.realtime_session import Session

_APPEND = b'"input_audio_buffer.append"'
_CREATE = b'"response.create"'
_HEAD_BYTES = 200  # a type is named before any audio, or among few other keys


class Echo:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._head = b""
        self._deltas = 0

    async def take(self, raw: bytes) -> bool:
        """Answer this message here, if it is audio or would begin a response."""
        if _APPEND not in raw[:_HEAD_BYTES] and _APPEND not in raw[-_HEAD_BYTES:]:
            if _CREATE not in raw[:_HEAD_BYTES]:
                return False
            await self._begin()
            return True
        start = raw.find(b'"', raw.find(b":", raw.find(b'"audio"'))) + 1
        audio = raw[start : raw.find(b'"', start)]
        await self._begin()
        self._deltas += 1
        await self._session.send(
            b'%b"event_id":"event_e%x","delta":"%b"}' % (self._head, self._deltas, audio)
        )
        return True

    async def _begin(self) -> None:
        if self._head:
            return
        session = self._session
        response_id, item_id = session.new_id("resp"), session.new_id("item")
        self._head = (
            '{"type":"response.output_audio.delta","content_index":0,"output_index":0,'
            f'"response_id":"{response_id}","item_id":"{item_id}",'
        ).encode()
        response = {
            "object": "realtime.response",
            "id": response_id,
            "status": "in_progress",
            "output": [],
        }
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        await session.emit("response.created", response=response)
        await session.emit(
            "response.output_item.added", response_id=response_id, output_index=0, item=item
        )
        await session.emit("conversation.item.added", previous_item_id=None, item=item)
        await session.emit(
            "response.content_part.added",
            response_id=response_id,
            item_id=item_id,
            output_index=0,
            content_index=0,
            part={"type": "audio", "transcript": ""},
        )
