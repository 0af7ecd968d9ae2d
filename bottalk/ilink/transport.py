"""The same calls over an httpx transport: for proxies, for the rare calls, and for a sandbox in this process.

The transport is used without httpx's client: the client would log every address, the pending `qrcode` in it, and would
add headers and cookies of its own.
"""

import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any, Protocol

import httpx
import trio
from socksio import SOCKSError

from bottalk.ilink.errors import IlinkMalformed, IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.ilink.line import Answer, Request
from bottalk.ilink.proxies import httpx_proxy

Transport = httpx.AsyncBaseTransport


class _Closable(Protocol):
    async def aclose(self) -> None: ...


class TransportLine:
    """A `Line` over an httpx transport. `sent` is exact over a network, and always True for one in this process."""

    __slots__ = (
        "_connect_timeout",
        "_half_open",
        "_make",
        "_max_answer",
        "_origin",
        "_transport",
        "answer_begun",
        "sent",
    )

    def __init__(
        self,
        origin: Origin,
        transport: Transport | Callable[[], Transport],
        connect_timeout: float,
        max_answer: int,
    ) -> None:
        """`transport`: a shared one, which this line never closes; or how to make one of its own when it needs it."""
        self._origin = origin
        self._transport = transport if isinstance(transport, Transport) else None
        self._make = None if isinstance(transport, Transport) else transport
        self._connect_timeout = connect_timeout
        self._max_answer = max_answer
        self._half_open: _Closable | None = None
        self.sent = False
        self.answer_begun = False

    @property
    def is_cold(self) -> bool:
        return False  # httpx connects within the call

    async def warm(self) -> None:
        """Nothing to do."""

    async def exchange(self, request: Request) -> Answer:
        self.sent = self.answer_begun = False
        transport = self._ready()
        networked = isinstance(transport, httpx.AsyncHTTPTransport)
        self.sent = not networked
        outgoing = httpx.Request(
            request.method,
            f"{self._origin.base_url}{request.target}",
            headers=list(request.headers),
            content=request.body or None,
            extensions={"trace": self._trace, "timeout": {"connect": self._connect_timeout}} if networked else {},
        )
        try:
            response = await transport.handle_async_request(outgoing)
            return await self._read(response)
        except (httpx.HTTPError, SOCKSError) as e:
            raise self._error(e) from None  # httpx may repeat a header in its text
        finally:
            await self._close_half_open()

    async def aclose(self) -> None:
        transport = self._transport
        if transport is not None and self._make is not None:
            self._transport = None
            await transport.aclose()

    def _ready(self) -> Transport:
        if self._transport is None:
            assert self._make is not None, "a line has a transport or makes one"
            self._transport = self._make()
        return self._transport

    async def _read(self, response: httpx.Response) -> Answer:
        self.answer_begun = True
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError(f"the transport gave a {type(stream).__name__}, not an asynchronous stream")
        chunks = stream.__aiter__()
        parts: list[bytes] = []
        size = 0
        try:
            async for part in chunks:
                size += len(part)
                if size > self._max_answer:
                    raise IlinkMalformed("the answer is too large")
                parts.append(part)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
            await stream.aclose()
        return Answer(response.status_code, b"".join(parts), response.headers.get("retry-after"))

    async def _close_half_open(self) -> None:
        """httpcore 1.0 forgets a stream whose SOCKS greeting fails or is cancelled: nobody else would close it."""
        stream, self._half_open = self._half_open, None
        if stream is not None and not self.sent:
            with trio.CancelScope(shield=True), trio.move_on_after(0):
                await stream.aclose()

    async def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore tells its steps; a CONNECT to a proxy is not yet the request."""
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.sent = True
        elif event == "socks.connect_tcp.complete":
            self._half_open = info["return_value"]

    def _error(self, error: httpx.HTTPError | SOCKSError) -> IlinkTransportError:
        connecting = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return IlinkTransportError(_kind(error), type(error).__name__, maybe_arrived=self.sent and not connecting)


def make_transport(ssl_context: ssl.SSLContext, proxy: str | None, limits: httpx.Limits) -> Transport:
    """A transport over the network. The environment is not looked at: the caller has chosen the proxy.

    Raises IlinkTransportError when the proxy's address is none.
    """
    return httpx.AsyncHTTPTransport(
        verify=ssl_context,
        trust_env=False,
        limits=limits,
        proxy=httpx_proxy(proxy) if proxy is not None else None,
    )


def _kind(error: BaseException) -> Kind:
    if isinstance(error, httpx.TimeoutException):
        return Kind.TIMEOUT
    if isinstance(error, httpx.ProxyError | SOCKSError):
        return Kind.PROXY
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Kind.TLS
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Kind.DNS
    return Kind.CONNECT if isinstance(error, httpx.ConnectError) else Kind.RESET


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
