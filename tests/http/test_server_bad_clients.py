"""The HTTP server and clients that are slow, broken or hostile: what each costs, and whom."""

import logging
import resource
import socket

import pytest
import trio
from hypercorn.protocol.events import Event, Request
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from trio.testing import MockClock, wait_all_tasks_blocked

from bottalk.http.connection import LINGER
from tests.http.serving import Client, EchoApp, answer_lifespan, reply, request, serving

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def http2_frames(header_block: bytes) -> bytes:
    """A cleartext HTTP/2 connection that opens stream 1 with `header_block` (HPACK)."""
    settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    headers = len(header_block).to_bytes(3) + b"\x01\x05\x00\x00\x00\x01" + header_block
    return PREFACE + settings + headers


# Each ends hypercorn's own serve(): a :path that is not ASCII, and CONNECT without a :path.
NON_ASCII_PATH = http2_frames(b"\x82\x86\x04\x03/\xc3\xa9\x01\x01x")
CONNECT_WITHOUT_PATH = http2_frames(b"\x02\x07CONNECT\x01\x01x")


class TestTimeouts:
    """With a clock that moves only when it is told to."""

    async def test_an_idle_connection_is_closed(self, mock_clock: MockClock) -> None:
        async with serving(EchoApp()) as served:
            fresh, used = await served.connect(), await served.connect()
            await wait_all_tasks_blocked()
            mock_clock.jump(30)
            await used.get()
            await wait_all_tasks_blocked()
            mock_clock.jump(46)
            assert await fresh.closed()
            assert used.quiet()
            mock_clock.jump(30)
            assert await used.closed()

    async def test_a_head_may_not_take_for_ever_however_it_drips(self, mock_clock: MockClock) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            for _ in range(3):
                await client.send(b"G")
                await wait_all_tasks_blocked()
                mock_clock.jump(9)
            assert client.quiet()
            await client.send(b"E")
            await wait_all_tasks_blocked()
            mock_clock.jump(3.1)
            assert await client.closed()

    async def test_a_slow_body_is_taken_and_a_stalled_one_is_not(self, mock_clock: MockClock) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(request("/", method="POST", headers="Content-Length: 6\r\n"))
            for byte in b"abcdef":
                await wait_all_tasks_blocked()
                mock_clock.jump(29)
                await client.send(bytes([byte]))
            assert (await client.answer())[1] == b"POST / abcdef"
            await client.send(request("/", method="POST", headers="Content-Length: 6\r\n") + b"abc")
            await wait_all_tasks_blocked()
            mock_clock.jump(31)
            assert await client.closed()

    async def test_a_client_that_waits_for_its_answer_is_never_too_slow(self, mock_clock: MockClock) -> None:
        app = EchoApp()
        async with serving(app) as served:
            client = await served.connect()
            await client.send(request("/held"))
            await app.held.wait()
            mock_clock.jump(1000)
            await wait_all_tasks_blocked()
            app.release.set()
            assert (await client.answer())[1] == b"GET /held "

    async def test_a_client_that_does_not_read_its_answer(self, mock_clock: MockClock) -> None:
        """A send that nobody takes ends, and so does the request; hypercorn's own waits for ever."""
        ended = trio.Event()

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] == "lifespan":
                return await answer_lifespan(receive, send)
            try:
                await reply(send, bytes(64 * 1024 * 1024))
            finally:
                ended.set()
            return None

        async with serving(app) as served:
            client = await served.connect()
            await client.send(request())
            await wait_all_tasks_blocked()
            mock_clock.jump(31)
            await ended.wait()
            await wait_all_tasks_blocked()
            received = 0
            try:
                while data := await client.stream.receive_some():
                    received += len(data)
            except trio.BrokenResourceError:
                pass
            assert 0 < received < 64 * 1024 * 1024
        assert served.faults == []

    async def test_the_bytes_that_come_after_the_deadline_begin_no_request(self, mock_clock: MockClock) -> None:
        app = EchoApp()
        async with serving(app) as served:
            client = await served.connect()
            await wait_all_tasks_blocked()
            client.send_now(request())  # in the server's buffer before any of its tasks can run
            mock_clock.jump(75)
            assert await client.closed()
        assert app.scopes == []


