"""What is counted of each request when it is answered, by its route as declared."""

import trio
from quart import Request

from bottalk.measures import Measures

NO_ROUTE = "-"
"""Stands for every path that no route has, and every method that a route has not."""


class Access:
    """One for all routes of an app. Never told a path or a query: they hold SendKeys."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def ended(self, began: float, route: str, method: str, status: int) -> None:
        """`began`: trio's clock."""
        self._measures.request(route, method, status, trio.current_time() - began)


def route_of(request: Request) -> str:
    """The route as declared, never the path: paths hold SendKeys."""
    endpoint, rule = request.endpoint, request.url_rule
    if endpoint is None or rule is None:
        return NO_ROUTE
    return endpoint.partition(" ")[2] or rule.rule.replace("<", "{").replace(">", "}")
