"""What every test gets: async tests without a plugin, and an environment of its own."""

import asyncio
import inspect
import os
from typing import Any

import pytest
from hypothesis import is_hypothesis_test

ASYNC_TEST_LIMIT_S = 60
_OURS = ("CALLFLEET_", "OPENAI_", "TWILIO_", "OTEL_", "REDIS_URL", "DATABASE_URL", "PUBLIC_URL")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what hypothesis drives, so that `make unit` stays a matter of seconds without it."""
    for item in items:
        test = getattr(item, "obj", None)
        if test is not None and is_hypothesis_test(test):
            item.add_marker("properties")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def test_...` to its end in a fresh loop, and fail it if it left a task behind."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in wanted}
    asyncio.run(_to_its_end(pyfuncitem.obj, arguments), debug=True)
    return True


async def _to_its_end(test: Any, arguments: dict[str, Any]) -> None:
    limit_s = getattr(test, "limit_s", ASYNC_TEST_LIMIT_S)
    async with asyncio.timeout(limit_s):
        await test(**arguments)
    # One turn for what was cancelled to finish; whatever runs on after that was leaked.
    await asyncio.sleep(0)
    leaked = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not leaked, f"the test left tasks running: {leaked}"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(_OURS) and name != "CALLFLEET_TEST_REDIS":
            monkeypatch.delenv(name)
