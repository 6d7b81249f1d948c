"""The systems a round can carry calls through: Callfleet's fleet, and the bare relays."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import aiohttp

from bench.callers import Call, connect
from bench.cpu import pin
from bench.rounds import System
from simulators.child import Child
from simulators.fleet import ACCOUNT_SID, Fleet, FleetPlan
from simulators.phone_signature import sign

_CONFIG = """
orgs:
  bench: {api_key_env: OPENAI_API_KEY, sessions: 1000}
agents:
  echo:
    org: bench
    vertical: bench
    instructions: Say back what you hear.
numbers:
  "+15550000001": echo
"""


def _start_message(sid: str, call_sid: str, parameters: dict[str, str]) -> dict[str, object]:
    return {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": sid,
        "start": {
            "accountSid": ACCOUNT_SID,
            "streamSid": sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        },
    }


class _Switchboard:
    """Opens calls at a gateway as the phone company does: signed webhook, TwiML, stream."""

    def __init__(self, fleet: Fleet, client: aiohttp.ClientSession) -> None:
        self._fleet = fleet
        self._client = client
        self._calls = 0

    async def open_call(self, number: int) -> Call:
        self._calls += 1
        call_sid = f"CA{self._calls:032x}"
        form = {
            "CallSid": call_sid,
            "AccountSid": ACCOUNT_SID,
            "From": f"+1555777{number:04d}",
            "To": "+15550000001",
            "CallStatus": "ringing",
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
        }
        url, token = self._fleet.voice_url, self._fleet.auth_token
        headers = {
            "X-Twilio-Signature": sign(token, url, form.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        local = self._local(url)
        async with self._client.post(local, data=urlencode(form), headers=headers) as answer:
            twiml = await answer.text()
            assert answer.status == 200, f"{answer.status}: {twiml}"
        stream = re.search(r'<Stream[^>]* url="([^"]+)"', twiml)
        assert stream, twiml
        found = re.findall(r'<Parameter name="([^"]+)" value="([^"]*)"', twiml)
        parameters = {name: unescape(value) for name, value in found}
        sid = f"MZ{self._calls:032x}"
        call = Call(number, _start_message(sid, call_sid, parameters))
        await connect(call, self._local(unescape(stream.group(1))))
        return call

    def _local(self, url: str) -> str:
        for public, local in self._fleet.public_rewrites.items():
            if url.startswith(public):
                return url.replace(public, local, 1)
        raise AssertionError(f"not an address of ours: {url}")


@asynccontextmanager
async def callfleet(realtime_url: str, core: int) -> AsyncIterator[System]:
    """One gateway, one worker, a real Redis; everything on, as an operator would run it."""
    with TemporaryDirectory(prefix="callfleet-bench-") as directory:
        config = Path(directory) / "callfleet.yaml"
        config.write_text(_CONFIG)
        plan = FleetPlan(
            workers=1,
            analytics=0,
            config=config,
            real_apis=True,
            environment={
                "OPENAI_API_KEY": "sk-bench",
                "OPENAI_REALTIME_URL": realtime_url,
                "CALLFLEET_WORKER_SLOTS": "1000",
            },
        )
        async with Fleet(plan) as fleet, aiohttp.ClientSession() as client:
            pids = {
                "gateway": fleet.processes["gateway-1"].pid,
                "worker": fleet.processes["worker-1"].pid,
            }
            pin([*pids.values(), fleet.redis.pid], core)
            yield System("callfleet", _Switchboard(fleet, client).open_call, pids)


@asynccontextmanager
async def bare_relay(library: str, realtime_url: str, core: int) -> AsyncIterator[System]:
    """The yardstick, see bench/bare_relay.py."""
    with TemporaryDirectory(prefix="callfleet-bench-") as directory:
        command = [sys.executable, "-m", "bench.bare_relay", library, realtime_url]
        child = Child(library, command, dict(os.environ), Path(directory) / "relay.log")
        try:
            url = str((await child.until_ready())["url"])
            pin([child.pid], core)

            async def open_call(number: int) -> Call:
                sid = f"MZ{number:032x}"
                call = Call(number, _start_message(sid, f"CA{number:032x}", {}))
                await connect(call, url)
                await asyncio.sleep(0.005)  # its way to the API opens behind our back
                return call

            yield System(f"bare relay ({library})", open_call, {"relay": child.pid})
        finally:
            await child.stop()
