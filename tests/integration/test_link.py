"""Links over real sockets: calls to and fro, who is let in, what each call is told at its end."""

import asyncio
from random import Random

import aiohttp
import pytest

from callfleet.calls import EndReason
from callfleet.errors import AtCapacity, CallEnded, LinkFault, NoWorker
from callfleet.link import Clear, Dtmf, Mark
from callfleet.link_auth import LinkSecret
from callfleet.link_dialler import LinkDialler
from callfleet.link_stream import Stream
from tests.integration.link_scene import SECRET, WORKER, Desk, Receiver, a_start, dialler, until


async def test_a_call_goes_to_and_fro() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        leg = Receiver()
        stream = await gateway.open(WORKER, desk.url, a_start(), leg)
        start, theirs, call = desk.taken[0]
        assert start == a_start()
        stream.send_audio(b"hello")
        stream.send(Dtmf("#"))
        stream.send(Mark("played"))
        await until(lambda: len(call.told) == 2)
        theirs.send_audio(b"good day")
        theirs.send(Mark("greeting"))
        theirs.send(Clear())
        theirs.close(EndReason.AGENT_HUNG_UP)
        await leg.over.wait()
        assert (bytes(call.audio), call.told) == (b"hello", ["dtmf #", "mark played"])
        assert bytes(leg.audio) == b"good day"
        assert leg.told == ["mark greeting", "clear", "close agent_hung_up"]
        assert not stream.is_open
        assert not theirs.is_open
        stream.send_audio(b"too late")  # harmless
        stream.close(EndReason.CALLER_HUNG_UP)


async def test_a_hundred_calls_interleaved_arrive_byte_for_byte() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        chance = Random(7)
        legs = [Receiver() for _ in range(100)]
        streams = await asyncio.gather(
            *(gateway.open(WORKER, desk.url, a_start(n), leg) for n, leg in enumerate(legs))
        )
        calls = {start.call_id: (stream, call) for start, stream, call in desk.taken}
        theirs = [calls[a_start(n).call_id] for n in range(100)]
        out = [bytearray() for _ in range(100)]
        back = [bytearray() for _ in range(100)]
        for turn in range(50):
            for n in chance.sample(range(100), 100):
                up = chance.randbytes(160)
                down = chance.randbytes(chance.choice((0, 1, 160, 3000)))
                out[n] += up
                back[n] += down
                streams[n].send_audio(up)
                theirs[n][0].send_audio(down)
            if turn % 10 == 0:
                await asyncio.sleep(0.003)
        for n, stream in enumerate(streams):
            stream.close(EndReason.CALLER_HUNG_UP)
            theirs[n][0].send(Mark("end"))
        await asyncio.gather(*(call.over.wait() for _, call in theirs))
        assert [call.audio for _, call in theirs] == out
        # What crossed a close on its way is for nobody; all before it arrived in order.
        for leg, said in zip(legs, back, strict=True):
            assert said.startswith(leg.audio)
        assert gateway.totals.messages_out < gateway.totals.frames_out / 20
        assert gateway.connections == desk.server.connections == 1


async def test_frames_of_many_calls_share_a_message_and_of_few_do_not_wait() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        streams = [await gateway.open(WORKER, desk.url, a_start(n), Receiver()) for n in range(20)]
        before = gateway.totals.messages_out
        for stream in streams:
            stream.send_audio(b"x" * 160)
        await until(lambda: all(call.audio for _, _, call in desk.taken))
        assert gateway.totals.messages_out - before <= 2  # one, and perhaps a heartbeat


@pytest.mark.parametrize(
    ("refusal", "told"),
    [(NoWorker(), NoWorker), (AtCapacity(), AtCapacity), (CallEnded(), CallEnded)],
)
async def test_a_worker_may_refuse(refusal: Exception, told: type[Exception]) -> None:
    async with Desk().open() as desk, dialler() as gateway:
        desk.refusal = refusal
        leg = Receiver()
        with pytest.raises(told):
            await gateway.open(WORKER, desk.url, a_start(), leg)
        desk.refusal = None
        await gateway.open(WORKER, desk.url, a_start(2), Receiver())  # the link is as good as ever
        assert leg.told == []
        assert desk.server.streams == 1


async def test_a_worker_that_fails_at_a_call_refuses_it() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        desk.refusal = ZeroDivisionError()
        with pytest.raises(NoWorker):
            await gateway.open(WORKER, desk.url, a_start(), Receiver())


