"""The lean connection against raw bytes: framing, reuse, breaks, caps, deadlines."""

import gc

import pytest
import trio
import trio.testing

from bottalk.ilink.connection import MAX_HEAD, Connection, Opener, Route
from bottalk.ilink.errors import IlinkMalformed, IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.ilink.line import Answer, Request
from tests.ilink.scripted import (
    Handler,
    Peer,
    answering,
    ok,
    resetting,
    sending,
    serving,
    silent,
)

POST = Request("POST", "/ilink/bot/getupdates", (("Authorization", "Bearer s3cret"), ("X-One", "1")), b'{"a":1}')
CAP = 1000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def connection(origin: Origin, opener: Opener = trio.open_tcp_stream) -> Connection:
    return Connection(Route(origin, None, opener, connect_timeout=10.0, max_answer=CAP))


async def exchange_once(handler: Handler) -> Answer:
    async with serving(handler) as server:
        line = connection(server.origin)
        answer = await line.exchange(POST)
        await line.aclose()
        return answer


async def broken(handler: Handler) -> IlinkTransportError:
    """The error of one exchange; the connection must be closed after it."""
    async with serving(handler) as server:
        line = connection(server.origin)
        with pytest.raises(IlinkTransportError) as caught:
            await line.exchange(POST)
        assert line.is_cold
        assert server.connections == 1, "a POST is never sent again by the connection"
        return caught.value


