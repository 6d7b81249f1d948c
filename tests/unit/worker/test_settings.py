"""The worker's knobs, the keys its orgs name, and where it can be reached."""

import pytest

from callfleet.config import load_config
from callfleet.errors import ConfigFault
from callfleet.settings import read, shown
from services.worker.address import own_address
from services.worker.settings import WorkerSettings, api_keys

ENVIRON = {"CALLFLEET_SECRET": "s" * 16, "CALLFLEET_ENCRYPTION_KEYS": "11" * 32}
CONFIG = load_config(
    """
orgs:
  main: {sessions: 4}
  other: {sessions: 4, api_key_env: OTHER_KEY}
agents:
  a: {org: main, instructions: Be kind.}
"""
)


def test_the_defaults() -> None:
    settings = read(WorkerSettings, ENVIRON)
    assert (settings.slots, settings.port) == (50, 8081)
    assert settings.realtime_url == "wss://api.openai.com/v1/realtime"
    assert settings.worker_id != read(WorkerSettings, ENVIRON).worker_id
    assert shown(settings)["CALLFLEET_SECRET"] == "***"


def test_every_org_needs_its_key() -> None:
    with pytest.raises(ConfigFault) as caught:
        api_keys(CONFIG, {})
    assert len(caught.value.mistakes) == 2
    keys = api_keys(CONFIG, {"OPENAI_API_KEY": "sk-one", "OTHER_KEY": "sk-two"})
    assert keys == {"main": "sk-one", "other": "sk-two"}


def test_the_own_address_is_the_one_towards_redis() -> None:
    assert own_address("redis://127.0.0.1:6379/0") == "127.0.0.1"
    assert own_address("unix:///run/redis.sock") == "127.0.0.1"
