"""The lean connection over TLS: kept, replaced, and refused before a byte of a request leaves."""

import ssl

import pytest
import trio
import trio.testing

from bottalk.ilink.connection import Connection, Opener, Route
from bottalk.ilink.errors import IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.ilink.line import Request
from tests.ilink.scripted import Handler, Peer, Server, answering, client_tls, ok, sending, server_tls, serving, silent

POST = Request("POST", "/ilink/bot/getupdates", (("Authorization", "Bearer s3cret"),), b'{"a":1}')


def connection(origin: Origin, context: ssl.SSLContext, opener: Opener = trio.open_tcp_stream) -> Connection:
    return Connection(Route(origin, context, opener, connect_timeout=10.0, max_answer=1000))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_keeps_its_connection(version: ssl.TLSVersion) -> None:
    async with serving(answering(b"one", b"two"), tls=server_tls(version)) as server:
        line = connection(server.origin, client_tls())
        assert [(await line.exchange(POST)).body for _ in range(2)] == [b"one", b"two"]
        await line.aclose()
    assert server.connections == 1


async def test_tls_closed_while_idle_is_replaced() -> None:
    async with serving(sending(ok(b"one")), answering(b"two"), tls=server_tls()) as server:
        line = connection(server.origin, client_tls())
        await line.exchange(POST)
        await server.closed.wait()
        assert (await line.exchange(POST)).body == b"two"
        await line.aclose()
    assert server.connections == 2


async def test_tls_answer_framed_by_an_end_without_close_notify() -> None:
    async with serving(sending(b"HTTP/1.1 200 OK\r\n\r\nx"), tls=server_tls()) as server:
        line = connection(server.origin, client_tls())
        assert (await line.exchange(POST)).body == b"x"


async def untrusted(server: Server, context: ssl.SSLContext) -> IlinkTransportError:
    line = connection(server.origin, context)
    with pytest.raises(IlinkTransportError) as caught:
        await line.exchange(POST)
    assert line.is_cold
    return caught.value


async def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent() -> None:
    async with serving(silent, tls=server_tls()) as server:
        error = await untrusted(server, ssl.create_default_context())
    assert (error.kind, error.maybe_arrived) == (Kind.TLS, False)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)


async def test_a_certificate_of_another_host_is_refused() -> None:
    async def opener(host: str, port: int) -> trio.abc.Stream:
        return await trio.open_tcp_stream("127.0.0.1", port)

    async with serving(silent, tls=server_tls()) as server:
        line = connection(Origin("https", "other.test", server.port), client_tls(), opener)
        with pytest.raises(IlinkTransportError) as caught:
            await line.exchange(POST)
    assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.TLS, False)


async def closing(peer: Peer) -> None:
    return


async def plain_http(peer: Peer) -> None:
    await peer.stream.receive_some()
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("handler", [plain_http, closing])
async def test_no_handshake(handler: Handler) -> None:
    async with serving(handler) as server:
        line = connection(Origin("https", "127.0.0.1", server.port), client_tls())
        with pytest.raises(IlinkTransportError) as caught:
            await line.exchange(POST)
    assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.TLS, False)


async def test_a_handshake_that_hangs_costs_only_the_connect_time(autojump_clock: trio.testing.MockClock) -> None:
    async def mute(peer: Peer) -> None:
        await peer.gone()

    async with serving(mute) as server:
        line = connection(Origin("https", "127.0.0.1", server.port), client_tls())
        with pytest.raises(IlinkTransportError) as caught:
            await line.exchange(POST)
    assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.TIMEOUT, False)
