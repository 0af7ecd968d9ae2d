"""The HTTP server over real sockets: what a client sees on the wire, and how it stops and starts again."""

import os
import stat
from functools import partial
from pathlib import Path

import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from hypercorn.utils import LifespanFailureError
from quart_trio import QuartTrio
from trio.testing import MockClock, wait_all_tasks_blocked

from bottalk.http.server import ServerSettings, serve
from tests.http.serving import Client, EchoApp, answer_lifespan, reply, request, serving, tcp_socket, unix_socket


class TestRequests:
    async def test_a_connection_serves_one_request_after_the_other(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            for number in range(1200):  # hypercorn's own limit is 1,000
                assert await client.get(f"/{number}") == b"GET /%d " % number
        assert served.faults == []

    async def test_pipelined_requests_are_answered_in_order(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(request("/a") + request("/b", method="POST", body=b"text") + request("/c"))
            assert [(await client.answer())[1] for _ in "abc"] == [b"GET /a ", b"POST /b text", b"GET /c "]

    async def test_head_has_the_length_and_no_body(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(request("/", method="HEAD"))
            status, _, head = await client.answer(body=False)
            assert (status, b"content-length: 7" in head) == (200, True)
            assert await client.get("/next") == b"GET /next "

    async def test_a_body_in_pieces_and_in_chunks(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            whole = request("/", method="POST", body=b"0123456789")
            for byte in whole:
                await client.send(bytes([byte]))
                await trio.lowlevel.checkpoint()
            assert (await client.answer())[1] == b"POST / 0123456789"
            await client.send(request("/", method="POST", headers="Transfer-Encoding: chunked\r\n"))
            await client.send(b"3\r\nabc\r\n")
            await client.send(b"2\r\nde\r\n0\r\n\r\n")
            assert (await client.answer())[1] == b"POST / abcde"

    async def test_expect_continue(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(request("/", method="PUT", headers="Expect: 100-continue\r\nContent-Length: 2\r\n"))
            assert (await client.answer())[0] == 100
            await client.send(b"ok")
            assert (await client.answer())[1] == b"PUT / ok"

    async def test_http_1_0_is_answered_and_closed(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await client.answer())[1] == b"GET / "
            assert await client.closed()

    async def test_an_absolute_url_is_a_target_too(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            assert await client.get("http://x/path?q=1") == b"GET http://x/path "

    async def test_a_websocket_handshake_is_an_ordinary_request(self) -> None:
        app = EchoApp()
        async with serving(app) as served:
            client = await served.connect()
            handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n"
            await client.send(request("/chat", headers=handshake + "Sec-WebSocket-Version: 13\r\n"))
            assert (await client.answer())[0] == 200
            assert [scope["type"] for scope in app.scopes] == ["http"]
            assert await client.get("/next") == b"GET /next "

    async def test_an_upgrade_to_http_2_is_ignored(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
            await client.send(request("/", headers=upgrade))
            assert (await client.answer())[1] == b"GET / "
            assert await client.get("/next") == b"GET /next "

    async def test_a_client_that_leaves_cancels_its_request_in_quart(self) -> None:
        app, begun, cancelled, released = QuartTrio("test"), trio.Event(), trio.Event(), trio.Event()

        @app.route("/")
        async def route() -> str:
            begun.set()
            try:
                await released.wait()
            except trio.Cancelled:
                cancelled.set()
                raise
            return ""

        async with serving(app) as served:
            client = await served.connect()
            await client.send(request())
            await begun.wait()
            await client.stream.aclose()
            await cancelled.wait()
        assert served.faults == []


class TestOneSend:
    """Each send is a system call and a trip through the scheduler."""

    async def test_an_answer_is_one_send(self, monkeypatch: pytest.MonkeyPatch) -> None:
        writes: list[bytes] = []
        original = os.write

        def noted(fd: int, data: bytes) -> int:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                writes.append(data)
            return original(fd, data)

        async with serving(EchoApp()) as served:
            client = await served.connect()
            monkeypatch.setattr(os, "write", noted)
            assert await client.get("/one") == b"GET /one "
        (answer,) = writes
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\nGET /one ")

    async def test_an_app_that_streams_without_a_rest_leaves_the_loop_to_others(self) -> None:
        turns = 0

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] == "lifespan":
                await answer_lifespan(receive, send)
                return
            before = turns
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            for _ in range(99):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await send({"type": "http.response.body", "body": b"%d" % (turns - before > 50), "more_body": False})

        async def others(task_status: trio.TaskStatus[None]) -> None:
            nonlocal turns
            task_status.started()
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with serving(app) as served, trio.open_nursery() as nursery:
            await nursery.start(others)
            client = await served.connect()
            assert await client.get("/stream") == b"x" * 99 + b"1"
            nursery.cancel_scope.cancel()

    async def test_an_answer_larger_than_the_buffers_is_sent_as_the_client_reads(self) -> None:
        large = b"x" * 20_000_000

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] == "lifespan":
                await answer_lifespan(receive, send)
            else:
                await reply(send, large)

        async with serving(app) as served:
            client = await served.connect()
            assert await client.get("/large") == large
            assert await client.get("/again") == large

    async def test_a_streamed_answer_is_sent_as_it_comes(self) -> None:
        go_on = trio.Event()

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] == "lifespan":
                return await answer_lifespan(receive, send)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"last", "more_body": False})
            return None

        async with serving(app) as served:
            client = await served.connect()
            await client.send(request())
            received = b""
            while b"first" not in received:
                received += await client.stream.receive_some()
            go_on.set()
            while not received.endswith(b"0\r\n\r\n"):
                received += await client.stream.receive_some()
            assert b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n" in received


class TestStopping:
    async def test_idle_connections_close_at_once_and_a_request_under_way_finishes(self, mock_clock: MockClock) -> None:
        app = EchoApp()
        async with serving(app) as served:
            fresh, used, half, busy = [await served.connect() for _ in range(4)]
            await used.get()
            await half.send(b"GET / HT")
            await busy.send(request("/held") + request("/never"))
            await app.held.wait()
            await wait_all_tasks_blocked()
            served.stopping.set()
            for client in (fresh, used, half):
                assert await client.closed()
            assert busy.quiet()
            mock_clock.jump(20)
            await wait_all_tasks_blocked()
            app.release.set()
            _, body, head = await busy.answer()
            assert (body, b"connection: close" in head.lower()) == (b"GET /held ", True)
            assert await busy.closed()
            await busy.stream.aclose()
            await served.ended.wait()
        assert [scope["path"] for scope in app.scopes] == ["/", "/held"]
        assert served.faults == []

    async def test_a_request_over_the_graceful_time_is_cancelled_unanswered(self, mock_clock: MockClock) -> None:
        app = EchoApp()
        async with serving(app, ServerSettings(graceful_timeout=5)) as served:
            client = await served.connect()
            await client.send(request("/held"))
            await app.held.wait()
            served.stopping.set()
            await wait_all_tasks_blocked()
            mock_clock.jump(4.9)
            await wait_all_tasks_blocked()
            assert (app.cancelled, client.quiet()) == (0, True)
            mock_clock.jump(0.2)
            await served.ended.wait()
            assert app.cancelled == 1
            assert await client.closed()
        assert served.faults == []

    async def test_a_new_server_on_the_same_sockets(self, tmp_path: Path) -> None:
        with tcp_socket() as tcp, unix_socket(tmp_path / "s") as unix:
            async with serving(EchoApp(), sockets=[tcp, unix]) as first:
                assert await (await first.connect()).get("/1") == b"GET /1 "
            between = await trio.open_tcp_stream(*first.address)  # waits in the kernel's queue
            async with between, serving(EchoApp(), sockets=[tcp, unix]) as second:
                assert await Client(between).get("/2") == b"GET /2 "
                assert await (await second.connect(tmp_path / "s")).get("/3") == b"GET /3 "
            assert second.faults == []
            assert tcp.fileno() >= 0

    async def test_a_cancel_stops_it_at_once_and_leaves_the_socket_open(self) -> None:
        app, faults = EchoApp(), list[BaseException]()
        with tcp_socket() as sock:
            async with trio.open_nursery() as nursery:
                arguments = partial(serve, app, [sock], ServerSettings(), on_bad_connection=faults.append)
                await nursery.start(partial(arguments, stopping=trio.Event()))
                client = Client(await trio.open_tcp_stream(*sock.getsockname()))
                await client.send(request("/held"))
                await app.held.wait()
                nursery.cancel_scope.cancel()
            assert await client.closed()
            await client.stream.aclose()
            assert (app.cancelled, faults) == (1, [])
            async with serving(app, sockets=[sock]) as served:
                assert await (await served.connect()).get() == b"GET / "


async def test_the_unix_socket_has_no_server_address(tmp_path: Path) -> None:
    app = EchoApp()
    with tcp_socket() as tcp, unix_socket(tmp_path / "s") as unix:
        async with serving(app, sockets=[tcp, unix]) as served:
            await (await served.connect()).get("/tcp")
            await (await served.connect(tmp_path / "s")).get("/unix")
    by_tcp, by_unix = app.scopes
    assert by_tcp["server"] == served.address
    assert (by_unix["server"], by_unix["client"]) == (None, None)


async def test_an_app_without_a_lifespan() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            await reply(send, b"served")

    async with serving(app) as served:
        assert await (await served.connect()).get() == b"served"
    assert served.ended.is_set()


async def test_an_app_that_fails_to_start() -> None:
    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "planted"})

    with pytest.RaisesGroup(LifespanFailureError, flatten_subgroups=True):
        async with serving(app):
            pytest.fail("started")
