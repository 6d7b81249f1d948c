"""`callfleet doctor`: is everything in place that a call will need? Asked before callers ask.

File, environment, Redis, database, Realtime and scoring endpoints, the public address: all at once,
each limited in time, each reported with a mark and, where something is amiss, a remedy. It changes
nothing and creates nothing. Exit code 0 when nothing is bad, 1 otherwise.
"""

import argparse
import asyncio
import datetime
import json
import re
import sys
from collections.abc import Awaitable, Collection, Mapping
from typing import Any, Final

import aiohttp

from callfleet.config import Config
from callfleet.errors import ConfigFault
from callfleet.settings import describe, environment, read, read_config_file, read_one
from callfleet.telemetry_redaction import Redactor, told
from services.analytics.settings import AnalyticsSettings
from services.config_cli import SETTINGS
from services.doctor_findings import (
    Finding,
    as_data,
    as_text,
    bad,
    cleaned,
    good,
    verdict,
    warning,
)
from services.doctor_openai import check_model, check_session
from services.doctor_stores import check_database, check_redis
from services.gateway.hold_audio import hold_loops
from services.gateway.settings import GatewaySettings
from services.worker.settings import WorkerSettings

LIMIT_S: Final = 5.0
Question = tuple[str, Awaitable[Finding | list[Finding]]]
_TWILIO_TOKEN = re.compile(r"[0-9a-f]{32}\Z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--for",
        dest="services",
        action="append",
        choices=list(SETTINGS),
        help="only what this service needs, as inside its container; may be given again",
    )


