"""How each TwiML verb is performed on a live call. A verb returns the document that replaces the
rest, or nothing.

Verbs are cancelled when the caller hangs up or the call is changed from outside; only `<Connect>`
and `<Dial>` have something to put in order then, because Twilio asks their `action` URL even when
the call is already over.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from simulators.phone_humans import Rung, ring
from simulators.phone_leg import Leg, StreamFailed
from simulators.phone_line import Line
from simulators.phone_messages import Outgoing
from simulators.phone_report import DialledLeg, StreamLog, Turn
from simulators.phone_socket import Closed
from simulators.phone_switchboard import CallOver, Located
from simulators.phone_twiml import (
    Connect,
    Dial,
    Hangup,
    Pause,
    Play,
    Redirect,
    Say,
    Stream,
    Verb,
    stream_url_fault,
)

if TYPE_CHECKING:
    from simulators.phone_call import Call

_SAY_CHARS_PER_S = 15.0
_PLAY_MS = 2000  # how long a recording lasts; nobody fetches it


async def perform(call: Call, verb: Verb, base: str) -> Located | None:
    match verb:
        case Say():
            await _say(call, verb)
        case Play():
            await _play(call, verb)
        case Pause(length_s):
            await call.board.clock.sleep(length_s * 1000)
        case Hangup():
            raise CallOver("twiml_hangup")
        case Redirect(url, method):
            return await call.document("redirect", method, urljoin(base, url), call.form())
        case Connect():
            return await _connect(call, verb, base)
        case Dial():
            return await _dial(call, verb, base)
    return None


async def _say(call: Call, verb: Say) -> None:
    for _ in range(verb.loop or 1):
        started_ms = call.now_ms()
        length_ms = int(len(verb.text) / _SAY_CHARS_PER_S * 1000)
        call.report.spoken_by_twiml.append(verb.text)
        call.caller.listen_to_carrier(started_ms, length_ms)
        await call.board.clock.sleep(length_ms)
        turn = Turn("carrier", verb.text, started_ms, started_ms + length_ms, complete=True)
        call.report.heard.append(turn)


async def _play(call: Call, verb: Play) -> None:
    for _ in range(verb.loop or 1):
        call.report.spoken_by_twiml.append(f"[{verb.url or 'keys ' + verb.digits}]")
        call.caller.listen_to_carrier(call.now_ms(), _PLAY_MS)
        await call.board.clock.sleep(_PLAY_MS)


async def _connect(call: Call, verb: Connect, base: str) -> Located | None:
    call.streamed = True
    log = StreamLog("MZ" + uuid.uuid4().hex, verb.stream.url)
    number = len(call.report.streams)
    call.report.streams.append(log)
    outgoing = Outgoing(call.board.account_sid, call.report.call_sid, log.stream_sid)
    leg = Leg(Line(outgoing, log, call.report), log, call.caller, call.now_ms)
    try:
        await _stream(call, verb.stream, leg, (log, number, base))
    except asyncio.CancelledError:
        await _hang_up(call, verb.stream, leg, (log, base))
        if verb.action and call.caller.hung_up:
            call.report.status = "completed"
            more = ("StreamSid", log.stream_sid)
            url = urljoin(base, verb.action)
            call.tell("action (call over)", verb.method, url, call.form(more))
        raise
    if not verb.action:
        return None
    form = call.form(("StreamSid", log.stream_sid))
    return await call.document("action", verb.method, urljoin(base, verb.action), form)


async def _stream(call: Call, stream: Stream, leg: Leg, where: tuple[StreamLog, int, str]) -> None:
    """Open the stream and stay until it ends; every failure is logged, none is raised."""
    log, number, base = where
    assert call.handset is not None, "a stream belongs to an answered call"
    try:
        if fault := _stream_fault(stream):
            raise StreamFailed(*fault)
        await leg.open(stream, call.board.web, call.faults, number)
    except StreamFailed as failure:
        log.ended_by, log.ended_ms, log.close_reason = "refused", call.now_ms(), str(failure)
        call.problem(failure.code, str(failure))
        _notify(call, stream, (log, base), error=f"{failure.code} {failure}")
        return
    _notify(call, stream, (log, base), event="stream-started")
    call.handset.leg = leg
    closed = await asyncio.shield(leg.closed)
    _unplug(call)
    leg.finish()
    _account(call, stream, leg, (log, base, closed))


def _account(call: Call, stream: Stream, leg: Leg, what: tuple[StreamLog, str, Closed]) -> None:
    """Write down how a stream ended that the carrier's side did not end."""
    log, base, closed = what
    log.ended_by, log.close_code, log.close_reason = closed.by, closed.code, closed.reason
    if closed.by == "server":
        call.problem(31921, f"the server closed the stream: {closed.code} {closed.reason}")
        _notify(call, stream, (log, base), event="stream-stopped")
        return
    if closed.by == "lost":
        error = (31903, "the connection was lost")
        call.problem(*error)
    else:
        error = (31924, leg.protocol_error() or "the server broke the media stream protocol")
        if leg.protocol_error():
            call.problem(*error, violation=True)
    _notify(call, stream, (log, base), error=f"{error[0]} {error[1]}")