class TestBadClients:
    @pytest.mark.parametrize("preface", [NON_ASCII_PATH, CONNECT_WITHOUT_PATH, PREFACE])
    async def test_an_http_2_preface_costs_its_own_connection_only(self, preface: bytes) -> None:
        async with serving(EchoApp()) as served:
            good, bad = await served.connect(), await served.connect()
            assert await good.get("/before") == b"GET /before "
            await bad.send(preface)
            assert (await bad.answer())[0] == 505
            assert await bad.closed()
            assert await good.get("/after") == b"GET /after "
            assert await (await served.connect()).get("/new") == b"GET /new "

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET ?title=x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET /\xe4\xbd\xa0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\n", 400),
        ],
    )
    async def test_what_no_route_could_make_sense_of(self, data: bytes, status: int) -> None:
        app = EchoApp()
        async with serving(app) as served:
            good, bad = await served.connect(), await served.connect()
            await bad.send(data)
            assert (await bad.answer())[0] == status
            assert await bad.closed()
            assert await good.get("/after") == b"GET /after "
        assert served.faults == []
        assert app.cancelled == 0

    async def test_a_head_up_to_64_kib_is_taken_and_a_larger_one_refused(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            assert len(await client.get("/" + 63 * 1024 * "a")) > 63 * 1024
            await client.send(request("/", headers=f"X: {90 * 1024 * 'a'}\r\n"))
            assert (await client.answer())[0] == 431
            assert await client.closed()

    async def test_an_early_answer_reaches_a_client_that_is_still_sending(self) -> None:
        """A 413 is given before the body is read; closing at once would reset the connection and lose it."""

        async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            if scope["type"] == "lifespan":
                return await answer_lifespan(receive, send)
            return await reply(send, b"too large", status=413)

        async with serving(app) as served:
            client = await served.connect()
            await client.send(request("/", method="POST", body=bytes(8 * 1024 * 1024)))
            assert (await client.answer())[:2] == (413, b"too large")
            assert await client.closed()
        assert served.faults == []

    async def test_a_closed_answer_lingers_for_a_bounded_time(self, mock_clock: MockClock) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            await client.answer()
            assert await client.closed()
            served.stopping.set()
            await wait_all_tasks_blocked()
            assert not served.ended.is_set()
            mock_clock.jump(LINGER)
            await served.ended.wait()

    async def test_the_app_s_crash_is_a_500_and_reported(self) -> None:
        async with serving(EchoApp()) as served:
            client = await served.connect()
            await client.send(request("/broken"))
            assert (await client.answer())[0] == 500
            assert await client.closed()
        (fault,) = served.faults
        assert pytest.RaisesGroup(ValueError).matches(fault)

    async def test_what_the_protocol_throws_costs_one_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault planted in hypercorn, in the task that reads: what has been seen there ended `serve`."""
        original = HTTPStream.handle

        async def faulty(stream: HTTPStream, event: Event) -> None:
            if isinstance(event, Request) and event.raw_path == b"/fault":
                raise KeyError("planted")
            await original(stream, event)

        monkeypatch.setattr(HTTPStream, "handle", faulty)
        async with serving(EchoApp()) as served:
            good, bad = await served.connect(), await served.connect()
            await bad.send(request("/fault"))
            assert await bad.closed()
            assert await good.get("/after") == b"GET /after "
        (fault,) = served.faults
        assert pytest.RaisesGroup(KeyError, flatten_subgroups=True).matches(fault)

    async def test_running_out_of_file_descriptors_does_not_end_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        logger, refused = logging.getLogger("trio.serve_listeners"), trio.Event()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with serving(EchoApp()) as served:
            early = await served.connect()
            assert await early.get() == b"GET / "
            with socket.socket() as waiting:
                monkeypatch.setattr(logger, "handle", lambda _record: refused.set())
                resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
                try:
                    waiting.setblocking(False)
                    waiting.connect_ex(served.address)
                    await refused.wait()
                    assert await early.get() == b"GET / "
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                late = Client(trio.SocketStream(trio.socket.from_stdlib_socket(waiting)))
                assert await late.get() == b"GET / "
