"""Routes that are answered inside the connection's own task: no ASGI, no task of their own.

For the few routes that are asked thousands of times a minute. Such a request is read whole, answered, and only then
does the connection read on: a client that hangs up meanwhile changes nothing and is noticed afterwards.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

import h11
import trio
from hypercorn.protocol.events import Body, EndBody, Event, Response, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID
from msgspec import Struct

Header = tuple[bytes, bytes]

BODY_TIMEOUT_S = 30.0
"""Seconds from a request's head to the last byte of its body; between two bytes the server's `read_timeout` runs."""


class DirectRequest(Struct, frozen=True):
    """A whole request. `client` is the peer, None on a Unix socket."""

    method: str
    query: bytes
    headers: Sequence[Header]
    body: bytes
    client: tuple[str, int] | None


class DirectAnswer(Struct, frozen=True):
    status: int
    headers: list[Header]
    body: bytes


class BreakOff(Exception):
    """Nothing true can be said of the request: its connection ends without an answer."""


class Direct(Protocol):
    """What answers such routes. `answer` raises nothing but Cancelled and BreakOff."""

    max_body: int

    def route(self, path: str) -> Any | None:  # noqa: ANN401 - its own business
        """Its handle for the path; None for one of the app's."""
        ...

    async def answer(self, route: Any, request: DirectRequest) -> DirectAnswer: ...  # noqa: ANN401

    def too_large(self, route: Any) -> DirectAnswer: ...  # noqa: ANN401

    def too_slow(self, route: Any) -> DirectAnswer: ...  # noqa: ANN401


def path_of(target: bytes) -> str:
    """Of a path or an absolute URL, as the server takes them (RFC 9112 §3.2.2)."""
    path = target.partition(b"?")[0]
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return unquote(path.decode("ascii"))


class DirectStream:
    """Stands where hypercorn's `HTTPStream` stands."""

    idle = False

    def __init__(
        self,
        direct: Direct,
        route: Any,  # noqa: ANN401
        request: h11.Request,
        client: tuple[str, int] | None,
        send: Callable[[Any], Awaitable[None]],
        hang_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._direct = direct
        self._route = route
        self._request = request
        self._client = client
        self._send = send
        self._hang_up = hang_up
        self._parts: list[bytes] = []
        self._size = 0
        self._begun = trio.current_time()
        self._is_over = False

    async def handle(self, event: Event) -> None:
        if self._is_over:
            return
        if isinstance(event, Body):
            self._size += len(event.data)
            if self._size > self._direct.max_body:
                await self._reply(self._direct.too_large(self._route))
            elif trio.current_time() - self._begun > BODY_TIMEOUT_S:
                await self._reply(self._direct.too_slow(self._route))
            else:
                self._parts.append(bytes(event.data))
        elif isinstance(event, EndBody):
            await self._answer()
        elif isinstance(event, StreamClosed):
            self._is_over = True

    async def _answer(self) -> None:
        try:
            answer = await self._direct.answer(self._route, self._whole())
        except BreakOff:
            self._is_over = True
            await self._hang_up()
        else:
            await self._reply(answer)

    def _whole(self) -> DirectRequest:
        request = self._request
        return DirectRequest(
            method=request.method.decode("ascii").upper(),
            query=request.target.partition(b"?")[2],
            headers=list(request.headers),
            body=b"".join(self._parts),
            client=self._client,
        )

    async def _reply(self, answer: DirectAnswer) -> None:
        self._is_over = True
        await self._send(Response(stream_id=STREAM_ID, headers=answer.headers, status_code=answer.status))
        if answer.body and self._request.method != b"HEAD":
            await self._send(Body(stream_id=STREAM_ID, data=answer.body))
        await self._send(EndBody(stream_id=STREAM_ID))
        await self._send(StreamClosed(stream_id=STREAM_ID))