async def _hang_up(call: Call, stream: Stream, leg: Leg, what: tuple[StreamLog, str]) -> None:
    """The carrier ends the stream: the caller hung up, or the call was changed."""
    log, base = what
    _unplug(call)
    if not leg.is_open:
        return
    closed = await leg.hang_up()
    log.ended_by = "caller" if call.caller.hung_up else "carrier"
    log.close_code, log.close_reason = closed.code, closed.reason
    _notify(call, stream, (log, base), event="stream-stopped")


def _unplug(call: Call) -> None:
    if call.handset is not None:
        call.handset.leg = None
    call.caller.stream_lost()


def _stream_fault(stream: Stream) -> tuple[int, str] | None:
    if stream.track != "inbound_track":
        return 31941, f"track {stream.track!r} cannot be had in both directions"
    return stream_url_fault(stream.url)


def _notify(
    call: Call,
    stream: Stream,
    what: tuple[StreamLog, str],
    *,
    event: str = "stream-error",
    error: str = "",
) -> None:
    """The stream's own status callback."""
    log, base = what
    if not stream.status_callback:
        return
    form = [
        ("AccountSid", call.board.account_sid),
        ("CallSid", call.report.call_sid),
        ("StreamSid", log.stream_sid),
        ("StreamName", stream.name or log.stream_sid),
        ("StreamEvent", event),
        ("Timestamp", datetime.now(UTC).isoformat().replace("+00:00", "Z")),
    ]
    if error:
        form.append(("StreamError", error))
    url = urljoin(base, stream.status_callback)
    call.tell(event, stream.status_callback_method, url, form)


async def _dial(call: Call, verb: Dial, base: str) -> Located | None:
    call.dialled = True
    rung, started_ms, answered_ms = Rung("", "failed"), call.now_ms(), -1
    try:
        board = call.board
        rung = await ring(verb.addresses, verb.timeout_s, board.humans, board.clock)
        answered_ms = call.now_ms()
        await _talk_to(call, rung, verb)
    finally:
        over = call.caller.hung_up is not None
        duration_ms = call.now_ms() - answered_ms if answered_ms >= 0 and rung.human else 0
        status = "canceled" if over and answered_ms < 0 else rung.status
        address = rung.address or ",".join(verb.addresses)
        caller_id = verb.caller_id or call.report.caller
        leg = DialledLeg(address, status, caller_id, started_ms, duration_ms)
        call.report.dialled.append(leg)
        if over and verb.action:
            call.report.status = "completed"
            url = urljoin(base, verb.action)
            call.tell("action (call over)", verb.method, url, call.form(*_dialled(leg)))
    if rung.status == "failed":
        call.problem(13223, f"invalid phone number: {leg.address!r}", violation=True)
    if not verb.action:
        return None
    url = urljoin(base, verb.action)
    return await call.document("action", verb.method, url, call.form(*_dialled(leg)))


async def _talk_to(call: Call, rung: Rung, verb: Dial) -> None:
    """The two are connected until the human hangs up, or the time limit ends it."""
    if rung.human is None:
        return
    now_ms, human = call.now_ms(), rung.human
    talks_ms = min(human.talks_ms, verb.time_limit_s * 1000)
    call.caller.listen_to_carrier(now_ms, talks_ms)
    turn = Turn("human", human.greeting, now_ms, now_ms + talks_ms, complete=True)
    call.report.heard.append(turn)
    await call.board.clock.sleep(talks_ms)


def _dialled(leg: DialledLeg) -> list[tuple[str, str]]:
    return [
        ("DialCallStatus", leg.status),
        ("DialCallSid", "CA" + uuid.uuid4().hex),
        ("DialCallDuration", str(-(-leg.duration_ms // 1000))),
        ("DialBridged", "true" if leg.status == "completed" else "false"),
    ]
