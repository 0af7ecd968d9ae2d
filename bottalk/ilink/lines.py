"""The connections of one daemon: which kind a call needs, what they share, and closing those that rest."""

import ssl
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NoReturn

import httpx
import trio

from bottalk.ilink.connection import Connection, Opener, Route
from bottalk.ilink.hosts import Origin
from bottalk.ilink.line import Line
from bottalk.ilink.proxies import Proxies
from bottalk.ilink.settings import IlinkSettings
from bottalk.ilink.transport import Transport, TransportLine, make_transport

# The shared pool serves the rare calls. httpx's pool is quadratic in its open connections, so it stays small; beyond
# the limit calls wait for their turn, within their time-out.
_SHARED = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)
_OWN = httpx.Limits(max_connections=None, max_keepalive_connections=1, keepalive_expiry=30.0)


class Lines:
    """Gives lines. With `transport` every call goes through that (a sandbox in this process, without sockets)."""

    def __init__(
        self,
        settings: IlinkSettings,
        *,
        transport: Transport | None,
        proxies: Mapping[str, str] | None,
        ssl_context: ssl.SSLContext | None,
        opener: Opener,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._proxies = Proxies(proxies)
        self._ssl_context = ssl_context
        self._opener = opener
        self._routes: dict[Origin, Route] = {}
        self._shared: dict[str | None, Transport] = {}
        self._resting: OrderedDict[Line, float] = OrderedDict()
        self._first = trio.Event()

    def own(self, origin: Origin) -> Line:
        """A line that one bot keeps. Nothing is opened yet."""
        if self._transport is not None:
            return self._over(origin, self._transport)
        proxy = self._proxies.find(origin)
        if proxy is None:
            return Connection(self._route(origin))
        return self._over(origin, lambda: make_transport(self._context, proxy, _OWN))

    def shared(self, origin: Origin) -> Line:
        """A line for one rare call; its connection comes from a pool, and nothing needs to be closed.

        Raises IlinkTransportError when the proxy's address is none.
        """
        if self._transport is not None:
            return self._over(origin, self._transport)
        proxy = self._proxies.find(origin)
        if proxy not in self._shared:
            self._shared[proxy] = make_transport(self._context, proxy, _SHARED)
        return self._over(origin, self._shared[proxy])

    def rest(self, line: Line) -> None:
        """The line has done a call and may not be needed for long: `sweep` will close it."""
        self._resting[line] = trio.current_time()
        self._resting.move_to_end(line)
        self._first.set()

    def take(self, line: Line) -> None:
        """The line is going to be used, or closed by its owner: `sweep` leaves it alone."""
        self._resting.pop(line, None)

    async def sweep(self) -> NoReturn:
        """Close each resting line `idle_close` seconds after its last call, for ever. One task for all bots."""
        while True:
            if not self._resting:
                self._first = trio.Event()
                await self._first.wait()
                continue
            line, since = next(iter(self._resting.items()))
            left = since + self._settings.idle_close - trio.current_time()
            if left > 0:
                await trio.sleep(left)
            else:
                del self._resting[line]
                await line.aclose()

    async def aclose(self) -> None:
        """Close the shared connections and the resting lines."""
        resting, self._resting = list(self._resting), OrderedDict()
        shared, self._shared = list(self._shared.values()), {}
        for line in resting:
            await line.aclose()
        for transport in shared:
            await transport.aclose()

    def _over(self, origin: Origin, transport: Transport | Callable[[], Transport]) -> TransportLine:
        return TransportLine(origin, transport, self._settings.connect_timeout, self._settings.max_answer)

    def _route(self, origin: Origin) -> Route:
        route = self._routes.get(origin)
        if route is None:
            context = self._context if origin.scheme == "https" else None
            settings = self._settings
            route = Route(origin, context, self._opener, settings.connect_timeout, settings.max_answer)
            self._routes[origin] = route
        return route

    @property
    def _context(self) -> ssl.SSLContext:
        """The one SSL context, made when first needed: reading the certificates takes 10 ms and half a megabyte."""
        if self._ssl_context is None:
            self._ssl_context = httpx.create_ssl_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context
