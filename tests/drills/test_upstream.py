"""iLink cannot be reached, is somebody else, or is mute: what was accepted waits, and goes when it is back."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.drills.tools import AT_ONCE, change, delivered, said, waiting
from tests.e2e.processes import field
from tests.ilink.scripted import Peer, server_tls, serving

pytestmark = pytest.mark.slow


@asynccontextmanager
async def unknown_name(heard: list[bytes]) -> AsyncIterator[str]:
    yield "https://ilink.invalid"


@asynccontextmanager
async def nobody(heard: list[bytes]) -> AsyncIterator[str]:
    """A port that nobody listens on, held so that nobody else will."""
    sock = trio.socket.socket()
    await sock.bind(("127.0.0.1", 0))
    with sock:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@asynccontextmanager
async def somebody_else(heard: list[bytes]) -> AsyncIterator[str]:
    """Its certificate is of an authority that nobody knows."""

    async def listen(peer: Peer) -> None:
        heard.append(bytes(await peer.stream.receive_some()))

    async with serving(*[listen] * 1000, tls=server_tls()) as server:
        yield f"https://localhost:{server.port}"


@asynccontextmanager
async def mute(heard: list[bytes]) -> AsyncIterator[str]:
    """It takes every request, and never answers."""

    async def listen(peer: Peer) -> None:
        head, body = await peer.request()
        heard.append(head.encode() + body)
        await peer.gone()

    async with serving(*[listen] * 1000) as server:
        yield f"http://127.0.0.1:{server.port}"


Upstream = Callable[[list[bytes]], AbstractAsyncContextManager[str]]


@pytest.mark.parametrize("upstream", [unknown_name, nobody, somebody_else, mute])
async def test_pushes_wait_for_an_ilink_that_is_not_there(tmp_path: Path, upstream: Upstream) -> None:
    heard: list[bytes] = []
    async with field(tmp_path) as the:
        async with the.daemon(AT_ONCE):
            bound = await the.bind()
        elsewhere = {**AT_ONCE, "ILINK_ALLOWED_HOSTS": "127.0.0.1,localhost,ilink.invalid"}
        async with upstream(heard) as url:
            change(the.data_dir / "bottalk.db", f"UPDATE channels SET base_url = '{url}'")
            async with the.daemon({**elsewhere, "ILINK_BASE_URL": url}) as daemon:
                first = await the.push(bound, "<一>", wait="3")
                second = await the.push(bound, "<二>", wait="0")
                code = await the.client.post(f"{the.url}/api/channels/qrcode-public")
                assert code.status_code < 500 or code.status_code == 502, code.text
                assert code.json()["success"] is False
                assert (await the.client.get(f"{the.url}/healthz")).text == "ok"
                assert daemon.popen.poll() is None
                assert upstream is mute or said(daemon, "channel.send_failed")
                assert "Traceback" not in daemon.errors.read_text()
                daemon.signal(signal.SIGTERM)
                assert await daemon.ended() == 0
        for answer in (first, second):
            assert (answer["code"], answer["message"]) == (0, "queued")
        assert [row["status"] for row in the.rows()] == ["queued", "queued"]
        told = any(b"sendmessage" in request for request in heard)
        assert told is (upstream is mute), "nothing is said to who is not known"
        assert next(bool(row["maybe_duplicate"]) for row in the.rows()) is told
        change(the.data_dir / "bottalk.db", f"UPDATE channels SET base_url = '{the.upstream}'")
        async with the.daemon(AT_ONCE):
            await the.until(lambda: waiting(the), lambda found: found == 0)
        shown = await delivered(the, bound)
        assert [shown.count(title) for title in ("<一>", "<二>")] == [1, 1]
        assert shown.index("<一>") < shown.index("<二>")
