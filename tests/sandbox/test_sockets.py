"""The sandbox on a real port: iLink's paths, and the faults that only a socket can show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.faults import Cut, Fault
from bottalk.sandbox.rules.parameters import FIELD
from bottalk.sandbox.server import serve
from tests.sandbox.client import BASE_INFO, USER, Client, bind, make_sandbox, send_body

NO_BURST = FIELD.changed(burst=())


@asynccontextmanager
async def served(sandbox: Sandbox) -> AsyncIterator[tuple[str, Client]]:
    async with trio.open_nursery() as nursery:
        url = await nursery.start(serve, sandbox)
        async with httpx.AsyncClient(base_url=url, timeout=5, trust_env=False) as http:
            yield url, Client(http)
        nursery.cancel_scope.cancel()


async def test_a_code_a_message_and_a_push_over_tcp() -> None:
    sandbox = make_sandbox(NO_BURST)
    async with served(sandbox) as (url, client):
        code = await client.qrcode()
        assert code["qrcode_img_content"].startswith(f"{url}/q/")
        assert sandbox.scan(code["qrcode"], USER).ok
        sandbox.confirm(code["qrcode"])
        confirmed = await client.status(code["qrcode"])
        assert confirmed["baseurl"] == url
        token = confirmed["bot_token"]
        sandbox.write(USER)
        polled = await client.poll(token)
        assert (await client.send(token, "你好", context=polled["msgs"][0]["context_token"]))["ret"] == 0
    assert [message.text for message in sandbox.read(USER)] == ["你好"]
    sandbox.check_invariants()


async def test_a_held_poll_is_woken_by_a_message_and_dropped_by_a_client_that_leaves() -> None:
    sandbox = make_sandbox()
    token = bind(sandbox)
    session = sandbox.session(USER)
    assert session is not None
    async with served(sandbox) as (_, client), trio.open_nursery() as nursery:
        nursery.start_soon(client.poll, token)
        await _until_polls(sandbox, 1)
        nursery.cancel_scope.cancel()
    async with served(sandbox) as (_, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.poll, token)
            await _until_polls(sandbox, 1)
            nursery.cancel_scope.cancel()
        await _until_polls(sandbox, 0)
        sandbox.write(USER, "kept")
        polled = await client.poll(token)
        assert [message["item_list"][0]["text_item"]["text"] for message in polled["msgs"]] == ["kept"]
    assert [call.outcome for call in sandbox.record.of("getupdates")] == ["gone", "gone", "ok"]


@pytest.mark.parametrize("at", ["first_byte", "headers", "body"])
async def test_reset(at: Cut) -> None:
    sandbox = make_sandbox(NO_BURST)
    token = bind(sandbox)
    sandbox.write(USER)
    async with served(sandbox) as (url, client):
        fault = Fault(kind="reset", endpoint="sendmessage", at=at, when="after")
        sandbox.arm(fault)
        head, end = await _raw_send(url, client, token)
        if at == "first_byte":
            assert (head, end) == (b"", "reset")
        elif at == "headers":
            assert end == "reset"
        else:
            assert head.startswith(b"HTTP/1.1 200")
            assert head.endswith(b'{"ret":0,"message_id"')
            assert end == "closed"
        sandbox.arm(fault)
        with pytest.raises(httpx.TransportError):
            await client.send(token)
        assert (await client.send(token))["ret"] == 0
    assert len(sandbox.read(USER)) == 3


async def test_lost_answer_is_a_reset_of_a_send_that_arrived() -> None:
    sandbox = make_sandbox(NO_BURST)
    token = bind(sandbox)
    sandbox.write(USER)
    async with served(sandbox) as (_, client):
        sandbox.arm(Fault(kind="lost_answer"))
        with pytest.raises(httpx.ReadError):
            await client.send(token)
    assert len(sandbox.read(USER)) == 1


async def test_refused_connections_are_reset_at_once_and_held_polls_are_cut() -> None:
    sandbox = make_sandbox()
    token = bind(sandbox)
    async with served(sandbox) as (_, client):
        async with trio.open_nursery() as nursery:

            async def poll() -> None:
                with pytest.raises(httpx.ReadError):
                    await client.poll(token)

            nursery.start_soon(poll)
            await _until_polls(sandbox, 1)
            sandbox.arm(Fault(kind="refuse_connections", seconds=60))
        with pytest.raises(httpx.TransportError):
            await client.send(token)
        sandbox.disarm()
        assert await client.call("msg/notifystart", token) == {"ret": 0}


async def test_bytes_that_are_not_http_cost_their_own_connection_only() -> None:
    sandbox = make_sandbox()
    token = bind(sandbox)
    async with served(sandbox) as (url, client):
        for hello in (b"\x16\x03\x01nonsense\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\xff"):
            stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
            async with stream:
                await stream.send_all(hello)
                await stream.send_eof()
                with trio.fail_after(5):
                    while await stream.receive_some():
                        pass
        assert await client.call("msg/notifystart", token, base_info=BASE_INFO) == {"ret": 0}


async def test_a_body_that_is_too_large_is_413() -> None:
    sandbox = make_sandbox()
    async with served(sandbox) as (url, client):
        answer = await client.http.post(f"{url}/ilink/bot/sendmessage", content=b"x" * 5_000_000)
    assert answer.status_code == 413


async def _until_polls(sandbox: Sandbox, count: int) -> None:
    session = sandbox.session(USER)
    assert session is not None
    with trio.fail_after(5):
        await sandbox.until(lambda: len(session.polls) == count)


async def _raw_send(url: str, client: Client, token: str) -> tuple[bytes, str]:
    """One sendmessage by hand: what came back, and how the connection ended."""
    request = client.http.build_request(
        "POST", f"{url}/ilink/bot/sendmessage", json=send_body(), headers=client.headers(token)
    )
    head = b"POST /ilink/bot/sendmessage HTTP/1.1\r\n" + b"".join(
        name + b": " + value + b"\r\n" for name, value in request.headers.raw
    )
    stream = await trio.open_tcp_stream("127.0.0.1", int(url.rpartition(":")[2]))
    received = b""
    async with stream:
        await stream.send_all(head + b"\r\n" + request.content)
        try:
            with trio.fail_after(5):
                while data := await stream.receive_some():
                    received += data
        except trio.BrokenResourceError:
            return received, "reset"
    return received, "closed"
