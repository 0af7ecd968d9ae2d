"""ASGI for iLink's own paths: from the wire to the sandbox and back, and the faults that tear the wire.

These paths do not go through Quart: thousands of held polls and real connection resets are nearer to ASGI.
"""

import socket
import struct
from collections.abc import Iterable
from typing import cast
from urllib.parse import parse_qsl

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    HTTPScope,
    Scope,
)

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.wire import Answer, ConnectionCutError, NobodyListensError, Request, json_answer

STREAM_KEY = "sandbox.stream"
"""Where the server puts the connection's stream in `scope["state"]`, so that a fault can reset it."""
MAX_BODY_BYTES = 4 * 1024 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 s: close sends RST, not FIN."""


class Bridge:
    """Answers `/ilink/…` and leaves the rest to `otherwise`. `base_url` "": as the client addressed the server."""

    def __init__(self, sandbox: Sandbox, base_url: str, otherwise: ASGIFramework) -> None:
        self._sandbox = sandbox
        self._base_url = base_url
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/ilink/"):
            await self._otherwise(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        if len(body) > MAX_BODY_BYTES:
            await _send(send, json_answer({"errmsg": "request body too large"}, 413))
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
            await self._exchange(scope, body, send)
            nursery.cancel_scope.cancel()

    async def _exchange(self, scope: HTTPScope, body: bytes, send: ASGISendCallable) -> None:
        try:
            answer = await self._sandbox.handle(self._request(scope, body))
        except NobodyListensError:
            # A port cannot be open for the phone page and closed for iLink: the nearest thing is a reset at once.
            reset(_stream(scope))
        except ConnectionCutError as cut:
            if cut.answer is not None:
                await _send_part(send, cut.answer, cut.sent)
            if cut.sent == 0:
                reset(_stream(scope))
            # else the answer ends before its Content-Length does, and hypercorn closes the connection
        else:
            await _send(send, answer)

    def _request(self, scope: HTTPScope, body: bytes) -> Request:
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        return Request(
            scope["method"],
            scope["path"],
            dict(parse_qsl(scope["query_string"].decode("latin1"), keep_blank_values=True)),
            headers,
            body,
            self._base_url or f"{scope['scheme']}://{headers.get('host', 'localhost')}",
        )


def reset(stream: trio.SocketStream) -> None:
    """Send RST and forget the connection."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    stream.socket.close()


def _stream(scope: HTTPScope) -> trio.SocketStream:
    return cast(trio.SocketStream, scope["state"][STREAM_KEY])


async def _body(receive: ASGIReceiveCallable) -> bytes | None:
    """The whole request body; of one that is too large only so much that this is seen. None if the client left."""
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        if size <= MAX_BODY_BYTES:
            parts.append(event["body"])
            size += len(event["body"])
        if not event["more_body"]:
            return b"".join(parts)


async def _cancel_when_gone(receive: ASGIReceiveCallable, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _send(send: ASGISendCallable, answer: Answer) -> None:
    await send(_start(answer, len(answer.body)))
    await send(HTTPResponseBodyEvent(type="http.response.body", body=answer.body, more_body=False))


async def _send_part(send: ASGISendCallable, answer: Answer, sent: int) -> None:
    await send(_start(answer, max(len(answer.body), sent + 1)))
    await send(HTTPResponseBodyEvent(type="http.response.body", body=answer.body[:sent], more_body=True))


def _start(answer: Answer, length: int) -> HTTPResponseStartEvent:
    headers: Iterable[tuple[bytes, bytes]] = [
        *((name.encode("latin1"), value.encode("latin1")) for name, value in answer.headers.items()),
        (b"content-length", str(length).encode()),
    ]
    return HTTPResponseStartEvent(type="http.response.start", status=answer.status, headers=headers)
