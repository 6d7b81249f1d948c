"""The environment as typed values: every mistake at once, no secret anywhere."""

import base64
from dataclasses import dataclass
from pathlib import Path

import pytest

from callfleet.config import load_config
from callfleet.errors import ConfigFault
from callfleet.settings import (
    ServiceSettings,
    address,
    boolean,
    choice,
    describe,
    duration,
    knob,
    named_secrets,
    number,
    origin,
    port,
    read,
    read_config_file,
    read_one,
    shown,
    whole,
)
from callfleet.settings_parse import keys, without_credentials
from services.analytics.settings import AnalyticsSettings
from services.gateway.settings import GatewaySettings
from services.worker.settings import WorkerSettings, api_keys

KEY = base64.b64encode(b"k" * 32).decode()
ENVIRON = {
    "CALLFLEET_SECRET": "a-secret-of-some-length",
    "CALLFLEET_ENCRYPTION_KEYS": KEY,
    "PUBLIC_URL": "https://voice.example.com/",
    "TWILIO_AUTH_TOKEN": "0123456789abcdef0123456789abcdef",
    "OPENAI_API_KEY": "sk-live-123456",
}


@dataclass(frozen=True, kw_only=True)
class Kettle:
    """Settings of something that is no part of Callfleet."""

    litres: int = knob("KETTLE_LITRES", 2, parse=whole(1, 5), help="How much.")
    boil_s: float = knob("KETTLE_BOIL", 90.0, parse=duration, help="How long.")
    loud: bool = knob("KETTLE_LOUD", False, parse=boolean, help="Whistle.")
    owner: str = knob("KETTLE_OWNER", help="Whose.")
    code: str = knob("KETTLE_CODE", secret=True, help="Opens it.")
    url: str = knob("KETTLE_URL", "", parse=address("http"), help="Where.")
    serial: str = knob("KETTLE_SERIAL", make=lambda: "made", help="Which.")


def mistakes(cls: type, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigFault) as caught:
        read(cls, environ)
    return caught.value.mistakes


def test_values_are_read_by_their_types_and_defaults_fill_the_rest() -> None:
    environ = {"KETTLE_OWNER": " Ann ", "KETTLE_CODE": "1234567", "KETTLE_BOIL": "2m"}
    kettle = read(Kettle, environ)
    assert (kettle.owner, kettle.boil_s, kettle.litres) == ("Ann", 120.0, 2)
    assert (kettle.loud, kettle.serial) == (False, "made")


def test_every_mistake_is_told_at_once_without_the_value() -> None:
    environ = {"KETTLE_LITRES": "9-secret", "KETTLE_LOUD": "perhaps", "KETTLE_CODE": ""}
    assert mistakes(Kettle, environ) == [
        "KETTLE_LITRES: must be a whole number from 1 to 5",
        "KETTLE_LOUD: must be true or false",
        "KETTLE_OWNER: is required: Whose.",
        "KETTLE_CODE: is required: Opens it.",
    ]


def test_an_empty_variable_counts_as_absent() -> None:
    environ = {"KETTLE_LITRES": "  ", "KETTLE_OWNER": "Ann", "KETTLE_CODE": "1234567"}
    assert read(Kettle, environ).litres == 2


def test_one_knob_can_be_read_alone() -> None:
    assert read_one(Kettle, "litres", {"KETTLE_LITRES": "3"}) == 3
    assert read_one(Kettle, "serial", {}) == "made"
    with pytest.raises(ConfigFault, match="KETTLE_OWNER: is required"):
        read_one(Kettle, "owner", {})


def test_secrets_are_neither_shown_nor_in_a_repr() -> None:
    environ = {
        "KETTLE_OWNER": "Ann",
        "KETTLE_CODE": "opensesame",
        "KETTLE_URL": "http://ann:opensesame@host:80/x",
    }
    kettle = read(Kettle, environ)
    assert shown(kettle)["KETTLE_CODE"] == "***"
    assert shown(kettle)["KETTLE_URL"] == "http://***@host:80/x"
    assert "opensesame" not in f"{kettle!r}{shown(kettle)}"


def test_knobs_describe_themselves() -> None:
    about = {one.env: one for one in describe(Kettle)}
    assert about["KETTLE_BOIL"].default == "90"
    assert about["KETTLE_LOUD"].default == "false"
    assert about["KETTLE_OWNER"].default is None
    assert about["KETTLE_CODE"].secret


@pytest.mark.parametrize("settings", [GatewaySettings, WorkerSettings, AnalyticsSettings])
def test_each_service_starts_from_a_plain_environment(settings: type[ServiceSettings]) -> None:
    ready = read(settings, ENVIRON)
    assert ready.drain_timeout_s > 0
    for secret in ("a-secret-of-some-length", KEY, "0123456789abcdef", "sk-live"):
        assert secret not in f"{ready!r}{shown(ready)}"


