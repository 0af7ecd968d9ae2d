"""Connections of the bots: opened on demand, kept, closed when they rest."""

import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from bottalk.ilink.client import Bot, Ilink, IlinkSettings
from bottalk.ilink.errors import IlinkTransportError, Kind
from bottalk.ilink.shapes import QrState, Updates
from bottalk.values import Secret
from tests.ilink.scripted import Peer, answering, client_tls, sending, server_tls, serving, silent

TOKEN = Secret("ab@im.bot:tok3n")


@asynccontextmanager
async def client(base_url: str) -> AsyncIterator[Ilink]:
    """With its sweeper."""
    settings = IlinkSettings(base_url=base_url, allow_http=True)
    made = Ilink(settings, rng=random.Random(1), proxies={}, ssl_context=client_tls())
    async with made as ilink, trio.open_nursery() as nursery:
        nursery.start_soon(ilink.sweep)
        yield ilink
        nursery.cancel_scope.cancel()


async def send(bot: Bot) -> None:
    await bot.send_message("u", "hello", client_id="c", context_token=None)


async def test_polls_and_sends_have_a_connection_each_and_keep_it() -> None:
    async with serving(answering(b"{}"), tls=server_tls()) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        assert server.connections == 0
        for _ in range(3):
            await bot.get_updates("")
            await send(bot)
        assert server.connections == 2
        await bot.aclose()


async def test_a_send_goes_out_while_a_poll_is_held() -> None:
    async with serving(silent, answering(b"{}")) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bot.get_updates, "")
            await trio.testing.wait_all_tasks_blocked()
            await send(bot)
            nursery.cancel_scope.cancel()
        await bot.aclose()


class Counting:
    """Counts its open connections."""

    def __init__(self) -> None:
        self.open = 0

    async def __call__(self, peer: Peer) -> None:
        self.open += 1
        try:
            await answering(b"{}")(peer)
        finally:
            self.open -= 1


async def open_after(seconds: float, server: Counting) -> int:
    await trio.sleep(seconds)
    await trio.testing.wait_all_tasks_blocked()
    return server.open


async def test_a_send_connection_is_closed_30_seconds_after_its_last_use(
    autojump_clock: trio.testing.MockClock,
) -> None:
    counting = Counting()
    async with serving(counting) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        await send(bot)
        assert await open_after(20, counting) == 1
        await send(bot)
        assert await open_after(29, counting) == 1
        assert await open_after(2, counting) == 0
        assert server.connections == 1
        await send(bot)
        assert server.connections == 2
        assert await open_after(31, counting) == 0


async def test_each_bot_rests_for_itself(autojump_clock: trio.testing.MockClock) -> None:
    counting = Counting()
    async with serving(counting) as server, client(server.base_url) as ilink:
        bots = [ilink.bot(TOKEN) for _ in range(3)]
        for bot in bots:
            await send(bot)
            await trio.sleep(10)
        assert [await open_after(seconds, counting) for seconds in (1, 10, 10)] == [2, 1, 0]
        assert server.connections == 3


async def test_a_send_in_hand_is_not_swept_away(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await peer.request()
        await trio.sleep(14)
        await peer.answer()
        await peer.gone()

    async with serving(slow) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        await send(bot)
        await trio.sleep(20)
        await send(bot)
        assert trio.current_time() == pytest.approx(34)
        await bot.aclose()


async def test_polls_are_never_swept_away(autojump_clock: trio.testing.MockClock) -> None:
    counting = Counting()
    async with serving(counting) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        await bot.get_updates("")
        assert await open_after(100, counting) == 1
        await bot.aclose()


async def test_a_closed_bot_leaves_nothing_and_may_go_on(autojump_clock: trio.testing.MockClock) -> None:
    counting = Counting()
    async with serving(counting) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        await bot.get_updates("")
        await send(bot)
        await bot.aclose()
        assert await open_after(0, counting) == 0
        await send(bot)
        assert await open_after(0, counting) == 1
        await bot.aclose()


async def test_leaving_the_client_closes_the_shared_connections(autojump_clock: trio.testing.MockClock) -> None:
    counting = Counting()
    async with serving(counting) as server:
        async with client(server.base_url) as ilink:
            bot = ilink.bot(TOKEN)
            await bot.notify_start()
            await send(bot)
            assert await open_after(0, counting) == 2
        assert await open_after(0, counting) == 0


async def test_a_poll_that_times_out_is_not_answered(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(silent) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        assert await bot.get_updates("") == Updates(answered=False)
        assert trio.current_time() == pytest.approx(45)
        await bot.aclose()


async def test_a_send_that_times_out_may_have_arrived(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(silent) as server, client(server.base_url) as ilink:
        with pytest.raises(IlinkTransportError) as caught:
            await send(ilink.bot(TOKEN))
        assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.TIMEOUT, True)
        assert trio.current_time() == pytest.approx(15)


async def test_a_status_poll_that_times_out_is_wait_and_closed(autojump_clock: trio.testing.MockClock) -> None:
    async with serving(silent) as server, client(server.base_url) as ilink:
        assert (await ilink.get_qrcode_status(Secret("code"))).state is QrState.WAIT
        await server.closed.wait()


async def test_a_rare_call_to_nobody_is_an_error_at_once() -> None:
    async with serving(silent) as server:
        base_url = server.base_url
    async with client(base_url) as ilink:
        with pytest.raises(IlinkTransportError) as notify:
            await ilink.bot(TOKEN).notify_start()
        with pytest.raises(IlinkTransportError) as status:
            await ilink.get_qrcode_status(Secret("code"))
    for caught in (notify, status):
        assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.CONNECT, False)


async def test_a_rare_call_to_the_wrong_certificate() -> None:
    async with serving(silent, tls=server_tls()) as server:
        settings = IlinkSettings(base_url=server.base_url)
        async with Ilink(settings, rng=random.Random(1), proxies={}) as ilink:
            with pytest.raises(IlinkTransportError) as caught:
                await ilink.bot(TOKEN).notify_start()
    assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.TLS, False)


async def test_the_transports_do_not_log_what_is_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answering(b"{}")) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        await ilink.get_qrcode_status(Secret("sEcReT-code"), verify_code=Secret("654321"))
        await bot.get_config("u", Secret("sEcReT-context"))
        await send(bot)
        await bot.aclose()
    assert not [word for word in ("sEcReT", "654321", "tok3n", "hello") if word in caplog.text]


async def test_an_own_connection_closed_by_ilink_between_sends_costs_nothing() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    async with serving(sending(whole), answering(b"{}")) as server, client(server.base_url) as ilink:
        bot = ilink.bot(TOKEN)
        await send(bot)
        await server.closed.wait()
        await send(bot)
        assert server.connections == 2
        await bot.aclose()
