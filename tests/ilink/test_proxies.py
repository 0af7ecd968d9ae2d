"""Proxies: which calls meet them, forwarding, CONNECT, SOCKS, and what their failures look like."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from bottalk.ilink.client import Bot, Ilink, IlinkSettings
from bottalk.ilink.connection import Connection
from bottalk.ilink.errors import IlinkError, IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.ilink.lines import Lines
from bottalk.ilink.proxies import Proxies
from bottalk.values import Secret
from tests.ilink.scripted import Handler, Peer, answering, client_tls, ok, server_tls, serving, silent

REAL = Origin("https", "ilinkai.weixin.qq.com", 443)
TOKEN = Secret("ab@im.bot:tok3n")


@pytest.mark.parametrize(
    ("found", "proxy"),
    [
        ({}, None),
        ({"https": "http://p:1"}, "http://p:1"),
        ({"https": "p:1"}, "http://p:1"),
        ({"http": "http://p:1"}, None),
        ({"all": "socks5://p:1"}, "socks5://p:1"),
        ({"all": "socks5://p:1", "https": "http://q:2"}, "http://q:2"),
        ({"https": "http://p:1", "no": "weixin.qq.com"}, None),
        ({"https": "http://p:1", "no": "*"}, None),
        ({"https": "http://p:1", "no": "example.org, .qq.com"}, None),
        ({"https": "http://p:1", "no": "eixin.qq.com"}, "http://p:1"),
    ],
)
def test_which_proxy(found: Mapping[str, str], proxy: str | None) -> None:
    assert Proxies(found).find(REAL) == proxy


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3", "sandbox.localhost"])
def test_this_machine_is_never_reached_through_one(host: str) -> None:
    everything = {"http": "http://p:1", "https": "http://p:1", "all": "socks5://p:1"}
    assert Proxies(everything).find(Origin("http", host, 80)) is None


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert Proxies().find(REAL) == "http://p:1"
    assert Proxies().find(Origin("https", "a.example.org", 443)) is None


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1080", "socks5h://u:p@127.0.0.1:1", "http://127.0.0.1:3128"])
def test_the_client_can_be_made_whatever_the_environment_says(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, address)
    Ilink(IlinkSettings(), rng=random.Random(1)).bot(TOKEN)


async def test_without_a_proxy_the_hot_calls_have_lean_connections() -> None:
    lines = Lines(IlinkSettings(), transport=None, proxies={}, ssl_context=client_tls(), opener=trio.open_tcp_stream)
    assert isinstance(lines.own(REAL), Connection)


# --- over sockets -----------------------------------------------------------------------------------------------------


async def pump(a: trio.abc.Stream, b: trio.abc.Stream) -> None:
    try:
        while data := await a.receive_some():
            await b.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
    finally:
        await trio.aclose_forcefully(b)


async def tunnel(peer: Peer, port: int, greeting: bytes) -> None:
    await peer.stream.send_all(greeting)
    upstream = await trio.open_tcp_stream("127.0.0.1", port)
    async with upstream, trio.open_nursery() as nursery:
        nursery.start_soon(pump, peer.stream, upstream)
        nursery.start_soon(pump, upstream, peer.stream)


class Proxy:
    """A proxy that leads everything to one port; `heads`: what it was asked."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.heads: list[str] = []

    async def connect(self, peer: Peer) -> None:
        head, _ = await peer.request()
        self.heads.append(head)
        await tunnel(peer, self._port, b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def socks(self, peer: Peer) -> None:
        assert await peer.stream.receive_some() == b"\x05\x01\x00"
        await peer.stream.send_all(b"\x05\x00")
        asked = await peer.stream.receive_some()
        self.heads.append(bytes(asked[5:-2]).decode())
        await tunnel(peer, self._port, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x01")


def settings(base_url: str) -> IlinkSettings:
    return IlinkSettings(base_url=base_url, allow_http=True)


@asynccontextmanager
async def behind(proxies: Mapping[str, str], base_url: str) -> AsyncIterator[tuple[Ilink, Bot]]:
    async with Ilink(settings(base_url), rng=random.Random(1), proxies=proxies, ssl_context=client_tls()) as ilink:
        bot = ilink.bot(TOKEN)
        yield ilink, bot
        await bot.aclose()


async def every_call(ilink: Ilink, bot: Bot) -> None:
    await bot.get_updates("")
    await bot.get_updates("")
    await bot.send_message("u", "hello", client_id="c", context_token=None)
    await bot.notify_start()
    await ilink.get_qrcode_status(Secret("code"))


@pytest.mark.parametrize("kind", ["connect", "socks"])
async def test_every_call_goes_through_the_tunnel(kind: str) -> None:
    async with serving(answering(b"{}"), tls=server_tls()) as upstream:
        proxy = Proxy(upstream.port)
        handler: Handler = proxy.connect if kind == "connect" else proxy.socks
        async with serving(handler) as server:
            scheme = "http" if kind == "connect" else "socks5"
            address = f"{scheme}://127.0.0.1:{server.port}"
            async with behind({"https": address}, "https://ilink.test") as (ilink, bot):
                await every_call(ilink, bot)
    assert upstream.connections == 4, "polls, sends, notifystart, status"
    asked = "CONNECT ilink.test:443 HTTP/1.1" if kind == "connect" else "ilink.test"
    assert [head.split("\r\n")[0] for head in proxy.heads] == [asked] * 4
    assert "tok3n" not in "".join(proxy.heads)


async def test_plain_http_is_forwarded_with_the_whole_address() -> None:
    seen: list[str] = []

    async def forward(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            seen.append(head.split("\r\n")[0])
            await peer.answer()

    async with serving(forward) as server, behind({"http": server.base_url}, "http://ilink.test:8900") as made:
        await every_call(*made)
    base = "http://ilink.test:8900/ilink/bot"
    assert seen == [
        f"POST {base}/getupdates HTTP/1.1",
        f"POST {base}/getupdates HTTP/1.1",
        f"POST {base}/sendmessage HTTP/1.1",
        f"POST {base}/msg/notifystart HTTP/1.1",
        f"GET {base}/get_qrcode_status?qrcode=code HTTP/1.1",
    ]


async def test_loopback_calls_pass_by_the_proxy() -> None:
    async with serving(silent) as proxy, serving(answering(b"{}")) as upstream:
        proxies = {"http": proxy.base_url, "all": proxy.base_url}
        async with behind(proxies, upstream.base_url) as (ilink, bot):
            await every_call(ilink, bot)
    assert proxy.connections == 0


async def sent_through(address: str, *, base_url: str = "https://ilink.test") -> IlinkTransportError:
    """The error of a send and of a rare call through that proxy: the same."""
    async with behind({"https": address}, base_url) as (_, bot):
        with pytest.raises(IlinkError) as first:
            await bot.send_message("u", "hello", client_id="c", context_token=None)
        with pytest.raises(IlinkError) as second:
            await bot.notify_start()
    assert isinstance(first.value, IlinkTransportError)
    assert isinstance(second.value, IlinkTransportError)
    assert first.value.kind == second.value.kind
    assert "hunter2" not in str(first.value) + repr(first.value)
    return first.value


@pytest.mark.parametrize("address", ["socks4://u:hunter2@127.0.0.1:1", "http://u:hunter2@127.0.0.1:notaport"])
async def test_a_bad_address_is_an_error_of_the_call(address: str) -> None:
    error = await sent_through(address)
    assert (error.kind, error.maybe_arrived) == (Kind.PROXY, False)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there(scheme: str) -> None:
    async with serving(silent) as server:
        port = server.port
    error = await sent_through(f"{scheme}://u:hunter2@127.0.0.1:{port}")
    assert (error.kind, error.maybe_arrived) == (Kind.CONNECT, False)


async def test_a_proxy_that_says_no() -> None:
    async def no(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send_all(ok(b"", status="407 Proxy Authentication Required"))

    async with serving(no) as server:
        error = await sent_through(f"http://127.0.0.1:{server.port}")
    assert (error.kind, error.maybe_arrived) == (Kind.PROXY, False)


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b"\x05\x00\x05\x01\x00\x01", b"\x05"]
)
async def test_a_socks_proxy_that_talks_nonsense(greeting: bytes) -> None:
    async def nonsense(peer: Peer) -> None:
        await peer.stream.receive_some()
        await peer.stream.send_all(greeting)
        await peer.gone()

    async with serving(nonsense) as server:
        error = await sent_through(f"socks5://127.0.0.1:{server.port}")
    assert error.kind in (Kind.PROXY, Kind.RESET, Kind.CONNECT)
    assert not error.maybe_arrived


async def test_a_tunnel_to_the_wrong_certificate() -> None:
    async with serving(silent, tls=server_tls()) as upstream:
        proxy = Proxy(upstream.port)
        async with serving(proxy.connect) as server:
            error = await sent_through(f"http://127.0.0.1:{server.port}", base_url="https://other.test")
    assert (error.kind, error.maybe_arrived) == (Kind.TLS, False)


async def cut(server_handler: Handler) -> IlinkTransportError:
    async with serving(server_handler, tls=server_tls()) as upstream:
        proxy = Proxy(upstream.port)
        async with serving(proxy.connect) as server:
            return await sent_through(f"http://127.0.0.1:{server.port}")


async def test_a_send_cut_behind_the_proxy_may_have_arrived() -> None:
    async def close(peer: Peer) -> None:
        await peer.request()

    error = await cut(close)
    assert (error.kind, error.maybe_arrived) == (Kind.RESET, True)


async def test_a_send_that_times_out_behind_the_proxy_may_have_arrived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    error = await cut(silent)
    assert (error.kind, error.maybe_arrived) == (Kind.TIMEOUT, True)


async def test_a_proxy_that_hangs_before_the_tunnel_stands_has_sent_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with serving(silent) as server:
        error = await sent_through(f"http://127.0.0.1:{server.port}")
    assert (error.kind, error.maybe_arrived) == (Kind.TIMEOUT, False)


async def test_a_socks_proxy_that_hangs_has_sent_nothing(autojump_clock: trio.testing.MockClock) -> None:
    async def mute(peer: Peer) -> None:
        await peer.gone()

    async with serving(mute) as server:
        error = await sent_through(f"socks5://127.0.0.1:{server.port}")
    assert (error.kind, error.maybe_arrived) == (Kind.TIMEOUT, False)
