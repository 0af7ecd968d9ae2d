"""Connecting before the send: one connection, used by the send, closed again when none comes."""

import random

import pytest
import trio

from bottalk.ilink.client import Ilink, IlinkSettings
from bottalk.ilink.errors import IlinkTransportError
from bottalk.values import Secret

ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{"ret":0,"message_id":"12345"}'
)


class Upstream:
    """Counts connections, and answers each request on them."""

    def __init__(self) -> None:
        self.connections = 0
        self.closed = trio.Event()

    async def handle(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        while await stream.receive_some():
            await stream.send_all(ANSWER)
        self.closed.set()


async def start(nursery: trio.Nursery, upstream: Upstream) -> str:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, upstream.handle, [listener])
    return f"http://127.0.0.1:{listener.socket.getsockname()[1]}"


def client(base_url: str, idle_close: float = 30.0) -> Ilink:
    settings = IlinkSettings(base_url=base_url, allow_http=True, idle_close=idle_close)
    return Ilink(settings, rng=random.Random(1))


async def test_the_send_uses_the_connection_that_was_opened_before(nursery: trio.Nursery) -> None:
    upstream = Upstream()
    async with client(await start(nursery, upstream)) as ilink:
        bot = ilink.bot(Secret("token"))
        await bot.warm()
        assert not bot.is_cold
        await bot.warm()
        sent = await bot.send_message("user", "text", client_id="1", context_token=None)
        assert sent.message_id == "12345"
        assert upstream.connections == 1
        await bot.aclose()
    nursery.cancel_scope.cancel()


async def test_it_is_closed_again_when_no_send_comes(nursery: trio.Nursery) -> None:
    upstream = Upstream()
    async with client(await start(nursery, upstream), idle_close=0.05) as ilink:
        nursery.start_soon(ilink.sweep)
        bot = ilink.bot(Secret("token"))
        await bot.warm()
        with trio.fail_after(10):
            await upstream.closed.wait()
        assert bot.is_cold
    nursery.cancel_scope.cancel()


async def test_an_upstream_that_is_not_there_is_a_typed_error() -> None:
    async with client("http://127.0.0.1:1") as ilink:
        bot = ilink.bot(Secret("token"))
        with pytest.raises(IlinkTransportError) as caught:
            await bot.warm()
        assert not caught.value.maybe_arrived
        assert bot.is_cold
