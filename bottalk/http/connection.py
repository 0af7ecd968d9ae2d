"""One client's connection: one reading task and one deadline, driving hypercorn's HTTP/1.1 protocol.

`Connection` stands where hypercorn's `TCPServer` stands (0.18, pinned). What is different, and why:

- The idle timer is a deadline that is moved, not a task that is started and cancelled for each request (36 % of a bare
  request's cost), and it knows whether the client is idle, slow with its head or body, or waiting for us.
- A send that a client does not take ends after `write_timeout`; hypercorn's is shielded and waits for ever.
- A request for a direct route that comes whole is answered without h11 (`whole`).
- After an answer that ends the connection the client has `LINGER` seconds to read it: closing at once while its body is
  still coming in would reset the connection, and the answer (a 413, say) would be lost on the way.
"""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

from bottalk.http import whole
from bottalk.http.direct import BreakOff, Direct, DirectRequest, path_of
from bottalk.http.protocol import HttpProtocol, RequestTasks

MAX_RECEIVE = 16 * 1024
"""Bytes taken in one receive: also how far a head may overshoot its limit before it is refused."""
LINGER = 2.0
"""Seconds a client has to read the last answer and close before we do. Within every stop's `graceful_timeout`."""
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True)
class Shared:
    """What the connections of one server have in common. Times are in seconds."""

    app: AppWrapper
    config: Config
    context: WorkerContext
    state: ConnectionState
    keep_alive_timeout: float
    read_timeout: float
    write_timeout: float
    on_error: Callable[[BaseException], None]
    direct: Direct | None = None
    open: "set[Connection]" = field(default_factory=set)


