"""`python -m simulators realtime | chat | phone | demo ...`: the outside world, played by us."""

import argparse
import asyncio
import importlib
import sys

import uvloop

COMMANDS = {
    "realtime": "OpenAI Realtime, over WebSocket",
    "chat": "the scoring model, over HTTP",
    "phone": "a phone company that places calls",
    "demo": "a whole fleet and twelve calls",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    wanted = next((word for word in sys.argv[1:] if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name == wanted:  # the others need not be imported to be listed
            importlib.import_module(f"simulators.{name}").add_arguments(command)
    arguments = parser.parse_args()
    module = importlib.import_module(f"simulators.{arguments.command}")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code: int = runner.run(module.run(arguments))
            return code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
