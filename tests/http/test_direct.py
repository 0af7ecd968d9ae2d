"""Routes that are answered inside the connection's own task, beside an app on the same connections."""

import gc
import re
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing

from bottalk.http.connection import Connection
from bottalk.http.direct import DirectAnswer, DirectRequest
from bottalk.http.protocol import HttpProtocol, RequestTasks
from bottalk.http.server import ServerSettings
from tests.http.serving import EchoApp, request, serving


@dataclass
class Toy:
    """Answers `/direct…` with method, path, query and body, `/direct/held` after `release`, `/direct/large` 20 MB."""

    max_body: int = 100
    release: trio.Event = field(default_factory=trio.Event)
    held: trio.Event = field(default_factory=trio.Event)
    answered: int = 0

    def route(self, path: str) -> Any | None:  # noqa: ANN401
        return path if re.match("/direct", path) else None

    async def answer(self, route: Any, request: DirectRequest) -> DirectAnswer:  # noqa: ANN401
        if route == "/direct/held":
            self.held.set()
            await self.release.wait()
        self.answered += 1
        if route == "/direct/large":
            return DirectAnswer(200, [(b"content-length", b"20000000")], b"x" * 20_000_000)
        said = f"{request.method} {route} {request.query.decode()} {request.body.decode()}".encode()
        return DirectAnswer(200, [(b"content-length", str(len(said)).encode())], said)

    def too_large(self, route: Any) -> DirectAnswer:  # noqa: ANN401
        return DirectAnswer(413, [(b"content-length", b"2")], b"no")

    def too_slow(self, route: Any) -> DirectAnswer:  # noqa: ANN401
        return DirectAnswer(408, [(b"content-length", b"4")], b"slow")


async def test_direct_and_app_take_turns_on_one_connection() -> None:
    async with serving(EchoApp(), direct=Toy()) as served:
        client = await served.connect()
        for _ in range(3):
            await client.send(request("/direct?a=1", method="POST", body=b"text"))
            assert (await client.answer())[:2] == (200, b"POST /direct a=1 text")
            assert (await client.get("/app")) != b""


async def test_an_absolute_url_is_a_target_too() -> None:
    async with serving(EchoApp(), direct=Toy()) as served:
        client = await served.connect()
        await client.send(request("http://push.example.org/direct?a=1", method="POST", body=b"text"))
        assert (await client.answer())[:2] == (200, b"POST /direct a=1 text")


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving(EchoApp(), direct=Toy()) as served:
        client = await served.connect()
        await client.send(request("/direct/1") + request("/app") + request("/direct/2", method="POST", body=b"x"))
        assert (await client.answer())[1] == b"GET /direct/1  "
        assert (await client.answer())[0] == 200
        assert (await client.answer())[1] == b"POST /direct/2  x"


async def test_head_has_the_length_and_no_body() -> None:
    async with serving(EchoApp(), direct=Toy()) as served:
        client = await served.connect()
        await client.send(request("/direct", method="HEAD"))
        status, _, head = await client.answer(body=False)
        assert status == 200
        assert b"content-length: 14" in head.lower()
        assert await client.get("/direct") == b"GET /direct  "


async def test_a_body_in_pieces_in_chunks_and_after_continue() -> None:
    async with serving(EchoApp(), direct=Toy()) as served:
        client = await served.connect()
        for byte in request("/direct", method="POST", body=b"piecemeal"):
            await client.send(bytes([byte]))
        assert (await client.answer())[1] == b"POST /direct  piecemeal"
        await client.send(request("/direct", method="POST", headers="Transfer-Encoding: chunked\r\n"))
        await client.send(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        assert (await client.answer())[1] == b"POST /direct  abcdefg"
        await client.send(b"POST /direct HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.answer(body=False))[0] == 100
        await client.send(b"hi")
        assert (await client.answer())[1] == b"POST /direct  hi"


async def test_a_body_over_the_limit_is_refused_and_the_connection_closed() -> None:
    toy = Toy()
    async with serving(EchoApp(), direct=toy) as served:
        client = await served.connect()
        await client.send(b"POST /direct HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200)
        assert (await client.answer())[:2] == (413, b"no")
        assert await client.closed()
        assert toy.answered == 0


async def test_a_body_that_drips_in_is_refused_after_half_a_minute(mock_clock: trio.testing.MockClock) -> None:
    toy = Toy()
    async with serving(EchoApp(), direct=toy) as served:
        client = await served.connect()
        await client.send(b"POST /direct HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        for _ in range(2):
            await trio.testing.wait_all_tasks_blocked(0.01)
            mock_clock.jump(20)
            await client.send(b"x")
        assert (await client.answer())[:2] == (408, b"slow")
        assert toy.answered == 0


async def test_a_client_that_hangs_up_changes_nothing() -> None:
    toy = Toy()
    async with serving(EchoApp(), direct=toy) as served:
        client = await served.connect()
        await client.send(request("/direct/held"))
        await toy.held.wait()
        await client.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert toy.answered == 0
        toy.release.set()
        other = await served.connect()
        assert await other.get("/direct") == b"GET /direct  "
        await trio.testing.wait_all_tasks_blocked()
        assert toy.answered == 2
        assert served.faults == []


async def test_a_stop_waits_for_an_answer_under_way() -> None:
    toy = Toy()
    async with serving(EchoApp(), ServerSettings(graceful_timeout=30), direct=toy) as served:
        client = await served.connect()
        await client.send(request("/direct/held"))
        await toy.held.wait()
        served.stopping.set()
        await trio.testing.wait_all_tasks_blocked()
        toy.release.set()
        status, _, head = await client.answer()
        assert status == 200
        assert b"connection: close" in head.lower()
        await served.ended.wait()


async def test_a_stop_that_comes_while_an_answer_goes_out_ends_its_connection() -> None:
    async with serving(EchoApp(), ServerSettings(graceful_timeout=60), direct=Toy()) as served:
        client = await served.connect()
        await client.send(request("/direct/large"))
        await trio.testing.wait_all_tasks_blocked(0.1)  # the socket's buffer is full
        served.stopping.set()
        assert len((await client.answer())[1]) == 20_000_000
        assert await client.closed()
        with trio.fail_after(30):
            await served.ended.wait()


async def test_a_connection_that_is_over_leaves_nothing_to_the_collector() -> None:
    """What refers to itself stays until the collector finds it, and old objects are looked at but once an hour."""
    async with serving(EchoApp(), direct=Toy()) as served:
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                client = await served.connect()
                for path in ("/app", "/direct"):
                    await client.send(request(path, method="POST", body=b"text"))
                    assert (await client.answer())[0] == 200
                await client.stream.aclose()
                await trio.testing.wait_all_tasks_blocked(0.01)
            alive = [one for one in gc.get_objects() if isinstance(one, HttpProtocol | Connection | RequestTasks)]
            assert alive == []
        finally:
            gc.enable()