class Connection:
    """One accepted socket, TCP or Unix. `run` returns when its last request is done; the caller closes the stream.

    Cancelling `run` cancels the requests under way, and nothing more is written.
    """

    def __init__(self, shared: Shared, stream: trio.SocketStream) -> None:
        self._shared = shared
        self._stream = stream
        self._sending = trio.Lock()
        self._reading = trio.CancelScope()
        self._busy = False  # a request is under way
        self._closing = False  # nothing more will be written
        self._protocol: HttpProtocol

    async def run(self) -> None:
        """Serve until the client leaves, a deadline passes or an answer ends the connection.

        Raises whatever the protocol throws (in a group): the caller decides that it costs this connection only.
        """
        sock = self._stream.socket
        try:
            client = parse_socket_addr(sock.family, sock.getpeername())
            server = parse_socket_addr(sock.family, sock.getsockname())
        except OSError:
            return  # the client left before its first byte
        if self._shared.context.terminated.is_set():
            return
        self._shared.open.add(self)
        try:
            async with RequestTasks(self._shared.on_error, self._hang_up) as tasks:
                self._protocol = HttpProtocol(
                    self._shared.app,
                    self._shared.config,
                    self._shared.context,
                    tasks,
                    ConnectionState(self._shared.state.copy()),
                    False,
                    client,
                    server,
                    self._on_event,
                )
                self._protocol.direct = self._shared.direct
                await self._read()
            # they hold each other: let go, so that no connection leaves garbage for the collector
            self._protocol.let_go()
            del self._protocol
        finally:
            self._shared.open.discard(self)

    def close_if_idle(self) -> None:
        """Close at once unless a request is under way: its answer will say `Connection: close`."""
        if not self._busy:
            self._reading.cancel()

    async def _read(self) -> None:
        """Feed the protocol until the end of the stream or the deadline; then the request under way is disconnected."""
        self._give(self._shared.keep_alive_timeout)
        with self._reading:
            while True:
                try:
                    data = await self._receive()
                except OSError:
                    break  # reset
                if self._reading.cancel_called:
                    break  # the bytes came too late: a request that would be cut at once is not begun
                if not self._closing:
                    if self._busy:
                        self._give(math.inf)  # while the protocol holds us back it is not the client who is slow
                    if not await self._answer_whole(data):
                        await self._protocol.handle(RawData(data))
                    self._set_deadline()
                if not data:
                    break
        await self._protocol.handle(Closed())

    async def _receive(self) -> bytes:
        """What has come, once something has; empty at the end of the stream. Raises OSError.

        `receive_some` would read first and then wait, but a client's next request is seldom there already.
        """
        while True:
            await trio.lowlevel.wait_readable(self._stream.socket)
            try:
                return os.read(self._stream.socket.fileno(), MAX_RECEIVE)
            except BlockingIOError:
                continue  # it was nothing after all

    async def _answer_whole(self, data: bytes) -> bool:
        """Answer `data` here if it is a whole request for a direct route; False, and nothing is done, if it is not."""
        direct, stopping = self._shared.direct, self._shared.context.terminated
        if direct is None or not self._protocol.is_between_requests() or stopping.is_set():
            return False
        request = whole.parse(data)
        if request is None or len(request.body) > direct.max_body or not request.target.startswith(b"/"):
            return False
        route = direct.route(path_of(request.target))
        if route is None:
            return False
        await self._on_event(Updated(idle=False))
        query = request.target.partition(b"?")[2]
        asked = DirectRequest(request.method, query, request.headers, request.body, self._protocol.client)
        try:
            answer = await direct.answer(route, asked)
        except BreakOff:
            self._end_answers()
            return True
        date = whole.date(int(time.time()))
        await self._send(whole.written(answer, [date, _CLOSE] if stopping.is_set() else [date]))
        if stopping.is_set():  # perhaps only since: it may have taken the client long to read
            self._end_answers()
        else:
            await self._on_event(Updated(idle=True))
        return True

    def _set_deadline(self) -> None:
        """How long the client may now take for its next bytes."""
        if self._closing:
            return
        if not self._busy:
            if self._protocol.has_part_of_a_head():
                # From the head's first byte on, and not anew for each further one.
                self._reading.deadline = min(self._reading.deadline, trio.current_time() + self._shared.read_timeout)
        elif self._protocol.awaits_body():
            self._give(self._shared.read_timeout)
        else:
            self._give(math.inf)

    def _give(self, seconds: float) -> None:
        self._reading.deadline = trio.current_time() + seconds

    async def _hang_up(self) -> None:
        await self._on_event(Closed())

    async def _on_event(self, event: Event) -> None:
        """What the protocol wants of the connection."""
        if isinstance(event, RawData):
            if not self._closing:
                await self._send(event.data)
                # who streams without waiting for anything must not keep the loop
                await trio.lowlevel.cancel_shielded_checkpoint()
        elif isinstance(event, Updated):
            self._busy = not event.idle
            self._give(self._shared.keep_alive_timeout if event.idle else math.inf)
        elif isinstance(event, Closed):
            self._end_answers()
            await self._protocol.handle(Closed())

    async def _send(self, data: bytes) -> None:
        """Write all of `data`, or nothing more at all: half an answer must not be followed by another one."""
        try:
            self._sending.acquire_nowait()  # saves the trip through the scheduler that `acquire` always makes
        except trio.WouldBlock:
            await self._sending.acquire()
        sent = False
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            rest = memoryview(data)[self._write_now(data) :]
            if rest:
                with trio.move_on_after(self._shared.write_timeout):
                    await self._stream.send_all(rest)
                    sent = True
            else:
                sent = True
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has gone: handled below, together with the one that does not read
        finally:
            self._sending.release()
            if not sent:
                self._closing = True
                self._reading.cancel()
        if not sent:
            await self._protocol.handle(Closed())

    def _write_now(self, data: bytes) -> int:
        """Write what the socket's buffer takes, as a rule all of an answer; how many bytes that was. Raises OSError.

        No deadline and no trip through the scheduler, for what needs no waiting.
        """
        try:
            return os.write(self._stream.socket.fileno(), data)
        except BlockingIOError:
            return 0

    def _end_answers(self) -> None:
        """The last answer is out: send the end of the stream, and go on reading for `LINGER` seconds to discard."""
        if self._closing:
            return
        self._closing = True
        self._give(LINGER)
        try:
            self._stream.socket.shutdown(trio.socket.SHUT_WR)
        except OSError:
            self._reading.cancel()  # the client has gone already
