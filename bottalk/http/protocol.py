"""HTTP/1.1 over hypercorn's protocol classes (0.18, pinned): what it says on the wire and how it runs the app.

hypercorn supplies the protocol (`H11Protocol`, over h11) and the ASGI side of a request (`HTTPStream`). Different here:

- Head and body of an answer go out in one send.
- HTTP/1 only. hypercorn turns a connection into HTTP/2 when a client asks (it cannot be switched off), and there one
  bad preface ends the whole server. Here an `Upgrade` is ignored, as RFC 9110 §7.8 allows, and a websocket handshake is
  an ordinary request.
- A header line with many blanks costs no more than another (`possessive`).
- Handing the body to the app never waits for an app that has stopped listening.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import h11
import h11._readers as h11_readers
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.protocol.events import Event, Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, H11SendableEvent, Scope

from bottalk.http.direct import BreakOff, Direct, DirectStream, path_of


def possessive(header_field: re.Pattern[bytes]) -> re.Pattern[bytes]:
    """h11's pattern of a header line (0.16), taking the blanks after the colon once and for all.

    It matches the same lines, as no value begins with a blank. But a bad line is not tried again from each of its
    blanks, which takes a time in the square of their number: 20 s of the whole daemon's for one head of 64 KB.
    """
    return re.compile(header_field.pattern.replace(rb":[ \t]*(", rb":[ \t]*+(", 1))


h11_readers.header_field_re = possessive(h11_readers.header_field_re)


class HttpProtocol(H11Protocol):
    """HTTP/1.1 and nothing else, with the head and the body of an answer in one send."""

    connection: h11.Connection
    direct: Direct | None = None
    """Answers some routes in this connection's task; None: the app has them all."""
    _held = b""

    def has_part_of_a_head(self) -> bool:
        """Between requests: bytes have come that are not a whole head yet."""
        return bool(self.connection.trailing_data[0])

    def is_between_requests(self) -> bool:
        """The last one is answered, and nothing of the next one has come."""
        at_rest = self.connection.their_state is h11.IDLE and self.connection.our_state is h11.IDLE
        return at_rest and not self.has_part_of_a_head()

    def awaits_body(self) -> bool:
        """The client has not yet sent all of its request's body."""
        return self.connection.their_state is h11.SEND_BODY

    def let_go(self) -> None:
        """The connection is over: neither the last request nor the parser holds this any longer."""
        self.stream = None

    async def stream_send(self, event: Event) -> None:
        if isinstance(event, Response) and self.context.terminated.is_set():
            headers = [*event.headers, (b"connection", b"close")]
            event = Response(stream_id=event.stream_id, headers=headers, status_code=event.status_code)
        await super().stream_send(event)

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return  # an answer to a client whose request broke off: already refused
        if type(event) is h11.Response:
            self._held = data  # a body or the end of the answer follows, always
            return
        data, self._held = self._held + data, b""
        if data:
            await self.send(RawData(data=data))

    async def _check_protocol(self, event: h11.Request) -> None:
        """No change of protocol, whatever the client asks for."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Hand the request to the app; refuse what no route could make sense of.

        505 for a major version other than 1 (the HTTP/2 preface among them), 400 for a target that is neither a path
        nor an http(s) URL (RFC 9112 §3.2): `CONNECT host:port` is for proxies.
        """
        if not request.http_version.startswith(b"1."):
            await self._refuse(505)
            return
        if not request.target.startswith(b"/") and not _is_url(request.target.decode("ascii")):
            await self._refuse(400)
            return
        route = self.direct.route(path_of(request.target)) if self.direct is not None else None
        if self.direct is not None and route is not None:
            # hypercorn's annotation names its own two kinds of stream; it only calls `handle`
            self.stream = DirectStream(self.direct, route, request, self.client, self.stream_send, self._hang_up)  # type: ignore[assignment]
            return
        self.stream = HTTPStream(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii").upper(),
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    async def _hang_up(self) -> None:
        await self.send(Closed())

    async def _refuse(self, status: int) -> None:
        await self._send_error_response(status)
        await self._hang_up()


def _is_url(target: str) -> bool:
    """Whether `target` is an absolute http(s) URL: servers must take those too (RFC 9112 §3.2.2)."""
    try:
        url = urlsplit(target)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.netloc) and url.path.startswith("/")


class RequestTasks(TaskGroup):
    """The nursery of a connection's requests: one task each, whose crash is reported and answered with a 500.

    One that raises BreakOff is not answered: `hang_up` ends the connection.
    """

    def __init__(self, on_error: Callable[[BaseException], None], hang_up: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._on_error = on_error
        self._hang_up = hang_up

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the request's task. Returns the function that hands it the body and the disconnect.

        Unlike hypercorn's, handing over never waits for an app that has stopped listening: the disconnect is the
        closing of the channel, and what comes after an app's end is dropped.
        """
        to_app, from_client = trio.open_memory_channel[ASGIReceiveEvent](config.max_app_queue_size)

        async def put(event: ASGIReceiveEvent) -> None:
            if event["type"] == "http.disconnect":
                to_app.close()
                return
            # Broken or closed: answered or cancelled while we waited, so the rest of the body is nobody's.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                try:
                    to_app.send_nowait(event)
                except trio.WouldBlock:
                    await to_app.send(event)

        async def receive() -> ASGIReceiveEvent:
            try:
                return await from_client.receive()
            except trio.EndOfChannel:
                return {"type": "http.disconnect"}

        async def run() -> None:
            answerable = True
            try:
                await app(scope, receive, send, trio.to_thread.run_sync, trio.from_thread.run)
            except* BreakOff:
                answerable = False
            except* Exception as errors:
                self._on_error(errors)
            finally:
                from_client.close()
                if answerable:
                    await send(None)  # the end of the answer, or a 500 if there is none
                else:
                    await self._hang_up()

        self.spawn(run)
        return put
