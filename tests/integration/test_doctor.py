"""The doctor against real things that are well, ill, slow and absent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from services import cli, doctor
from services.analytics.database import Database
from services.config_cli import SETTINGS
from services.doctor_findings import Finding, Mark, as_data, as_text, verdict
from simulators.chat import ChatSimulator
from simulators.realtime import RealtimeSimulator
from simulators.redis_server import RedisServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "callfleet.yaml"
KEY = "sk-simulated"
ENVIRON = {
    "CALLFLEET_CONFIG": str(EXAMPLE),
    "CALLFLEET_SECRET": "a-secret-of-some-length",
    "CALLFLEET_ENCRYPTION_KEYS": "ab" * 32,
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "OPENAI_API_KEY": KEY,
}
NOBODY = "127.0.0.1:1"


async def examine(*services: str, limit_s: float = 5.0, **changes: str) -> dict[str, Finding]:
    """Findings by subject; what is not asked about leads to nobody."""
    nowhere = {
        "REDIS_URL": f"redis://u:hush-hush@{NOBODY}/0",
        "OPENAI_REALTIME_URL": f"ws://{NOBODY}/v1/realtime",
        "OPENAI_BASE_URL": f"http://{NOBODY}/v1",
        "PUBLIC_URL": f"http://{NOBODY}",
    }
    chosen = services or tuple(SETTINGS)
    environ = {**ENVIRON, **nowhere, **changes}
    findings = await doctor.examine(environ, chosen, limit_s=limit_s)
    told = as_text(findings, colour=False) + json.dumps(as_data(findings))
    for secret in ("hush-hush", KEY, ENVIRON["CALLFLEET_SECRET"], ENVIRON["TWILIO_AUTH_TOKEN"]):
        assert secret not in told
    assert all(one.remedy for one in findings if one.mark is not Mark.GOOD)
    return {one.subject: one for one in findings}


@asynccontextmanager
async def webhook(status: int) -> AsyncIterator[str]:
    """Something at the public address that answers every webhook alike."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/twilio/voice", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_healthy_fleet_is_all_good(tmp_path: Path) -> None:
    database_url = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    database = Database(database_url)
    await database.migrate()
    await database.close()
    with RedisServer(options={"appendonly": "yes"}) as redis:
        async with RealtimeSimulator() as realtime, ChatSimulator() as chat, webhook(403) as public:
            found = await examine(
                REDIS_URL=redis.url,
                DATABASE_URL=database_url,
                OPENAI_REALTIME_URL=realtime.url,
                OPENAI_BASE_URL=chat.url,
                PUBLIC_URL=public,
                CALLFLEET_SCORING_MODEL="gpt-4.1-mini",
            )
        realtime.assert_clean()
        assert chat.violations == []
    assert {one.mark for one in found.values()} == {Mark.GOOD}
    assert set(found) == {
        *("file", "environment", "twilio", "redis", "redis memory", "redis persistence"),
        *("database", "realtime main gpt-realtime-2.1", "realtime main gpt-realtime-2.1-mini"),
        *("scoring", "successor", "public url"),
    }
    assert "3 agents, 3 numbers" in found["file"].told
    assert "schema" in found["database"].told


async def test_when_nothing_is_there_everything_is_told_and_nothing_made(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    found = await examine(DATABASE_URL=f"sqlite+aiosqlite:///{file}")
    bad = {one.subject for one in found.values() if one.mark is Mark.BAD}
    assert bad == {
        *("redis", "scoring", "successor"),
        *("realtime main gpt-realtime-2.1", "realtime main gpt-realtime-2.1-mini"),
    }
    assert "will be created" in found["database"].told
    assert found["public url"].mark is Mark.WARNING
    assert not file.exists()
    nowhere = await examine("analytics", DATABASE_URL="sqlite:////nowhere/calls.db")
    assert nowhere["database"].mark is Mark.BAD


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ("invalid_api_key", "put a valid key into OPENAI_API_KEY"),
        ("insufficient_quota", "add credit to the account behind OPENAI_API_KEY"),
        ("model_not_found", "write a Realtime model"),
    ],
)
async def test_a_realtime_refusal_is_named_by_its_close_reason(row: str, remedy: str) -> None:
    async with RealtimeSimulator() as realtime:
        realtime.arm("refuse", 2, row=row)
        found = await examine("worker", OPENAI_REALTIME_URL=realtime.url)
    refused = found["realtime main gpt-realtime-2.1"]
    assert refused.mark is Mark.BAD
    assert f".{row}" in refused.told or refused.told.endswith(row)
    assert refused.remedy.startswith(remedy)


async def test_a_wrong_key_and_an_unknown_model_are_found_without_help(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "orgs: {one: {sessions: 1}, two: {sessions: 1, api_key_env: OTHER}}\n"
        "agents:\n"
        "  a: {org: one, instructions: x, model: gpt-imaginary}\n"
        "  b: {org: two, instructions: x}\n"
    )
    config = str(file)
    async with RealtimeSimulator() as realtime:
        url = realtime.url
        found = await examine("worker", CALLFLEET_CONFIG=config, OPENAI_REALTIME_URL=url, OTHER="k")
        assert "model_not_found" in found["realtime one gpt-imaginary"].told
        assert "invalid_api_key" in found["realtime two gpt-realtime-2.1"].told
        assert "OTHER" in found["realtime two gpt-realtime-2.1"].remedy
        absent = await examine("worker", CALLFLEET_CONFIG=config, OPENAI_REALTIME_URL=url)
        assert absent["realtime two gpt-realtime-2.1"].told == "OTHER is empty"
    assert found["file"].mark is Mark.WARNING  # no number leads to an agent


