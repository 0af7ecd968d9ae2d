"""A server on a loopback socket that answers raw bytes, connection by connection, as a test tells it."""

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio
import trio.testing

from bottalk.ilink.hosts import Origin

CERTS = Path(__file__).parent / "certs"


class Peer:
    """One accepted connection."""

    def __init__(self, stream: trio.abc.Stream, plain: trio.SocketStream) -> None:
        self.stream = stream
        self._plain = plain
        self._unread = b""

    async def request(self) -> tuple[str, bytes]:
        """The next request: head and body. Raises EOFError when the client closes instead."""
        while b"\r\n\r\n" not in self._unread:
            await self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        while len(self._unread) < length:
            await self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return head.decode("latin-1"), body

    async def send(self, *parts: bytes) -> None:
        """Send each part by itself, so that the client reads them apart."""
        for part in parts:
            await self.stream.send_all(part)
            await trio.testing.wait_all_tasks_blocked()

    async def answer(self, body: bytes = b"{}", head: str = "") -> None:
        await self.stream.send_all(ok(body, head))

    async def gone(self) -> None:
        """Wait until the client has closed."""
        try:
            while await self.stream.receive_some():
                pass
        except trio.BrokenResourceError:
            return

    def reset(self) -> None:
        """Close with RST."""
        self._plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._plain.socket.close()

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError
        self._unread += data


Handler = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """`connections`: how many were accepted. `closed` is set when the first of them was closed."""

    port: int
    scheme: str
    connections: int = 0
    closed: trio.Event = field(default_factory=trio.Event)

    @property
    def origin(self) -> Origin:
        return Origin(self.scheme, "127.0.0.1", self.port)

    @property
    def base_url(self) -> str:
        return self.origin.base_url


@asynccontextmanager
async def serving(*handlers: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Each connection is served by the next handler, the last one serves all that follow; then it is closed."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(listeners[0].socket.getsockname()[1], "https" if tls else "http")

    async def serve(plain: trio.SocketStream) -> None:
        handler = handlers[min(server.connections, len(handlers) - 1)]
        server.connections += 1
        stream: trio.abc.Stream = plain
        if tls is not None:
            stream = trio.SSLStream(plain, tls, server_side=True, https_compatible=True)
        peer = Peer(stream, plain)
        try:
            await handler(peer)
        except (EOFError, trio.BrokenResourceError):
            return  # the client has had enough
        finally:
            await trio.aclose_forcefully(plain)
            server.closed.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield server
        nursery.cancel_scope.cancel()


def answering(*bodies: bytes, head: str = "") -> Handler:
    """A handler that answers one request after the other on a kept connection; the last body repeats."""

    async def handle(peer: Peer) -> None:
        rest = list(bodies)
        while True:
            await peer.request()
            await peer.answer(rest.pop(0) if len(rest) > 1 else rest[0], head)

    return handle


def sending(*parts: bytes) -> Handler:
    """A handler that reads one request, sends these bytes one by one and closes."""

    async def handle(peer: Peer) -> None:
        await peer.request()
        await peer.send(*parts)

    return handle


async def silent(peer: Peer) -> None:
    """Takes the request and says nothing until the client goes."""
    await peer.request()
    await peer.gone()


async def resetting(peer: Peer) -> None:
    """Takes the request and resets the connection."""
    await peer.request()
    peer.reset()


def ok(body: bytes = b"{}", head: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def server_tls(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "server.pem", CERTS / "server.key")
    context.maximum_version = version
    return context


def client_tls() -> ssl.SSLContext:
    """Trusts the tests' own authority and nothing else."""
    return ssl.create_default_context(cafile=CERTS / "ca.pem")
