"""A server on real sockets for the tests here, and a client that speaks raw bytes."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from bottalk.http.direct import Direct
from bottalk.http.server import ServerSettings, serve


@dataclass
class Served:
    """A running server: `faults` is what it reported, `ended` is set when `serve` has returned.

    It closes the clients that it connected.
    """

    address: tuple[str, int]
    stopping: trio.Event = field(default_factory=trio.Event)
    ended: trio.Event = field(default_factory=trio.Event)
    faults: list[BaseException] = field(default_factory=list)
    clients: ExitStack = field(default_factory=ExitStack)

    async def connect(self, path: Path | None = None) -> "Client":
        """A new connection by TCP, or to the Unix socket at `path`."""
        stream = await trio.open_unix_socket(path) if path else await trio.open_tcp_stream(*self.address)
        self.clients.callback(stream.socket.close)
        return Client(stream)


class Client:
    """One raw connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._unread = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def get(self, path: str = "/") -> bytes:
        await self.send(request(path))
        return (await self.answer())[1]

    async def answer(self, *, body: bool = True) -> tuple[int, bytes, bytes]:
        """The next answer: status, body, head. Raises EOFError when the server closes instead."""
        while b"\r\n\r\n" not in self._unread:
            await self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        length = length if body else 0
        while len(self._unread) < length:
            await self._more()
        content, self._unread = self._unread[:length], self._unread[length:]
        return int(head.split(b" ", 2)[1]), content, head

    async def closed(self) -> bool:
        """Wait for the server's next word; True when it is the end of the stream (or a reset)."""
        try:
            return self._unread == b"" and await self.stream.receive_some() == b""
        except trio.BrokenResourceError:
            return True

    def quiet(self) -> bool:
        """Whether nothing has come and the server has not closed."""
        with self._plain() as plain:
            try:
                plain.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return True
        return False

    def send_now(self, data: bytes) -> None:
        """Send without a checkpoint."""
        with self._plain() as plain:
            plain.sendall(data)

    def _plain(self) -> socket.socket:
        own = self.stream.socket
        plain = socket.fromfd(own.fileno(), own.family, own.type)
        plain.setblocking(False)
        return plain

    async def _more(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError
        self._unread += data


def request(path: str = "/", *, method: str = "GET", headers: str = "", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}{headers}\r\n".encode() + body


def tcp_socket() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def unix_socket(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    return sock


@asynccontextmanager
async def serving(
    app: ASGIFramework,
    settings: ServerSettings | None = None,
    sockets: Sequence[socket.socket] | None = None,
    direct: Direct | None = None,
) -> AsyncIterator[Served]:
    """Run `serve` for `app`; it is stopped and waited for at the end. The first socket is the one `connect` uses."""
    with ExitStack() as stack:
        if sockets is None:
            sockets = [stack.enter_context(tcp_socket())]
        served = Served(sockets[0].getsockname())

        async def run(task_status: trio.TaskStatus[None]) -> None:
            await serve(
                app,
                sockets,
                settings or ServerSettings(),
                stopping=served.stopping,
                on_bad_connection=served.faults.append,
                direct=direct,
                task_status=task_status,
            )
            served.ended.set()

        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            with served.clients:
                yield served
            served.stopping.set()


async def read_body(receive: ASGIReceiveCallable) -> bytes | None:
    """The whole body, or None when the client left first."""
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        body += event.get("body", b"")
        if not event.get("more_body", False):
            return body


async def reply(send: ASGISendCallable, body: bytes, *, status: int = 200) -> None:
    """As Quart answers: head, body with more to come, end."""
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass
class EchoApp:
    """Answers with what it saw; a request for `/held` waits for `release`, and `cancelled` counts those that ended so.

    `/broken` throws before it answers.
    """

    release: trio.Event = field(default_factory=trio.Event)
    held: trio.Event = field(default_factory=trio.Event)
    scopes: list[HTTPScope] = field(default_factory=list)
    cancelled: int = 0

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
            return
        assert scope["type"] == "http"
        self.scopes.append(scope)
        body = await read_body(receive)
        if body is None:
            return
        if scope["path"] == "/broken":
            raise ValueError("planted")
        if scope["path"] == "/held":
            self.held.set()
            try:
                await self.release.wait()
            except trio.Cancelled:
                self.cancelled += 1
                raise
        await reply(send, b"%s %s %s" % (scope["method"].encode(), scope["raw_path"], body))


async def answer_lifespan(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
