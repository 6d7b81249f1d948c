"""The worker's knobs."""

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from callfleet.config import Config
from callfleet.settings import ServiceSettings, address, knob, named_secrets, port, whole


def _own_name() -> str:
    """Unlike any other worker's, also after a restart in the same pod."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(ServiceSettings):
    """Where gateways reach the worker, how much it takes, and where the API is."""

    slots: int = knob(
        "CALLFLEET_WORKER_SLOTS", 50, parse=whole(1, 10_000), help="Calls this process takes."
    )
    host: str = knob(
        "CALLFLEET_WORKER_HOST",
        "0.0.0.0",  # noqa: S104 # gateways come from other machines
        help="Where links from gateways listen.",
    )
    port: int = knob("CALLFLEET_WORKER_PORT", 8081, parse=port, help="Port of the links.")
    url: str = knob(
        "CALLFLEET_WORKER_URL",
        "",
        parse=address("ws", "wss"),
        help="What gateways dial; empty: ws://<own address>:<port>/link.",
    )
    worker_id: str = knob(
        "CALLFLEET_WORKER_ID",
        make=_own_name,
        help="Its name in the roster; empty: host name, process id and a random part.",
    )
    realtime_url: str = knob(
        "OPENAI_REALTIME_URL",
        "wss://api.openai.com/v1/realtime",
        parse=address("wss", "ws"),
        help="The Realtime API.",
    )


def api_keys(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Each org's key, by org; raises `ConfigFault` naming every variable that is empty."""
    return {
        who.removeprefix("org "): key
        for who, key in named_secrets(
            {f"org {name}": org.api_key_env for name, org in config.orgs.items()}, environ
        ).items()
    }
