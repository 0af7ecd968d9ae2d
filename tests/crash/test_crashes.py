"""A crash of http leaves the pollers and the port alone; a crash of the journal ends the process, and tells no lie."""

import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import trio

from bottalk.config import load
from bottalk.daemon import Daemon, open_daemon
from bottalk.http import actor as http_actor
from bottalk.http.server import serve as serve_http
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.server import serve as serve_sandbox
from supervisors import ChildState, ChildStatus
from tests.e2e.processes import Field, field

SOFTWARE = 70


async def test_a_crash_of_http_leaves_the_pollers_and_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = trio.Event()
    monkeypatch.setattr(http_actor, "serve", crashing(serve_http, crash))
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=DEMO)
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(serve_sandbox, sandbox)
        config = load(
            environ={},
            overrides={
                "port": 0,
                "data_dir": str(tmp_path / "data"),
                "demo": True,
                "ilink.base_url": upstream,
                "ilink.allowed_hosts": ("127.0.0.1",),
            },
        )
        async with open_daemon(config) as daemon, httpx.AsyncClient(trust_env=False, timeout=10) as client:
            the = Field(upstream, tmp_path / "data", client)
            the.url = daemon.url
            bound = await the.bind()
            poller = child(daemon, "channels", f"channel {bound.channel_id}")
            polls = len(sandbox.record.of("getupdates"))
            crash.set()
            await the.until(lambda: restarts(daemon), lambda found: found == 1)
            # a client that came meanwhile waited in the socket's queue: the port was never closed
            assert (await client.get(f"{daemon.url}/healthz")).text == "ok"
            assert child(daemon, "http").state is ChildState.RUNNING
            assert child(daemon, "channels", f"channel {bound.channel_id}") == poller
            assert len(sandbox.record.of("getupdates")) == polls, "the held poll was not cut"
            assert (await the.push(bound, "还是那个端口"))["message"] == "success"
            assert await the.texts(bound.user) == ["还是那个端口"]
        assert sandbox.max_concurrent_polls() == 1
        nursery.cancel_scope.cancel()


def crashing(serve: Callable[..., Awaitable[None]], crash: trio.Event) -> Callable[..., Awaitable[None]]:
    """The server, which on `crash` throws once. Its next run is sound."""
    is_first = True

    async def run(*arguments: object, **options: object) -> None:
        nonlocal is_first
        if not is_first:
            await serve(*arguments, **options)
            return
        is_first = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(boom)
            await serve(*arguments, **options)

    async def boom() -> None:
        await crash.wait()
        raise RuntimeError("planted: a bug of the server")

    return run


def child(daemon: Daemon, *path: str) -> ChildStatus:
    status = daemon.status().tree
    for name in path:
        found = next(one for one in status.children if one.name == name)
        if found.children is not None:
            status = found.children
    return found


async def restarts(daemon: Daemon) -> int:
    http = child(daemon, "http")
    return http.restarts if http.state is ChildState.RUNNING else 0


async def test_a_crash_of_the_journal_ends_the_process(tmp_path: Path) -> None:
    async with field(tmp_path) as the:
        async with the.daemon(module="tests.crash.broken_journal") as daemon:
            bound = await the.bind()
            assert (await the.push(bound, "之前"))["message"] == "success"
            (the.data_dir / "crash-now").touch()
            with pytest.raises(httpx.RemoteProtocolError):  # the connection breaks: nobody is told a lie
                await the.push(bound, "之间")
            assert await daemon.ended() == SOFTWARE
            assert "planted" in daemon.errors.read_text()
        assert [row["title"] for row in the.rows()] == ["之前"]
        async with the.daemon():
            assert (await the.push(bound, "之后"))["message"] == "success"
            assert await the.texts(bound.user) == ["之前", "之后"]


async def test_a_page_that_the_dying_journal_had_in_hand_is_not_answered_either(tmp_path: Path) -> None:
    async with field(tmp_path) as the, the.daemon(module="tests.crash.broken_journal") as daemon:
        await the.bind()
        (the.data_dir / "crash-now").touch()
        with pytest.raises(httpx.RemoteProtocolError):
            await the.client.post(f"{the.url}/api/key/reset", headers={"Origin": the.url})
        assert await daemon.ended() == SOFTWARE
