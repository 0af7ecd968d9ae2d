"""An iLink that dislikes some texts: the world's own sandbox behind a transport that refuses what contains a word."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bottalk.sandbox.rules.parameters import DEMO
from tests.support.world import World, open_world


class Picky(httpx.AsyncBaseTransport):
    """`refused`: words of texts that are answered with `ret`, or with an HTTP `status` that is no 200. `tried`: each
    text of a sendmessage, in order. While it `is_hasty`, polls are answered at once, with nothing new; `polls`: all."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.refused: set[str] = set()
        self.ret = -2
        self.status = 200
        self.tried: list[str] = []
        self.is_hasty = False
        self.polls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/sendmessage"):
            text = json.loads(await request.aread())["msg"]["item_list"][0]["text_item"]["text"]
            self.tried.append(text)
            if any(word in text for word in self.refused):
                return httpx.Response(self.status, json={"ret": self.ret}, request=request)
        if request.url.path.endswith("/getupdates"):
            self.polls += 1
            if self.is_hasty:
                return httpx.Response(200, json={"msgs": [], "get_updates_buf": ""}, request=request)
        return await self._inner.handle_async_request(request)


@asynccontextmanager
async def picky_world(data_dir: Path, **overrides: Any) -> AsyncIterator[tuple[World, Picky]]:  # noqa: ANN401 - settings
    """As `open_world`, without the sandbox's own limiter."""
    made: list[Picky] = []

    def put_between(sandbox: httpx.AsyncBaseTransport) -> Picky:
        made.append(Picky(sandbox))
        return made[0]

    async with open_world(data_dir, parameters=DEMO, wire=put_between, **overrides) as world:
        yield world, made[0]
