"""Endpoints on Quart: let the caller in, parse the form, call the handler, send its answer."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from quart import Response, request
from quart_trio import QuartTrio

from bottalk.http import answers
from bottalk.http.address import Addresses
from bottalk.http.endpoints import Access, Call, Endpoint
from bottalk.http.fields import read
from bottalk.http.forms import parse
from bottalk.http.guard import Denied, Guard


def register(app: QuartTrio, endpoints: Sequence[Endpoint[Any]], guard: Guard, addresses: Addresses) -> None:
    """Add a Quart route for each endpoint. Two of the same method and path are a mistake: ValueError."""
    seen: set[tuple[str, str]] = set()
    for endpoint in endpoints:
        if (endpoint.method, endpoint.path) in seen:
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        seen.add((endpoint.method, endpoint.path))
        app.add_url_rule(
            re.sub(r"\{(\w+)\}", r"<\1>", endpoint.path),
            f"{endpoint.method} {endpoint.path}",
            _view(endpoint, guard, addresses),
            methods=[endpoint.method],
        )


def _view(endpoint: Endpoint[Any], guard: Guard, addresses: Addresses) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        try:
            visitor, cookie = await guard.admit(request, endpoint.access, opens_session=endpoint.opens_session)
            if endpoint.changes and endpoint.access is not Access.PUBLIC and guard.is_from_elsewhere(request):
                raise Denied(403)
        except Denied as e:
            return answers.respond(answers.denied(e.status))
        form = parse(endpoint.form, await read(request))
        call = Call(
            form=form,
            path=path,
            visitor=visitor,
            ip=addresses.of(request.scope["client"], dict(request.scope["headers"])),
            acts=request.method != "HEAD",
        )
        answer = await endpoint.handle(call)
        response = answers.respond(answer)
        if answer.session is not None:
            cookie = guard.cookie(answer.session)
        if cookie is not None:
            cookie.put(response)
        if endpoint.successor:
            response.headers["Deprecation"] = "true"
            response.headers["Link"] = f'<{endpoint.successor}>; rel="successor-version"'
        return response

    return view