async def test_only_who_knows_the_secret_is_let_in() -> None:
    async with Desk().open() as desk, dialler("another secret entirely") as stranger:
        with pytest.raises(LinkFault, match="401"):
            await stranger.open(WORKER, desk.url, a_start(), Receiver())
        assert desk.taken == []


async def test_a_worker_that_does_not_know_the_secret_gets_no_call() -> None:
    class Impostor(LinkSecret):
        """Lets everybody in, but cannot answer."""

        def check_proof(self, worker_id: str, headers: object) -> None: ...

    async with Desk().open() as desk, dialler() as gateway:
        desk.server._doorkeeper._secret = Impostor("not the secret of the fleet")
        with pytest.raises(LinkFault, match="does not know the secret"):
            await gateway.open(WORKER, desk.url, a_start(), Receiver())
        assert desk.taken == []


async def test_another_worker_at_the_address_gets_no_call() -> None:
    async with Desk(worker_id="worker-2").open() as desk, dialler() as gateway:
        with pytest.raises(LinkFault, match="401"):
            await gateway.open(WORKER, desk.url, a_start(), Receiver())


async def test_an_upgrade_works_once_and_not_for_long() -> None:
    secret = LinkSecret(SECRET)
    async with Desk().open() as desk, aiohttp.ClientSession() as session:
        now = desk.server._clock_s()
        headers = secret.request(WORKER, now, b"n" * 16)
        async with session.ws_connect(desk.url, headers=headers):
            pass
        old = secret.request(WORKER, now - 60, b"o" * 16)
        bare: dict[str, str] = {}
        for again in (headers, old, bare):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(desk.url, headers=again)
            assert refusal.value.status == 401


async def test_a_failing_call_does_not_hurt_its_neighbours() -> None:
    class Clumsy(Receiver):
        def on_audio(self, audio: bytes) -> None:
            raise ZeroDivisionError

    async with Desk().open() as desk, dialler() as gateway:
        desk.make = lambda stream: Clumsy() if stream.id == 1 else Receiver()
        bad, good = Receiver(), Receiver()
        first = await gateway.open(WORKER, desk.url, a_start(1), bad)
        second = await gateway.open(WORKER, desk.url, a_start(2), good)
        first.send_audio(b"x")
        second.send_audio(b"y")
        await bad.over.wait()
        assert bad.told == ["close internal_error"]
        await until(lambda: desk.taken[1][2].audio == b"y")
        assert second.is_open


async def test_a_lost_connection_is_dialled_again_by_the_next_call() -> None:
    async with dialler() as gateway:
        leg = Receiver()
        async with Desk().open() as desk:
            port = int(desk.url.split(":")[2].split("/")[0])
            await gateway.open(WORKER, desk.url, a_start(), leg)
        await leg.over.wait()
        assert leg.told == ["lost"]
        with pytest.raises(LinkFault, match="cannot be reached"):
            await gateway.open(WORKER, desk.url, a_start(2), Receiver())
        async with Desk().open(port) as again:
            await gateway.open(WORKER, again.url, a_start(3), Receiver())
            assert len(again.taken) == 1


async def test_a_connection_nobody_uses_is_closed() -> None:
    async with Desk().open() as desk, dialler(idle_limit_s=0.5) as gateway:
        stream = await gateway.open(WORKER, desk.url, a_start(), Receiver())
        stream.close(EndReason.CALLER_HUNG_UP)
        await until(lambda: gateway.connections == 0)
        await until(lambda: desk.server.connections == 0)
        assert gateway.totals.connections_lost == 0
        await gateway.open(WORKER, desk.url, a_start(2), Receiver())
        assert len(desk.taken) == 2


async def test_calls_that_come_together_share_one_dial() -> None:
    async with Desk().open() as desk, dialler() as gateway:
        await asyncio.gather(
            *(gateway.open(WORKER, desk.url, a_start(n), Receiver()) for n in range(10))
        )
        assert desk.server.connections == 1
        assert len(desk.taken) == 10


async def test_a_gateway_that_stops_says_so_after_its_last_words() -> None:
    async with Desk().open() as desk:
        gateway = LinkDialler(SECRET)
        streams: list[Stream] = []
        for n in range(2):
            streams.append(await gateway.open(WORKER, desk.url, a_start(n), Receiver()))
        streams[0].send_audio(b"last words")
        streams[0].close(EndReason.DRAINED)
        await gateway.stop()
        first, second = (call for _, _, call in desk.taken)
        await second.over.wait()
        assert (bytes(first.audio), first.told) == (b"last words", ["close drained"])
        assert second.told == ["lost"]
