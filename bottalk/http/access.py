"""What is said of each request when it is answered: a line of the log and a count, by its route as declared."""

from collections.abc import Mapping
from typing import Any

import structlog
import trio
from quart import Request

from bottalk import tracing
from bottalk.http.address import Addresses
from bottalk.measures import METHODS, Measures

log = structlog.get_logger()

NO_ROUTE = "-"
"""Stands for every path that no route has, and every method that a route has not."""

HEADER = "X-Request-Id"

OFTEN = frozenset(("/healthz", "/readyz", "/metrics"))
"""Asked every few seconds by machines: in the log only at level debug."""


class Access:
    """One for all routes of an app. Never told a path or a query: they hold SendKeys."""

    def __init__(self, measures: Measures, addresses: Addresses) -> None:
        self._measures = measures
        self._addresses = addresses

    def request_id(self, client: tuple[str, int] | None, headers: Mapping[bytes, bytes]) -> str:
        """What a trusted proxy calls the request, or a new id. `client` is ASGI's peer."""
        given = headers.get(b"x-request-id")
        return tracing.taken_over(given if given is not None and self._addresses.is_proxy(client) else None)

    def ended(self, began: float, request_id: str, route: str, method: str, status: int, **more: Any) -> None:  # noqa: ANN401
        """`began`: trio's clock. `more`: what else the line says."""
        method = method if method in METHODS else "other"  # whatever else a client makes up
        seconds = trio.current_time() - began
        self._measures.request(route, method, status, seconds)
        tell = log.debug if route in OFTEN else log.info
        ms = round(seconds * 1000, 1)
        tell("http.request", request=request_id, route=route, method=method, status=status, ms=ms, **more)


def route_of(request: Request) -> str:
    """The route as declared, never the path: paths hold SendKeys."""
    endpoint, rule = request.endpoint, request.url_rule
    if endpoint is None or rule is None:
        return NO_ROUTE
    return endpoint.partition(" ")[2] or rule.rule.replace("<", "{").replace(">", "}")
