"""A daemon on real sockets in this process: the real clock, threads for the database, the sandbox without a network."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from bottalk.clock import SystemClock
from bottalk.daemon import Daemon, open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.transport import transport
from bottalk.store.threads import Runner
from tests.support.http import PUBLIC_CODE
from tests.support.world import UNASKED, config_for

WITHIN_S = 15.0
"""Seconds of the real clock after which something that should happen has not. Only a failing test waits so long."""


@dataclass(slots=True)
class Live:
    """A daemon that listens, and its iLink."""

    daemon: Daemon
    sandbox: Sandbox
    clock: SystemClock
    data_dir: Path

    @property
    def port(self) -> int:
        return int(self.daemon.url.rpartition(":")[2])

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.daemon.url, trust_env=False, timeout=WITHIN_S) as client:
            yield client

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[httpx.AsyncClient]:
        """Through the Unix socket."""
        door = httpx.AsyncHTTPTransport(uds=str(self.data_dir / "bottalk.sock"))
        async with httpx.AsyncClient(transport=door, base_url="http://operator", timeout=WITHIN_S) as client:
            yield client

    async def bind(self, browser: httpx.AsyncClient, user: str | None = None) -> tuple[str, str]:
        """Ask for a code, scan, confirm: the user and the SendKey. The browser is logged in by it."""
        code = (await browser.post(PUBLIC_CODE)).json()["data"]["qrcode"]
        user = user or self.sandbox.new_user()
        self.sandbox.scan(code, user)
        self.sandbox.confirm(code)
        with trio.fail_after(WITHIN_S):
            while True:
                data = (await browser.get(f"/api/channels/bind-status-public/{code}")).json()["data"]
                if data.get("send_key"):
                    return user, str(data["send_key"])
                await trio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    """Wait, on the real clock, for what is true."""
    with trio.fail_after(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - no event tells of a foreign condition
            await trio.sleep(0.01)


@asynccontextmanager
async def open_live(data_dir: Path, *, runner: Runner | None = None, **overrides: object) -> AsyncIterator[Live]:
    clock = SystemClock()
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=DEMO)
    config = config_for(data_dir, **{"port": 0, **overrides})
    async with open_daemon(
        config, clock=clock, runner=runner, ilink_transport=transport(sandbox), words=UNASKED
    ) as daemon:
        yield Live(daemon, sandbox, clock, data_dir)
