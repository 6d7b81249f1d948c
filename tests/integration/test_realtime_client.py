"""The session's client against the simulated API: every way it opens, fails and closes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import ANY

import pytest
from aiohttp import web

from callfleet.audio import PCMU
from callfleet.config import Agent
from services.worker import dialogue as told
from services.worker import realtime, realtime_socket
from services.worker.account import SessionAccount
from services.worker.agents import merged, session_settings
from services.worker.dialogue import Event, Failure
from services.worker.endpoint import Endpoint
from services.worker.line import KEPT_MS, Line
from services.worker.realtime import Session
from simulators.realtime import RealtimeSimulator
from simulators.speech import silence, speak
from tests.realtime_conformance import Recorder

AGENT = Agent(name="receptionist", org="main", instructions="You work for Acme Clinic.")


class Ear:
    """What the session tells its conversation."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._came.set()

    async def until(self, wanted: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(10):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._came.clear()
                await self._came.wait()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Nobody:
    """An `Account` that keeps nothing."""

    suspect = False

    def note(self, said: object) -> None: ...
    def spend(self, tokens: int) -> None: ...
    def remain(self, limits: object) -> None: ...


@asynccontextmanager
async def a_session(
    url: str,
    *,
    key: str = "sk-simulated",
    model: str = AGENT.model,
    live: bool = True,
    **session: Any,
) -> AsyncIterator[tuple[Session, Ear, asyncio.Task[None]]]:
    agent = Agent(name="receptionist", org="main", instructions="You work for Acme Clinic.")
    # Past the file's own checks: some of these the API is meant to refuse.
    settings = merged(session_settings(agent, PCMU), session)
    account = SessionAccount(Nobody())  # type: ignore[arg-type] # in memory
    one = Session(Endpoint(url, key), model=model, settings=settings, fmt=PCMU, account=account)
    ear = Ear()
    living = asyncio.create_task(one.live(ear) if live else asyncio.sleep(0))
    try:
        yield one, ear, living
    finally:
        await one.close()
        await living


def ready(event: Event) -> bool:
    return isinstance(event, told.SessionReady)


def failed(event: Event) -> bool:
    return isinstance(event, told.SessionFailed)


async def test_a_question_is_answered_in_the_conversations_words() -> None:
    recorder = Recorder()
    async with (
        RealtimeSimulator(observer=recorder) as api,
        a_session(api.url) as (session, ear, _),
    ):
        await ear.until(ready)
        sound = speak("What are your opening hours?") + silence(900)
        for at in range(0, len(sound), 160):
            session.append(sound[at : at + 160])
        await ear.until(lambda event: isinstance(event, told.AgentTurnDone))
        words = await ear.until(lambda event: isinstance(event, told.CallerWords))
    recorder.assert_conforming()
    assert isinstance(words, told.CallerWords)
    assert words.turn == ear.of(told.CallerTurnEnded)[0].turn
    assert words.text == "What are your opening hours?"
    assert words.usage.transcription_audio_tokens > 0
    assert (
        "".join(event.text for event in ear.of(told.AgentWords)) == ear.of(told.AgentSaid)[0].text
    )
    assert ear.of(told.AgentAudio)
    assert session.id.startswith("sess_")


@pytest.mark.parametrize(
    ("row", "failure"),
    [
        ("invalid_api_key", Failure.REFUSED),
        ("insufficient_quota", Failure.REFUSED),
        ("billing_hard_limit_reached", Failure.REFUSED),
        ("account_deactivated", Failure.REFUSED),
        ("model_not_found", Failure.REFUSED),
        ("too_many_sessions", Failure.LOST),
        ("server_error", Failure.LOST),
        ("going_away", Failure.LOST),
        ("session_expired", Failure.EXPIRED),
    ],
)
async def test_refusals_after_the_upgrade(row: str, failure: Failure) -> None:
    async with RealtimeSimulator() as api:
        api.arm("refuse", 1, row=row)
        async with a_session(api.url) as (_, ear, living):
            await living
            assert ear.events == [told.SessionFailed(failure)]


@pytest.mark.parametrize(
    ("status", "failure"), [(401, Failure.REFUSED), (429, Failure.LOST), (503, Failure.LOST)]
)
async def test_refusals_of_the_upgrade(status: int, failure: Failure) -> None:
    async with RealtimeSimulator() as api:
        api.arm("refuse", 1, status=status)
        async with a_session(api.url) as (_, ear, living):
            await living
            assert ear.events == [told.SessionFailed(failure)]


async def test_nobody_there() -> None:
    async with a_session("ws://127.0.0.1:9/v1/realtime") as (_, ear, living):
        await living
        assert ear.events == [told.SessionFailed(Failure.LOST)]


async def test_settings_the_api_does_not_take_are_our_mistake() -> None:
    async with (
        RealtimeSimulator(expect_violations=True) as api,
        a_session(api.url, tempperature=0.8) as (_, ear, living),
    ):
        await living
        assert ear.events == [told.SessionFailed(Failure.MISCONFIGURED)]


async def test_an_api_that_never_agrees_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "CONFIGURE_LIMIT_S", 0.2)
    async with RealtimeSimulator() as api:
        api.arm("never_session_updated", 1)
        async with a_session(api.url) as (_, ear, living):
            await living
            assert ear.events == [told.SessionFailed(Failure.LOST)]