def run(parsed: argparse.Namespace) -> int:
    environ = environment()
    findings = asyncio.run(examine(environ, parsed.services or list(SETTINGS)))
    if parsed.json:
        sys.stdout.write(json.dumps(as_data(findings), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(as_text(findings, colour=sys.stdout.isatty()))
    return 0 if verdict(findings) else 1


async def examine(
    environ: Mapping[str, str], services: Collection[str], *, limit_s: float = LIMIT_S
) -> list[Finding]:
    """Everything those services need that can be asked with what is configured."""
    config, findings = _file(environ, services)
    findings += _environment(environ, services)
    asked = _stores(environ, services)
    if "worker" in services:
        asked += _sessions(environ, config)
    if "analytics" in services:
        asked += _scoring(environ)
    if "gateway" in services:
        findings += _twilio(environ)
        asked += _public_url(environ)
    limited = [_limited(subject, check, limit_s) for subject, check in asked]
    for answer in await asyncio.gather(*limited):
        findings += answer
    return cleaned(findings, Redactor(_secrets(environ, config)))


def _file(
    environ: Mapping[str, str], services: Collection[str]
) -> tuple[Config | None, list[Finding]]:
    path = environ.get("CALLFLEET_CONFIG", "").strip() or "callfleet.yaml"
    try:
        config = read_config_file(path)
    except ConfigFault as fault:
        remedy = "correct it; `callfleet config schema` helps your editor"
        return None, [bad("file", mistake, remedy) for mistake in fault.mistakes]
    findings = [bad("hold audio", *told) for told in _unplayable(config, path, services)]
    agents, numbers = len(config.agents), len(config.numbers)
    findings.insert(0, good("file", f"{path}: {agents} agents, {numbers} numbers"))
    remedy = "it works for now: write what the warning names"
    findings += [warning("file", told_so, remedy) for told_so in config.warnings]
    if not config.numbers:
        told_so, remedy = "no number leads to an agent", "add `numbers` to the file"
        findings.append(warning("file", told_so, remedy))
    return config, findings


def _unplayable(config: Config, path: str, services: Collection[str]) -> list[tuple[str, str]]:
    """Only gateways play sounds, so only they need the files."""
    if "gateway" not in services:
        return []
    try:
        hold_loops(config, path)
    except ConfigFault as fault:
        remedy = "put a sound there that can be played, or leave hold_audio out"
        return [(mistake, remedy) for mistake in fault.mistakes]
    return []


def _environment(environ: Mapping[str, str], services: Collection[str]) -> list[Finding]:
    """Each mistake once, though services share variables."""
    mistakes: dict[str, None] = {}
    for service in services:
        try:
            read(SETTINGS[service], environ)
        except ConfigFault as fault:
            mistakes.update(dict.fromkeys(fault.mistakes))
    if not mistakes:
        return [good("environment", "every variable is readable")]
    remedy = "`callfleet config env` lists the variables"
    return [bad("environment", mistake, remedy) for mistake in mistakes]


def _twilio(environ: Mapping[str, str]) -> list[Finding]:
    token = environ.get("TWILIO_AUTH_TOKEN", "").strip()
    if not token:
        return []  # reported as a missing variable
    if not _TWILIO_TOKEN.match(token):
        said = "TWILIO_AUTH_TOKEN does not look like one (32 hexadecimal digits)"
        return [warning("twilio", said, "copy the auth token from the Twilio console")]
    return [good("twilio", "auth token is set")]


def _stores(environ: Mapping[str, str], services: Collection[str]) -> list[Question]:
    """What is not configured was reported already, so nothing is asked about it."""
    asked: list[Question] = []
    if url := _known(AnalyticsSettings, "redis_url", environ):
        asked.append(("redis", check_redis(url)))
    if "analytics" in services and (url := _known(AnalyticsSettings, "database_url", environ)):
        asked.append(("database", check_database(url)))
    return asked


def _scoring(environ: Mapping[str, str]) -> list[Question]:
    """The model that scores, and the one that takes over when it is shut down."""
    base_url = _known(AnalyticsSettings, "openai_base_url", environ)
    key = environ.get("OPENAI_API_KEY", "").strip()
    today = datetime.datetime.now(datetime.UTC).date()
    asked: list[Question] = []
    for subject, field in (("scoring", "scoring_model"), ("successor", "scoring_successor")):
        model = _known(AnalyticsSettings, field, environ)
        if base_url and key and model:
            check = check_model(base_url, subject=subject, key=key, model=model, today=today)
            asked.append((subject, check))
    return asked


def _public_url(environ: Mapping[str, str]) -> list[Question]:
    url = _known(GatewaySettings, "public_url", environ)
    return [("public url", check_public_url(url))] if url else []


def _sessions(environ: Mapping[str, str], config: Config | None) -> list[Question]:
    """One session for every model that an org's agents use."""
    url = _known(WorkerSettings, "realtime_url", environ)
    asked: list[Question] = []
    if config is None or not url:
        return asked
    for org, model in sorted({(agent.org, agent.model) for agent in config.agents.values()}):
        env = config.orgs[org].api_key_env
        key = environ.get(env, "").strip()
        subject = f"realtime {org} {model}"
        if key:
            asked.append((subject, check_session(url, org=org, env=env, key=key, model=model)))
        else:
            missing = bad(subject, f"{env} is empty", f"put the key of org {org} into {env}")
            asked.append((subject, _said(missing)))
    return asked


async def _said(finding: Finding) -> Finding:
    return finding


def _known(settings: Any, field: str, environ: Mapping[str, str]) -> str:
    """A value, or "" when it is missing or wrong."""
    try:
        return str(read_one(settings, field, environ))
    except ConfigFault:
        return ""


async def _limited(
    subject: str, check: Awaitable[Finding | list[Finding]], limit_s: float
) -> list[Finding]:
    try:
        async with asyncio.timeout(limit_s):
            found = await check
    except TimeoutError:
        said = f"no answer within {limit_s:g} s"
        return [bad(subject, said, "check the address, the network and any firewall")]
    except Exception as error:  # a check that breaks must not hide what the others found
        return [bad(subject, f"could not be checked ({told(error)})", "please report this")]
    return found if isinstance(found, list) else [found]


async def check_public_url(url: str) -> Finding:
    """Whoever answers there must refuse a webhook that nobody signed."""
    subject = "public url"
    try:
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{url}/twilio/voice", data={}) as response,
        ):
            status = response.status
    except aiohttp.ClientConnectorCertificateError:
        return bad(subject, f"{url}: the certificate is not trusted", "install a valid one")
    except (aiohttp.ClientError, OSError) as error:
        said = f"{url}: nobody answers ({type(error).__name__})"
        return warning(subject, said, "carriers must reach it: check DNS, ingress and gateways")
    if status == 403:
        return good(subject, f"{url}: a gateway answers and refuses unsigned webhooks")
    said = f"{url}: answered HTTP {status} to an unsigned webhook instead of 403"
    remedy = "is that a gateway of this fleet? check what the address leads to"
    return (bad if status < 300 else warning)(subject, said, remedy)


def _secrets(environ: Mapping[str, str], config: Config | None) -> list[str]:
    named = [
        knob.env for settings in SETTINGS.values() for knob in describe(settings) if knob.secret
    ]
    named += [org.api_key_env for org in config.orgs.values()] if config else []
    return [environ[env].strip() for env in set(named) if environ.get(env)]
