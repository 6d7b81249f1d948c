"""`callfleet slots` against a real Redis: what an operator sees and changes."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from callfleet.calls import CallId
from callfleet.errors import ConfigFault
from callfleet.slots import OrgLimits, Slots, slot_keys
from services import slots_cli

CONFIG = """
orgs: {main: {sessions: 3, queue: {max_waiting: 5}}}
agents: {a: {org: main, sessions: 1, vertical: test, instructions: Be kind.}}
"""


@pytest.fixture
def fleet(redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Two live calls and a waiting one, and the environment of an operator."""
    path = tmp_path / "callfleet.yaml"
    path.write_text(CONFIG)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("CALLFLEET_CONFIG", str(path))

    async def busy() -> None:
        async with Redis.from_url(redis_url) as redis:
            slots = Slots(redis)
            await slots.configure("main", OrgLimits(3, {"a": 1}, max_waiting=5))
            for number, agent in enumerate("aab"):
                call = CallId(f"c{number}")
                await slots.acquire("main", agent, call, holder="worker-7", wait=True)

    asyncio.run(busy())
    return redis_url


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    slots_cli.add_arguments(parser)
    return slots_cli.run(parser.parse_args(words))


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert run("show", "--json") == 0
    return json.loads(capsys.readouterr().out)["main"]


def test_it_shows_every_org_of_the_file(fleet: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["main", "(all)", "3", "3", "2", "1", "of", "5"] in [row[:8] for row in rows]
    assert ["main", "a", "1", "1", "1", "0.0", "s"] in [[*row[:5], "0.0", *row[6:]] for row in rows]
    assert "held by worker-7 2" in out


def test_a_limit_is_changed_and_given_back_to_the_file(
    fleet: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("set", "main", "1") == 0
    out = capsys.readouterr().out
    assert "1 (file: 3)" in out
    assert "1 above the limit" in out
    assert run("set", "main", "2", "--agent", "a") == 0
    assert shown(capsys)["agents"]["a"]["limit"] == 2
    assert run("set", "main", "file") == 0
    assert shown(capsys)["limit"] == 3


def test_a_mended_key_is_told(fleet: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def refused(for_s: float) -> None:
        async with Redis.from_url(fleet) as redis:
            await Slots(redis).open_circuit("main", "invalid_api_key", for_s=for_s)

    asyncio.run(refused(0))
    assert run() == 0
    assert "half open, one call at a time tries: invalid_api_key" in capsys.readouterr().out
    assert run("close", "main") == 0
    assert "circuit" not in capsys.readouterr().out
    asyncio.run(refused(60))
    assert run() == 0
    assert "main: circuit open for" in capsys.readouterr().out


def test_an_unknown_org_is_the_operators_mistake(fleet: str) -> None:
    with pytest.raises(ConfigFault, match="nobody"):
        run("set", "nobody", "3")
    with pytest.raises(ConfigFault, match="nobody"):
        run("close", "nobody")
    with pytest.raises(SystemExit):
        run("set", "main", "many")


def test_an_audit_repairs_what_drifted(fleet: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def meddle() -> None:
        keys = dict(zip(("config", "leases", "owners", "counts"), slot_keys("main"), strict=False))
        async with Redis.from_url(fleet, decode_responses=True) as redis:
            await redis.hset(keys["counts"], "a:b", "7")
            await redis.hset(keys["counts"], "h:ghost", "2")
            await redis.zadd(keys["leases"], {"nobodys": 2e15})

    asyncio.run(meddle())
    assert run("audit") == 0
    out = capsys.readouterr().out
    for finding in ("b counted 7, has 1", "ghost counted 2, has 0", "1 leases without owner"):
        assert finding in out
    assert run("audit", "main") == 0
    assert capsys.readouterr().out == "main: no drift\n"
    assert shown(capsys)["live"] == 2
