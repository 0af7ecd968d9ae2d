"""One HTTP/1.1 connection for the hot calls, getupdates and sendmessage: 10,000 bots poll at once.

httpx takes 35 KB a poll and leaves cyclic garbage behind each call; this takes 15 KB and a fifth of the time. It does
only what iLink needs: one request, one answer, then the next, and never a request twice.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httptools
import trio

from bottalk.ilink.errors import IlinkMalformed, IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.ilink.line import Answer, Request

MAX_HEAD = 64 * 1024
"""Bytes of an answer beside its body: head, interim answers, chunk framing, trailers."""
_READ = 64 * 1024

Opener = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Opens a TCP stream to host and port; raises OSError."""


@dataclass(frozen=True, slots=True)
class Route:
    """What all connections to one origin share. `ssl_context` None: plain http."""

    origin: Origin
    ssl_context: ssl.SSLContext | None
    opener: Opener
    connect_timeout: float
    max_answer: int


class Connection:
    """A `Line` of its own over trio streams. Open only from the first call on; see `Line` for the promises.

    A connection kept from the last call is looked at before it is used: readable means that the server is closing it,
    so a new one is opened. A request that dies unanswered is not sent again here: whether it may be is the caller's
    decision.
    """

    __slots__ = ("_parser", "_reader", "_route", "_stream", "answer_begun", "sent")

    def __init__(self, route: Route) -> None:
        self._route = route
        self._stream: trio.abc.Stream | None = None
        self._reader = _Reader()
        self._parser: httptools.HttpResponseParser | None = None
        self.sent = False
        self.answer_begun = False

    @property
    def is_cold(self) -> bool:
        return self._stream is None

    async def warm(self) -> None:
        if self._stream is None:
            await self._open()

    async def exchange(self, request: Request) -> Answer:
        self.sent = self.answer_begun = False
        if self._stream is not None and _is_readable(self._stream):
            await self.aclose()
        stream = self._stream if self._stream is not None else await self._open()
        try:
            answer = await self._talk(stream, _wire(self._route.origin, request))
        except BaseException:
            await self.aclose()
            raise
        if not self._reader.keep:
            await self.aclose()
        return answer

    async def aclose(self) -> None:
        stream, self._stream = self._stream, None
        # The parser holds the reader's methods: let go of each other, so that no garbage cycle stays behind.
        self._parser = self._reader.parser = None
        if stream is not None:
            # Shielded because it does not wait for anything: a cancel must not leave the socket open.
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _open(self) -> trio.abc.Stream:
        with trio.move_on_after(self._route.connect_timeout):
            self._stream = await self._connect()
            self._reader.parser = self._parser = httptools.HttpResponseParser(self._reader)
            return self._stream
        raise IlinkTransportError(Kind.TIMEOUT, "connecting", maybe_arrived=False)

    async def _connect(self) -> trio.abc.Stream:
        origin, context = self._route.origin, self._route.ssl_context
        try:
            stream = await self._route.opener(origin.host, origin.port)
        except socket.gaierror as e:
            raise IlinkTransportError(Kind.DNS, e.strerror or "", maybe_arrived=False) from e
        except OSError as e:
            raise IlinkTransportError(Kind.CONNECT, type(e).__name__, maybe_arrived=False) from e
        if context is None:
            return stream
        tls = trio.SSLStream(stream, context, server_hostname=origin.host, https_compatible=True)
        try:
            await tls.do_handshake()
        except BaseException as e:
            await trio.aclose_forcefully(stream)
            if isinstance(e, trio.BrokenResourceError):
                raise IlinkTransportError(Kind.TLS, _cause(e), maybe_arrived=False) from e
            raise
        return tls

    async def _talk(self, stream: trio.abc.Stream, data: bytes) -> Answer:
        reader = self._reader
        reader.start(self._route.max_answer)
        try:
            self.sent = True
            await stream.send_all(data)
            while not reader.complete:
                chunk = await stream.receive_some(_READ)
                if not chunk:
                    reader.end()
                    break
                self.answer_begun = True
                self._feed(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as e:
            kind = Kind.TLS if isinstance(e.__cause__, ssl.SSLError) else Kind.RESET
            raise IlinkTransportError(kind, _cause(e), maybe_arrived=True) from e
        return reader.take()

    def _feed(self, chunk: bytes | bytearray) -> None:
        reader, parser = self._reader, self._parser
        if parser is None:  # closed by `aclose` between two reads
            raise IlinkTransportError(Kind.RESET, "closed here", maybe_arrived=True)
        try:
            parser.feed_data(chunk)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
            if not reader.complete:
                raise IlinkMalformed(f"not HTTP ({type(e).__name__})") from e
            reader.keep = False  # the answer is whole, and what follows it is nobody's
        reader.count(len(chunk))


class _Reader:
    """Takes one answer from the parser's callbacks. `keep`: the connection can carry another call."""

    __slots__ = (
        "_framed",
        "_heads_done",
        "_max_body",
        "_parts",
        "_retry_after",
        "_size",
        "_status",
        "_wire_size",
        "complete",
        "keep",
        "parser",
    )

    def __init__(self) -> None:
        self.parser: httptools.HttpResponseParser | None = None
        self.start(0)

    def start(self, max_body: int) -> None:
        self._max_body = max_body
        self._wire_size = 0
        self._status = 0
        self.complete = False
        self.keep = True
        self._clear()

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._framed = self._heads_done = False
        self._retry_after: str | None = None

    def on_message_begin(self) -> None:
        if self.complete:
            self.keep = False  # more came than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._framed = True
            case b"retry-after":
                self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self.complete and self.parser is not None:
            self._heads_done = True
            self._status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        if not self.complete and self._size <= self._max_body:
            self._size += len(data)
            self._parts.append(data)

    def on_message_complete(self) -> None:
        if self.complete or self.parser is None:
            return
        if self._status < 200:
            self._clear()  # an interim answer: the real one follows
            return
        self.complete = True
        # Asked later the parser speaks of the next answer.
        self.keep = self.parser.should_keep_alive()

    def count(self, received: int) -> None:
        """Hold the caps; `received` bytes were fed."""
        self._wire_size += received
        too_large = self._size > self._max_body or self._wire_size > self._max_body + MAX_HEAD
        if too_large or (not self._heads_done and self._wire_size > MAX_HEAD):
            raise IlinkMalformed("the answer is too large")

    def end(self) -> None:
        """The server closed: that is the end of an answer without a length, and a break of any other."""
        if not self._heads_done or self._framed:
            raise IlinkTransportError(Kind.RESET, "closed before or inside the answer", maybe_arrived=True)
        self.complete, self.keep = True, False

    def take(self) -> Answer:
        answer = Answer(self._status, b"".join(self._parts), self._retry_after)
        self._clear()  # an idle connection holds no body
        return answer


def _wire(origin: Origin, request: Request) -> bytes:
    head = [f"{request.method} {origin.prefix}{request.target} HTTP/1.1\r\nHost: {origin.authority}\r\n"]
    head += [f"{name}: {value}\r\n" for name, value in request.headers]
    if request.method != "GET":
        head.append(f"Content-Length: {len(request.body)}\r\n")
    head.append("\r\n")
    return "".join(head).encode("ascii") + request.body


def _is_readable(stream: trio.abc.Stream) -> bool:
    """Whether something waits to be read: on a connection without a call that is the end of it."""
    inner = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    return isinstance(inner, trio.SocketStream) and inner.socket.is_readable()


def _cause(error: BaseException) -> str:
    """The name of what really happened below trio's error; for TLS with OpenSSL's reason."""
    cause = error.__cause__ or error
    reason = cause.reason if isinstance(cause, ssl.SSLError) else None
    return f"{type(cause).__name__} {reason}" if reason else type(cause).__name__
