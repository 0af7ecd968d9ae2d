"""Endpoints on Quart: let the caller in, parse the form, call the handler, send its answer."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map

from bottalk.http import answers
from bottalk.http.address import Addresses
from bottalk.http.endpoints import Access, Call, Endpoint
from bottalk.http.fields import read
from bottalk.http.forms import parse
from bottalk.http.guard import Denied, Guard


def register(app: QuartTrio, endpoints: Sequence[Endpoint[Any]], guard: Guard, addresses: Addresses) -> None:
    """Add a Quart route for each endpoint. Two of the same method and path are a mistake: ValueError."""
    by_name: dict[str, Endpoint[Any]] = {}
    literal = [endpoint.path for endpoint in endpoints if "{" not in endpoint.path]
    app.url_map.converters["but"] = _But
    for endpoint in endpoints:
        if endpoint.name in by_name:
            raise ValueError(f"{endpoint.name} is declared twice")
        by_name[endpoint.name] = endpoint
        app.add_url_rule(
            _rule(endpoint.path, literal),
            endpoint.name,
            _view(endpoint, guard, addresses),
            methods=[endpoint.method],
        )

    @app.after_request
    async def name_the_successor(response: Response) -> Response:
        """On every answer of an old route, refusals too."""
        endpoint = by_name.get(request.endpoint or "")
        if endpoint is not None and endpoint.successor:
            parts = {name: quote(str(value), safe="") for name, value in (request.view_args or {}).items()}
            response.headers["Deprecation"] = "true"
            response.headers["Link"] = f'<{endpoint.successor.format_map(parts)}>; rel="successor-version"'
        return response


class _But(BaseConverter):
    """A part of a path that is none of these words, since they have routes of their own: another method of those is
    not allowed, rather than taken for one on an id of that name."""

    def __init__(self, url_map: Map, *words: str) -> None:
        super().__init__(url_map)
        self.regex = rf"(?!(?:{'|'.join(map(re.escape, words))})$)[^/]+"


def _rule(path: str, literal: Sequence[str]) -> str:
    """werkzeug's rule for a path with parts in braces."""

    def part(match: re.Match[str]) -> str:
        before = path[: match.start()]
        words = [other.removeprefix(before) for other in literal if other.startswith(before)]
        quoted = ", ".join(f"'{word}'" for word in sorted(words) if word and "/" not in word)
        return f"<but({quoted}):{match[1]}>" if quoted else f"<{match[1]}>"

    return re.sub(r"\{(\w+)\}", part, path)


def _view(endpoint: Endpoint[Any], guard: Guard, addresses: Addresses) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        if request.method == "HEAD" and endpoint.opens_session:
            raise MethodNotAllowed([endpoint.method, "OPTIONS"])  # it would act: a link preview must not
        try:
            visitor, cookie = await guard.admit(request, endpoint.access, opens_session=endpoint.opens_session)
            if endpoint.changes and endpoint.access is not Access.PUBLIC and guard.is_from_elsewhere(request):
                raise Denied(403)
        except Denied as e:
            if e.status == 404:
                raise NotFound from e  # answered as any path that is not there
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
        if visitor is not None and visitor.is_new and answer.status != 200:
            cookie = None  # its session was not stored
        if answer.session is not None:
            cookie = guard.cookie(answer.session)
        if cookie is not None:
            cookie.put(response)
        return response

    return view
