"""An httpx transport in this process that answers from a script and keeps what it was asked."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import trio

Step = bytes | dict[str, Any] | httpx.Response | Exception | Callable[[httpx.Request], Any]
"""What one call gets: a body, JSON, a whole response, an error raised, or what an async function gives."""


class ScriptedTransport(httpx.AsyncBaseTransport):
    """Gives the steps one after the other; the last one repeats."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.bodies: list[Any] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        self.requests.append(request)
        content = await request.aread()
        self.bodies.append(json.loads(content) if content else None)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if callable(step):
            step = await step(request)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        return httpx.Response(200, content=step if isinstance(step, bytes) else json.dumps(step).encode())


async def hang(request: httpx.Request) -> bytes:
    await trio.sleep(1000)
    return b""