async def test_what_works_only_for_now_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(
        "orgs: {one: {sessions: 1}}\n"
        "agents: {a: {instructions: x, model: gpt-realtime}}\n"
        'numbers: {"+15551230001": a}\n'
    )
    async with RealtimeSimulator() as realtime:
        url = realtime.url
        found = await examine("worker", CALLFLEET_CONFIG=str(file), OPENAI_REALTIME_URL=url)
    assert found["file"].mark is Mark.WARNING
    assert "gpt-realtime is shut down on 2027-01-20" in found["file"].told


async def test_a_handshake_that_is_refused_is_told_by_its_status() -> None:
    async with RealtimeSimulator() as realtime:
        realtime.arm("refuse", 2, status=503)
        found = await examine("worker", OPENAI_REALTIME_URL=realtime.url)
    assert found["realtime main gpt-realtime-2.1"].told == "answered HTTP 503"


async def test_the_scoring_models_last_day_is_told_ahead() -> None:
    async with ChatSimulator() as chat:
        chat.models.change("gpt-4o-mini", {"shutdown_date": "2999-01-14"})
        found = await examine("analytics", OPENAI_BASE_URL=chat.url)
        assert "announced to end on 2999-01-14" in found["scoring"].told
        chat.models.change("gpt-4o-mini", {"shutdown_date": "2001-01-14"})
        found = await examine("analytics", OPENAI_BASE_URL=chat.url)
        assert found["scoring"].told == "gpt-4o-mini was shut down on 2001-01-14"
        chat.models.change("gpt-4o-mini", {"gone": True})
        found = await examine("analytics", OPENAI_BASE_URL=chat.url)
        assert found["scoring"].told == "unknown model gpt-4o-mini"
        found = await examine("analytics", OPENAI_BASE_URL=chat.url, OPENAI_API_KEY="sk-other1")
        assert "the key was refused (HTTP 401)" in found["scoring"].told


async def test_a_redis_that_would_lose_things_is_told() -> None:
    options = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    with RedisServer(options=options) as redis:
        found = await examine("gateway", REDIS_URL=redis.url)
        assert found["redis"].mark is Mark.GOOD
        assert "allkeys-lru" in found["redis memory"].told
        assert found["redis memory"].mark is Mark.BAD
        assert found["redis persistence"].told == "nothing is kept over a restart"
        assert found["redis persistence"].mark is Mark.WARNING


async def test_a_replica_and_a_refused_login_are_told() -> None:
    with RedisServer() as primary:
        client = primary.client()
        client.config_set("requirepass", "hush-hush")
        client.close()
        url = f"redis://:wrong@127.0.0.1:{primary.port}/0"
        assert (await examine("gateway", REDIS_URL=url))["redis"].told == "refused the login"
    with RedisServer() as replica:
        client = replica.client()
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        client.close()
        found = await examine("gateway", REDIS_URL=replica.url)
        assert found["redis role"].mark is Mark.BAD


async def test_an_old_and_an_unknown_schema_are_told(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    database = Database(url)
    await database.migrate("0001")
    found = await examine("analytics", DATABASE_URL=url)
    assert "is behind" in found["database"].told
    async with database.write() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    found = await examine("analytics", DATABASE_URL=url)
    assert found["database"].mark is Mark.BAD
    assert "newer than this version knows" in found["database"].told
    async with database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM alembic_version")
    found = await examine("analytics", DATABASE_URL=url)
    assert "empty" in found["database"].told
    await database.close()


@pytest.mark.parametrize(
    ("status", "mark"), [(403, Mark.GOOD), (200, Mark.BAD), (404, Mark.WARNING)]
)
async def test_the_public_address_must_refuse_what_nobody_signed(status: int, mark: Mark) -> None:
    async with webhook(status) as public:
        assert (await examine("gateway", PUBLIC_URL=public))["public url"].mark is mark


async def test_whoever_takes_too_long_is_told_and_holds_nobody_up() -> None:
    async with ChatSimulator() as chat:
        loop = asyncio.get_running_loop()
        # Whoever connects is accepted and never told anything.
        async with await loop.create_server(asyncio.Protocol, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            found = await examine(
                "worker",
                "analytics",
                limit_s=0.3,
                OPENAI_REALTIME_URL=f"ws://127.0.0.1:{port}/v1/realtime",
                OPENAI_BASE_URL=chat.url,
            )
    assert found["realtime main gpt-realtime-2.1"].told == "no answer within 0.3 s"
    assert found["successor"].mark is Mark.GOOD


async def test_mistakes_are_told_one_by_one_and_the_rest_is_still_asked(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("orgs: {main: {sessions: 0}}\nagents: {a: {instructions: ''}}")
    environ = {"CALLFLEET_CONFIG": str(file), "PUBLIC_URL": "voice.example.com"}
    findings = await doctor.examine(environ, list(SETTINGS), limit_s=5.0)
    subjects = [one.subject for one in findings if one.mark is Mark.BAD]
    assert subjects.count("file") == 2
    assert subjects.count("environment") == 5  # each once, though services share them
    assert "redis" in {one.subject for one in findings}
    assert not verdict(findings)


def test_the_command_prints_marks_remedies_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://{NOBODY}/0")
    monkeypatch.setenv("CALLFLEET_CONFIG", str(EXAMPLE))
    assert cli.main(["doctor", "--for", "gateway"]) == 1
    told = capsys.readouterr().out
    assert "✓ file" in told
    assert "✗ redis" in told
    assert "-> check REDIS_URL" in told
    assert "to mend" in told
    assert cli.main(["doctor", "--for", "gateway", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["ok"] is False
    assert {one["mark"] for one in data["findings"]} == {"good", "bad"}