async def test_one_request_one_answer_with_the_exact_bytes() -> None:
    seen: list[tuple[str, bytes]] = []

    async def handle(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.answer(b"hello", "Retry-After: 7\r\n")

    async with serving(handle) as server:
        line = connection(server.origin)
        assert line.is_cold
        answer = await line.exchange(POST)
        await line.aclose()
    assert answer == Answer(200, b"hello", "7")
    assert seen == [
        (
            f"POST /ilink/bot/getupdates HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Authorization: Bearer s3cret\r\nX-One: 1\r\nContent-Length: 7",
            b'{"a":1}',
        )
    ]


async def test_a_get_has_no_length_and_the_prefix_stands_before_the_path() -> None:
    seen: list[tuple[str, bytes]] = []

    async def handle(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.answer()

    async with serving(handle) as server:
        line = connection(Origin("http", "127.0.0.1", server.port, "/pre"))
        await line.exchange(Request("GET", "/x?y=1", ()))
        await line.aclose()
    assert seen == [(f"GET /pre/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}", b"")]


async def test_a_kept_connection_serves_the_next_call() -> None:
    async with serving(answering(b"one", b"two", b"three")) as server:
        line = connection(server.origin)
        bodies = [(await line.exchange(POST)).body for _ in range(3)]
        await line.aclose()
    assert bodies == [b"one", b"two", b"three"]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ([CHUNKED, b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n", b"0\r\n\r\n"], b"abcde"),
        ([CHUNKED + b"1\r\na\r\n0\r\nX-Trailer: 1\r\n\r\n"], b"a"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"to the ", b"end"], b"to the end"),
        ([b"HTTP/1.0 200 OK\r\n\r\nold"], b"old"),
        ([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"], b"ok"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", ok(b"real")], b"real"),
        ([b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\nRetry-After: 9\r\n\r\n" + ok(b"real")], b"real"),
        ([bytes([b]) for b in ok(b"split", "X-A: b\r\n")], b"split"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([ok(b"")], b""),
    ],
    ids=["chunked", "trailer", "eof", "http10", "close", "100", "103", "bytewise", "204", "empty"],
)  # fmt: skip
async def test_framing(parts: list[bytes], body: bytes) -> None:
    answer = await exchange_once(sending(*parts))
    assert answer.body == body
    assert answer.retry_after is None


@pytest.mark.parametrize("head", ["Connection: close\r\n", "Connection: keep-alive, close\r\n"])
async def test_connection_close_is_obeyed_at_once(head: str) -> None:
    async with serving(answering(b"x", head=head)) as server:
        line = connection(server.origin)
        for _ in range(2):
            await line.exchange(POST)
            assert line.is_cold
    assert server.connections == 2


async def test_an_answer_framed_by_the_end_closes_the_connection() -> None:
    async with serving(sending(b"HTTP/1.1 200 OK\r\n\r\nx")) as server:
        line = connection(server.origin)
        for _ in range(2):
            assert (await line.exchange(POST)).body == b"x"
            assert line.is_cold
    assert server.connections == 2


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"garbage"])
async def test_bytes_after_the_answer_never_reach_the_next_call(extra: bytes) -> None:
    async with serving(sending(ok(b"mine") + extra), answering(b"second")) as server:
        line = connection(server.origin)
        assert (await line.exchange(POST)).body == b"mine"
        assert (await line.exchange(POST)).body == b"second"
        await line.aclose()
    assert server.connections == 2


async def test_bytes_that_come_between_two_calls_are_not_an_answer() -> None:
    async with serving(sending(ok(b"mine"), ok(b"late")), answering(b"second")) as server:
        line = connection(server.origin)
        assert (await line.exchange(POST)).body == b"mine"
        await server.closed.wait()
        assert (await line.exchange(POST)).body == b"second"
        await line.aclose()
    assert server.connections == 2


async def test_a_connection_closed_while_idle_is_replaced_before_use() -> None:
    async with serving(sending(ok(b"one")), answering(b"two")) as server:
        line = connection(server.origin)
        await line.exchange(POST)
        await server.closed.wait()
        assert not line.is_cold
        assert (await line.exchange(POST)).body == b"two"
        await line.aclose()
    assert server.connections == 2


async def test_a_post_that_dies_on_a_kept_connection_is_not_sent_again() -> None:
    async def once_then_die(peer: Peer) -> None:
        await peer.request()
        await peer.answer()
        await peer.request()

    async with serving(once_then_die) as server:
        line = connection(server.origin)
        await line.exchange(POST)
        with pytest.raises(IlinkTransportError) as caught:
            await line.exchange(POST)
        assert caught.value.kind is Kind.RESET
        assert caught.value.maybe_arrived
        assert server.connections == 1


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 200"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n"],
    ],
    ids=["nothing", "status", "head", "body", "chunk", "no-last-chunk", "interim"],
)
async def test_an_end_inside_the_answer_is_a_break(parts: list[bytes]) -> None:
    error = await broken(sending(*parts))
    assert (error.kind, error.maybe_arrived) == (Kind.RESET, True)
    assert not isinstance(error, IlinkMalformed)


async def test_a_reset_is_a_break() -> None:
    error = await broken(resetting)
    assert (error.kind, error.maybe_arrived) == (Kind.RESET, True)


@pytest.mark.parametrize(
    "parts",
    [
        [b"\x16\x03\x01\x02\x00\x01\x00"],
        [b"<html>hello</html>"],
        [b"HTTP/1.1 abc\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nPRI"],
    ],
    ids=["tls", "html", "status", "negative", "two-lengths", "bad-chunk", "upgrade"],
)
async def test_what_is_not_http_is_malformed(parts: list[bytes]) -> None:
    error = await broken(sending(*parts))
    assert isinstance(error, IlinkMalformed)
    assert "s3cret" not in str(error)


async def test_the_body_may_be_as_large_as_the_cap() -> None:
    assert len((await exchange_once(sending(ok(b"x" * CAP)))).body) == CAP


