"""A world in virtual time whose wire to iLink notes every send, and can make one bot's actor crash."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bottalk.sandbox.rules.parameters import FIELD, Parameters
from tests.support.world import World, open_world


class Wire(httpx.AsyncBaseTransport):
    """`broken`: bot tokens whose calls raise what no client expects. `sends`: the message of each sendmessage."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.broken: set[str] = set()
        self.sends: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token in self.broken:
            raise RuntimeError("planted: a bug that the client does not know")
        if request.url.path.endswith("/sendmessage"):
            self.sends.append(json.loads(await request.aread())["msg"])
        return await self._inner.handle_async_request(request)


@asynccontextmanager
async def tampered_world(
    data_dir: Path,
    *,
    parameters: Parameters = FIELD,
    seed: int = 1,
    **overrides: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[tuple[World, Wire]]:
    """As `open_world`, with its wire in the test's hand."""
    wires: list[Wire] = []

    def tamper(sandbox: httpx.AsyncBaseTransport) -> Wire:
        wires.append(Wire(sandbox))
        return wires[0]

    async with open_world(data_dir, parameters=parameters, seed=seed, wire=tamper, **overrides) as world:
        yield world, wires[0]
