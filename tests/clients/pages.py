"""A web site that is not ours: one empty page, at any path."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

PAGE = b"<!doctype html><meta charset=utf-8><link rel=icon href=data:,><title>elsewhere</title>"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
    len(PAGE),
    PAGE,
)


@asynccontextmanager
async def other_site() -> AsyncIterator[int]:
    """Its port, on 127.0.0.1."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, _serve, listeners))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _serve(visitor: trio.SocketStream) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await visitor.receive_some()
        if not piece:
            return  # browsers open connections that they may not need
        head += piece
    await visitor.send_all(ANSWER)
