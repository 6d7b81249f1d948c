"""`python -m simulators chat`: ready when it says so, controlled over HTTP, honest at its end."""

import asyncio
import json
import signal
import sys

import aiohttp


async def test_the_command_says_when_it_is_ready_and_reports_violations() -> None:
    command = (sys.executable, "-m", "simulators", "chat", "--key", "sk-mine")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready["ready"] == "chat"
    async with aiohttp.ClientSession() as session:
        fault = {"point": "server_error", "times": 1, "status": 502}
        async with session.post(f"{ready['control']}/faults", json=fault) as reply:
            assert reply.status == 200
        async with session.post(f"{ready['control']}/faults", json={"point": "x"}) as reply:
            assert reply.status == 400
        headers = {"Authorization": "Bearer sk-mine"}
        for body, status in ({"model": "gpt-4o-mini", "input": "hi"}, 502), ({"modl": "x"}, 400):
            url = f"{ready['url']}/responses"
            async with session.post(url, json=body, headers=headers) as reply:
                assert reply.status == status
        async with session.get(f"{ready['control']}/state") as reply:
            assert (await reply.json())["counts"]["502"] == 1
    process.send_signal(signal.SIGTERM)
    told, _ = await process.communicate()
    assert process.returncode == 3
    assert "modl" in json.loads(told)["violations"][0]