@pytest.mark.parametrize(
    "parts",
    [
        [ok(b"x" * (CAP + 1))],
        [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 500] * 4],
        [b"HTTP/1.1 200 OK\r\nX: " + b"y" * (MAX_HEAD + 1)],
        [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEAD // 4)],
        [b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD // 20)],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * (2 * MAX_HEAD)],
    ],
    ids=["length", "eof", "one-header", "headers", "interim", "extension"],
)
async def test_too_large_is_malformed(parts: list[bytes]) -> None:
    assert isinstance(await broken(sending(*parts)), IlinkMalformed)


@pytest.mark.parametrize(
    ("handler", "begun"),
    [(silent, False), (sending(ok(b"x" * 9)[:-1]), True)],
    ids=["no answer", "half an answer"],
)
async def test_a_deadline_drops_the_connection(
    handler: Handler, begun: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def held(peer: Peer) -> None:
        await handler(peer)
        await peer.gone()

    async with serving(held) as server:
        line = connection(server.origin)
        with trio.move_on_after(5) as scope:
            await line.exchange(POST)
        assert scope.cancelled_caught
        assert (line.sent, line.answer_begun, line.is_cold) == (True, begun, True)


async def test_the_line_says_when_the_answer_has_begun() -> None:
    go = trio.Event()

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"H")
        await go.wait()
        await peer.send(ok()[1:])

    async with serving(handle) as server, trio.open_nursery() as nursery:
        line = connection(server.origin)
        nursery.start_soon(line.exchange, POST)
        before = line.answer_begun
        await trio.testing.wait_all_tasks_blocked()
        assert (before, line.answer_begun) == (False, True)
        go.set()
    await line.aclose()


async def test_closing_under_a_call_fails_it() -> None:
    async with serving(silent) as server, trio.open_nursery() as nursery:
        line = connection(server.origin)

        async def call() -> None:
            with pytest.raises(IlinkTransportError) as caught:
                await line.exchange(POST)
            assert caught.value.kind is Kind.RESET

        nursery.start_soon(call)
        await trio.testing.wait_all_tasks_blocked()
        await line.aclose()


async def test_nobody_listens() -> None:
    async with serving(silent) as server:
        origin = server.origin
    line = connection(origin)
    with pytest.raises(IlinkTransportError) as caught:
        await line.exchange(POST)
    assert (caught.value.kind, caught.value.maybe_arrived, line.sent) == (Kind.CONNECT, False, False)


async def test_a_name_that_does_not_resolve() -> None:
    line = connection(Origin("http", "nowhere.invalid", 80))
    with pytest.raises(IlinkTransportError) as caught:
        await line.exchange(POST)
    assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.DNS, False)


async def test_a_dead_address_costs_only_the_connect_time(autojump_clock: trio.testing.MockClock) -> None:
    async def never(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep(1000)
        raise OSError

    line = connection(Origin("http", "127.0.0.1", 80), opener=never)
    with pytest.raises(IlinkTransportError) as caught:
        await line.exchange(POST)
    assert (caught.value.kind, caught.value.maybe_arrived) == (Kind.TIMEOUT, False)
    assert trio.current_time() == pytest.approx(10, abs=0.1)


async def test_any_stream_will_do() -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    async def opener(host: str, port: int) -> trio.abc.Stream:
        return ours

    async with trio.open_nursery() as nursery:
        line = connection(Origin("http", "ilink.test", 80), opener=opener)
        nursery.start_soon(theirs.send_all, ok(b"memory"))
        assert (await line.exchange(POST)).body == b"memory"
        assert b"Host: ilink.test\r\n" in await theirs.receive_some()
        await line.aclose()


def readers_and_connections() -> int:
    """Alive in this process, those of other tests included."""
    return sum(type(found).__module__ == Connection.__module__ for found in gc.get_objects())


async def test_calls_and_closing_leave_no_cycles_behind() -> None:
    async with serving(answering(b"x" * 100)) as server:
        gc.collect()
        before = readers_and_connections()
        gc.disable()
        try:
            line = connection(server.origin)
            for _ in range(20):
                await line.exchange(POST)
            during = readers_and_connections()
            await line.aclose()
            del line
            assert during == before + 3, "the connection, its reader, its route"
            assert readers_and_connections() == before
        finally:
            gc.enable()
