"""A daemon on real sockets, with one person bound and active."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from bottalk.daemon import Daemon, open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.transport import transport
from tests.support.http import PUBLIC_CODE
from tests.support.world import UNASKED, config_for

WITHIN_S = 10.0


@dataclass(slots=True)
class Live:
    """A daemon on sockets, a browser, and a user whose channel is active."""

    daemon: Daemon
    sandbox: Sandbox
    browser: httpx.AsyncClient
    user: str
    key: str
    door: Path

    @property
    def port(self) -> int:
        return int(self.daemon.url.rpartition(":")[2])


@asynccontextmanager
async def open_live(data_dir: Path, *, patience: float = 30, **settings: Any) -> AsyncIterator[Live]:  # noqa: ANN401
    """`settings` have dotted names. All of it must be over within `patience` seconds."""
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=DEMO)
    config = config_for(data_dir, port=0, **settings)
    with trio.fail_after(patience):
        async with (
            open_daemon(config, ilink_transport=transport(sandbox), words=UNASKED) as daemon,
            httpx.AsyncClient(base_url=daemon.url, trust_env=False, timeout=WITHIN_S) as browser,
        ):
            user, key = await bound(browser, sandbox)
            yield Live(daemon, sandbox, browser, user, key, data_dir / "bottalk.sock")


async def bound(browser: httpx.AsyncClient, sandbox: Sandbox, route: str = PUBLIC_CODE) -> tuple[str, str]:
    """Scan, confirm, write a word: user, and SendKey where the scan tells it."""
    code = (await browser.post(route)).json()["data"]["qrcode"]
    user = sandbox.new_user()
    sandbox.scan(code, user)
    sandbox.confirm(code)
    status = route.replace("qrcode", "bind-status")
    data = await until(browser, f"{status}/{code}", "id")
    sandbox.write(user, "hi")
    await until(browser, f"/api/channels/{data['id']}/activation", "activated")
    return user, str(data.get("send_key", ""))


async def until(browser: httpx.AsyncClient, path: str, name: str) -> dict[str, Any]:
    """Ask as a page does, until the answer's data has a true `name`."""
    with trio.fail_after(WITHIN_S):
        while True:
            data: dict[str, Any] = (await browser.get(path)).json()["data"]
            if data.get(name):
                return data
            await trio.sleep(0.05)
