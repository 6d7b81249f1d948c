"""`callfleet`: one command in front of everything.

Nothing of a subcommand is imported before it is chosen, so that `callfleet --help` and shell
completion answer at once and a broken corner of the installation breaks only itself.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Final

INTERRUPTED: Final = 130  # what a shell expects of somebody's Ctrl-C
FAILED: Final = 1
MISCONFIGURED: Final = 2


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: the module that has it, and what it is for."""

    module: str
    help: str
    service: bool = False  # configured by the environment; `main()` may be all it has


COMMANDS: Final = {
    "gateway": Command("services.gateway.app", "answer carriers and place calls", service=True),
    "worker": Command("services.worker.app", "hold the calls' Realtime sessions", service=True),
    "analytics": Command("services.analytics.app", "record and score ended calls", service=True),
    "calls": Command("services.analytics.calls_cli", "list recorded calls and their scores"),
    "slots": Command("services.slots_cli", "see and change how many sessions may be open"),
    "doctor": Command("services.doctor", "check configuration and everything it depends on"),
    "config": Command("services.config_cli", "check callfleet.yaml; print its schema, the knobs"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="callfleet",
        description="Answers phone calls with OpenAI Realtime voice agents, at fleet scale.",
        epilog="`callfleet COMMAND --help` tells more about one of them.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28),
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    runner: Callable[[argparse.Namespace], int] | None = None
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help.capitalize())
        if name == chosen:
            runner = _prepare(name, command, sub)
            if runner is None:
                return FAILED
    parsed = parser.parse_args(arguments)
    if parsed.version:
        sys.stdout.write(f"callfleet {_version()}\n")
        return 0
    if runner is None:
        parser.print_help(sys.stderr)
        return MISCONFIGURED
    return _run(parsed.command, runner, parsed)


def _prepare(
    name: str, command: Command, parser: argparse.ArgumentParser
) -> Callable[[argparse.Namespace], int] | None:
    """Import the command's module and let it describe itself; None when it is not installed."""
    try:
        module = import_module(command.module)
    except ModuleNotFoundError as error:
        if not f"{command.module}.".startswith(f"{error.name}."):
            raise  # it is there; something that it needs is not
        sys.stderr.write(f"callfleet {name}: is not part of this installation\n")
        return None
    if command.service:
        parser.description = f"{command.help.capitalize()}. Configured by the environment: see"
        parser.description += f" `callfleet config env {name}`."
    if not hasattr(module, "add_arguments"):  # a service that has nothing to choose
        start: Callable[[], int] = module.main
        return lambda _parsed: start()
    module.add_arguments(parser)
    run: Callable[[argparse.Namespace], int] = module.run
    return run


def _run(name: str, runner: Callable[[argparse.Namespace], int], parsed: argparse.Namespace) -> int:
    """What somebody can act on is told in a line; only what nobody foresaw is a traceback."""
    from callfleet.errors import CallfleetError, ConfigFault

    try:
        code = runner(parsed)
        sys.stdout.flush()  # here, where a reader that left is still ours to answer for
        return code
    except ConfigFault as fault:
        sys.stderr.write("\n  ".join([f"callfleet {name}:", *fault.mistakes]) + "\n")
        return MISCONFIGURED
    except CallfleetError as error:
        sys.stderr.write(f"callfleet {name}: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has seen enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _version() -> str:
    try:
        return metadata.version("callfleet")
    except metadata.PackageNotFoundError:
        return "dev"


if __name__ == "__main__":
    sys.exit(main())
