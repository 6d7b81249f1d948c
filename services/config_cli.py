"""`callfleet config`: is the file right, what may be in it, which variables are there."""

import argparse
import json
import sys

from callfleet.config import Config, json_schema
from callfleet.errors import ConfigFault
from callfleet.settings import Knob, describe, environment, read_config_file
from services.analytics.settings import AnalyticsSettings
from services.gateway.hold_audio import hold_loops
from services.gateway.settings import GatewaySettings
from services.worker.settings import WorkerSettings

SETTINGS = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "analytics": AnalyticsSettings,
}
DEFAULT_FILE = "callfleet.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`check`, `schema`, `env`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="say everything that is wrong with a file")
    check.add_argument("files", nargs="*", metavar="FILE", help="default: $CALLFLEET_CONFIG")
    check.add_argument("--json", action="store_true", help="for programs")
    actions.add_parser("schema", help="print the JSON Schema for editors")
    env = actions.add_parser("env", help="list the environment variables")
    env.add_argument("service", nargs="?", choices=list(SETTINGS), help="only of this service")
    env.add_argument("--markdown", action="store_true", help="as a table for documents")


def run(parsed: argparse.Namespace) -> int:
    if parsed.action == "check":
        return _check(parsed.files, as_json=parsed.json)
    if parsed.action == "schema":
        sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(_env(parsed.service, markdown=parsed.markdown))
    return 0


def _check(files: list[str], *, as_json: bool) -> int:
    mistakes: list[str] = []
    warnings: list[str] = []
    good: list[str] = []
    for path in files or [environment().get("CALLFLEET_CONFIG") or DEFAULT_FILE]:
        try:
            config = read_config_file(path)
            hold_loops(config, path)  # what a gateway would refuse to start with
            warnings += config.warnings
            good.append(f"{path}: good: {_contents(config)}")
        except ConfigFault as fault:
            mistakes += fault.mistakes
    if as_json:
        told = {"ok": not mistakes, "mistakes": mistakes, "warnings": warnings}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in good)
        sys.stderr.writelines(f"{line}\n" for line in mistakes)
        sys.stderr.writelines(f"warning: {line}\n" for line in warnings)
    return 2 if mistakes else 0


def _contents(config: Config) -> str:
    counts = {
        "org": len(config.orgs),
        "agent": len(config.agents),
        "number": len(config.numbers),
    }
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items())


def all_knobs() -> dict[Knob, list[str]]:
    """Every variable once, with the services that read it."""
    found: dict[Knob, list[str]] = {}
    for service, settings in SETTINGS.items():
        for knob in describe(settings):
            found.setdefault(knob, []).append(service)
    return found


def settings_table() -> str:
    """Every variable of every service, for the README."""
    return _env(None, markdown=True)


def _env(service: str | None, *, markdown: bool) -> str:
    rows = [(knob, who) for knob, who in all_knobs().items() if service in (None, *who)]
    lines = []
    if markdown:
        lines += ["| variable | default | services | what it is |", "|---|---|---|---|"]
    for knob, who in rows:
        by = "all" if len(who) == len(SETTINGS) else ", ".join(who)
        if markdown:
            default = "**required**" if knob.default is None else f"`{knob.default}`"
            default = default if default != "``" else "-"
            lines.append(f"| `{knob.env}` | {default} | {by} | {knob.help} |")
        else:
            default = "required" if knob.default is None else f"default {knob.default or 'none'}"
            lines.append(f"{knob.env}  ({default}; {by})\n    {knob.help}")
    return "\n".join(lines) + "\n"