async def test_a_session_that_drops_says_so_once() -> None:
    async with RealtimeSimulator() as api:
        api.arm("drop", 1, at="response")
        async with a_session(api.url) as (session, ear, living):
            await ear.until(ready)
            session.perform(told.Ask())
            await living
            assert ear.of(told.SessionFailed) == [told.SessionFailed(Failure.LOST)]


async def test_events_nobody_knows_are_passed_over() -> None:
    async with RealtimeSimulator() as api:
        api.arm("unknown_event", 1)
        async with a_session(api.url) as (session, ear, _):
            await ear.until(ready)
            session.perform(told.Ask())
            await ear.until(lambda event: isinstance(event, told.AgentTurnDone))
            assert not ear.of(told.SessionFailed)


async def test_the_session_closes_without_a_complaint_at_any_moment() -> None:
    async with RealtimeSimulator() as api:
        async with a_session(api.url) as (_, ear, _):
            pass  # before it is even connected
        assert ear.events == []
        async with a_session(api.url) as (_, ear, _):
            await ear.until(ready)
        assert ear.events == [told.SessionReady(lifetime_ms=ANY)]


async def test_only_the_latest_early_sound_is_kept() -> None:
    async with RealtimeSimulator() as api:
        api.arm("slow", 1, at="connect", delay_s=0.3)
        async with a_session(api.url, live=False) as (session, ear, _):
            line = Line(lambda: session, PCMU)
            living = asyncio.create_task(line.live(ear))
            for number in range(600):  # twelve seconds
                line.append(bytes([number % 256]) * 160)
            await ear.until(ready)
            line.perform(told.Hear())
            assert session._interpreter._sent == PCMU.bytes(KEPT_MS)
            await line.close()
            await living


async def test_a_socket_that_does_not_drain_costs_sound_not_memory() -> None:
    async with _frozen_api() as url, a_session(url) as (session, ear, _):
        await ear.until(ready)
        loud = bytes(160)
        for _ in range(200_000):
            session.append(loud)
        assert session._socket.unsent_bytes < 40_000


async def test_an_api_that_falls_silent_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "PING_EVERY_S", 0.2)
    monkeypatch.setattr(realtime_socket, "PONG_LIMIT_S", 0.2)
    async with _frozen_api() as url, a_session(url) as (_, ear, living):
        await living
        assert ear.events == [told.SessionReady(), told.SessionFailed(Failure.LOST)]


async def test_an_api_that_only_listens_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime_socket, "PING_EVERY_S", 0.2)
    monkeypatch.setattr(realtime_socket, "PONG_LIMIT_S", 0.2)
    async with RealtimeSimulator() as api, a_session(api.url) as (_, ear, _):
        await ear.until(ready)
        await asyncio.sleep(0.7)
        assert ear.events == [told.SessionReady(lifetime_ms=ANY)]


@asynccontextmanager
async def _frozen_api() -> AsyncIterator[str]:
    """An API that agrees to everything and then reads no more."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        await ws.send_json({"type": "session.created", "session": {"id": "sess_1"}})
        await ws.receive()
        await ws.send_json({"type": "session.updated", "session": {"id": "sess_1"}})
        assert request.transport is not None
        request.transport.pause_reading()
        await asyncio.sleep(5)
        return ws

    app = web.Application()
    app.router.add_get("/v1/realtime", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/v1/realtime"
    finally:
        await runner.cleanup()


def test_who_we_say_we_are() -> None:
    openai = Endpoint("wss://api.openai.com/v1/realtime", "sk-secret")
    azure = Endpoint("wss://acme.openai.azure.com/openai/v1/realtime", "az-secret")
    assert Endpoint("wss://acme.openai.azure.us/v1", "k").headers() == {"api-key": "k"}
    assert openai.headers() == {"Authorization": "Bearer sk-secret"}
    assert azure.headers() == {"api-key": "az-secret"}
    assert str(openai.address("gpt-realtime-2.1")) == (
        "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
    )
    assert "secret" not in repr(openai)