@pytest.mark.parametrize("settings", [GatewaySettings, WorkerSettings, AnalyticsSettings])
def test_every_knob_says_what_it_is_and_has_one_name(settings: type[ServiceSettings]) -> None:
    knobs = describe(settings)
    assert all(one.help.endswith(".") for one in knobs)
    names = [one.env for one in knobs]
    assert len(set(names)) == len(names)


def test_no_service_starts_without_its_secrets() -> None:
    told = mistakes(GatewaySettings, {"CALLFLEET_SECRET": "short"})
    assert [one.split(":")[0] for one in told] == [
        "CALLFLEET_SECRET",
        "CALLFLEET_ENCRYPTION_KEYS",
        "PUBLIC_URL",
        "TWILIO_AUTH_TOKEN",
    ]
    assert "short" not in "".join(told)


def test_the_public_url_is_an_origin_as_carriers_sign_it() -> None:
    assert origin("https://voice.example.com/") == "https://voice.example.com"
    assert origin("http://localhost:8080") == "http://localhost:8080"
    assert origin("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    "raw",
    [
        *("http://voice.example.com", "voice.example.com", "https://", "https://a/b"),
        *("https://a?b", "https://u:p@a", "https://a:x", "wss://a", "https://[", "https://a#b"),
    ],
)
def test_what_carriers_could_not_dial_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="must be https://host") as caught:
        origin(raw)
    assert raw not in str(caught.value).replace("https://host", "")


@pytest.mark.parametrize(
    ("raw", "seconds"), [("30", 30), ("30s", 30), ("500ms", 0.5), ("5m", 300), ("1.5 h", 5400)]
)
def test_durations_have_units(raw: str, seconds: float) -> None:
    assert duration(raw) == seconds


@pytest.mark.parametrize("raw", ["", "-1", "5 minutes", "1e9", "h", "inf"])
def test_other_durations_are_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="must be a time like"):
        duration(raw)


def test_the_small_parsers() -> None:
    assert [boolean(raw) for raw in ("1", "TRUE", "no", "off")] == [True, True, False, False]
    assert choice("json", "plain")("JSON") == "json"
    assert port("0") == 0
    assert number(0, 1)("0.5") == 0.5
    for parse, raw in ((port, "65536"), (port, "80.0"), (port, "٣x"), (number(0, 1), "nan")):
        with pytest.raises(ValueError, match="must be a"):
            parse(raw)


def test_addresses_name_their_scheme_and_a_host() -> None:
    redis = address("redis", "rediss", "unix")
    for raw in ("redis://h:1/0", "rediss://u:p@h", "unix:///run/redis.sock"):
        assert redis(raw) == raw
    for raw in ("http://h", "redis://", "h:6379", "redis://h:port", "unix://"):
        with pytest.raises(ValueError, match="must be a URL: redis"):
            redis(raw)


def test_encryption_keys_are_32_bytes_each() -> None:
    url_safe = base64.urlsafe_b64encode(b"\xfb" * 32).decode().rstrip("=")
    assert keys(f"{KEY}, {'ab' * 32},{url_safe}")
    for raw in ("short", f"{KEY},", KEY[:-4], "zz" * 32):
        with pytest.raises(ValueError, match=r"key \d must be 32 bytes in base64 or hex"):
            keys(raw)


def test_credentials_leave_a_url_and_nothing_else() -> None:
    assert without_credentials("postgresql://u:p%40@h:5/db?x=1") == "postgresql://***@h:5/db?x=1"
    assert without_credentials("redis://:p@h") == "redis://***@h"
    for plain in ("callfleet.yaml", "https://host/a@b", "sqlite+aiosqlite:///x.db", "http://["):
        assert without_credentials(plain) == plain


def test_keys_that_the_file_names_are_all_there_or_all_told() -> None:
    config = load_config(
        "orgs: {one: {sessions: 1, api_key_env: ONE}, two: {sessions: 1, api_key_env: TWO}}\n"
        "agents: {a: {org: one, instructions: x}}"
    )
    assert api_keys(config, {"ONE": "1", "TWO": " 2 "}) == {"one": "1", "two": "2"}
    with pytest.raises(ConfigFault) as caught:
        api_keys(config, {"TWO": " "})
    assert caught.value.mistakes == ["ONE: is required by org one", "TWO: is required by org two"]
    assert named_secrets({}, {}) == {}


def test_the_files_mistakes_carry_its_name(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    with pytest.raises(ConfigFault, match="No such file or directory: set CALLFLEET_CONFIG"):
        read_config_file(str(file))
    with pytest.raises(ConfigFault, match="Is a directory"):
        read_config_file(str(tmp_path))
    file.write_bytes(b"orgs: \xff")
    with pytest.raises(ConfigFault, match=r"is not UTF-8 text \(byte 6\)"):
        read_config_file(str(file))
    file.write_text("orgs: 3")
    with pytest.raises(ConfigFault) as caught:
        read_config_file(str(file))
    assert all(told.startswith(f"{file}: ") for told in caught.value.mistakes)
