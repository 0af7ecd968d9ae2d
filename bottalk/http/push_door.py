"""The push routes, answered before Quart, inside the connection's own task.

A push is what this daemon is for, thousands of times a minute: this halves the CPU that its request costs. A client
that hangs up changes nothing: its push goes on.
"""

from collections.abc import Mapping

import structlog
import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope
from msgspec import Struct

from bottalk import tracing
from bottalk.errors import Invalid, Refusal
from bottalk.http import answers, push_answers
from bottalk.http.access import Access
from bottalk.http.address import Addresses
from bottalk.http.answers import Answer
from bottalk.http.direct import BreakOff, DirectAnswer, DirectRequest
from bottalk.http.fields import BODILESS, parse
from bottalk.http.pushes import METHODS, ROUTES, Route, push_form
from bottalk.service.pushes import Pushes
from supervisors import OutcomeUnknown

log = structlog.get_logger()

_ALLOW = (("Allow", ", ".join((*METHODS, "OPTIONS"))),)
_PREFLIGHT = Answer(b"", 204, (*answers.PREFLIGHT, *_ALLOW))
_CONTENT_TYPE = answers.JSON.encode()
_CORS = tuple((name.lower().encode(), value.encode()) for name, value in answers.CORS)


class Found(Struct, frozen=True):
    """A push route, and the SendKey in the path ("" on /notify)."""

    route: Route
    key: str


class PushDoor:
    """In front of `inner`, which has all the other routes. The server asks it directly; as ASGI it serves tests and
    whoever mounts the app elsewhere."""

    def __init__(
        self, inner: ASGIFramework, pushes: Pushes, addresses: Addresses, access: Access, max_body: int
    ) -> None:
        self._inner = inner
        self._pushes = pushes
        self._addresses = addresses
        self._access = access
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        found = self.route(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        body = await self._read(receive)
        if body is None:
            return
        request = DirectRequest(scope["method"], scope["query_string"], list(scope["headers"]), body, scope["client"])
        answer = await self.answer(found, request) if len(body) <= self.max_body else self.too_large(found)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers, "trailers": False}
        )
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    def route(self, path: str) -> Found | None:
        for route in ROUTES:
            found = route.pattern.fullmatch(path)
            if found is not None:
                return Found(route, found.groupdict().get("key", ""))
        return None

    async def answer(self, route: Found, request: DirectRequest) -> DirectAnswer:
        began, headers = trio.current_time(), dict(request.headers)
        name = self._access.request_id(request.client, headers)
        story: dict[str, str | int] = {}
        try:
            answer = await self._push(route, request, headers, story)
        except Invalid as e:
            answer = _invalid(e)
            story["why"] = e.text
        except OutcomeUnknown as e:
            raise BreakOff from e  # the journal died with it in hand: kept or not, nobody knows
        except Exception as e:
            log.error("http.bug", request=name, route=route.route.rule, exc_info=e)
            answer = push_answers.refusal(Refusal.BUG, strict=True)
        self._access.ended(began, name, route.route.rule, request.method, answer.status, **story)
        return _direct(answer, name)

    def too_large(self, route: Found) -> DirectAnswer:
        return self._broken_off(route, Invalid("请求体过大", 413))

    def too_slow(self, route: Found) -> DirectAnswer:
        return self._broken_off(route, Invalid("请求超时", 408))

    def _broken_off(self, route: Found, error: Invalid) -> DirectAnswer:
        """Only bodies are cut short, and only a POST has one."""
        name = tracing.mint()
        self._access.ended(trio.current_time(), name, route.route.rule, "POST", error.status, why=error.text)
        return _direct(_invalid(error), name)

    async def _push(
        self, found: Found, request: DirectRequest, headers: Mapping[bytes, bytes], story: dict[str, str | int]
    ) -> Answer:
        """Puts what the log says of the push into `story`. Raises Invalid."""
        if request.method == "OPTIONS":
            return _PREFLIGHT
        if request.method not in METHODS:
            # HEAD too: link previews and scanners must not send messages
            refused = push_answers.refusal(Refusal.BAD_INPUT, strict=True, text="不支持的请求方法", status=405)
            return Answer(refused.body, refused.status, _ALLOW)
        body = b"" if request.method in BODILESS else request.body
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        fields = parse(request.query, body, content_type, found.route.plain_text_as)
        key = found.key or fields.text("key").strip() or _bearer(headers)
        ip = self._addresses.of(request.client, headers)
        form = push_form(fields, key, found.route.texts, ip, _idempotency_key(headers))
        answer = await self._pushes.push(form)
        outcome, reason = answer.told
        story["outcome"] = outcome
        if reason:
            story["reason"] = reason
        if answer.push_id is not None:
            story["push"] = answer.push_id
            story["channels"] = len(answer.rows)
        return push_answers.push(answer)

    async def _read(self, receive: ASGIReceiveCallable) -> bytes | None:
        """The body, as far as it is not too large; None when the client hangs up."""
        body, more = b"", True
        while more and len(body) <= self.max_body:
            event = await receive()
            if event["type"] != "http.request":
                return None
            body, more = body + event["body"], event["more_body"]
        return body


def _invalid(error: Invalid) -> Answer:
    return push_answers.refusal(Refusal.BAD_INPUT, strict=True, text=error.text, status=error.status)


def _direct(answer: Answer, request_id: str) -> DirectAnswer:
    headers = [*_CORS, (b"x-request-id", request_id.encode())]
    if answer.status != 204:
        headers += [(b"content-type", _CONTENT_TYPE), (b"content-length", b"%d" % len(answer.body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    return DirectAnswer(answer.status, headers, answer.body)


def _bearer(headers: Mapping[bytes, bytes]) -> str:
    kind, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""


def _idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Raises Invalid."""
    key = headers.get(b"idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or any(not 0x20 <= byte < 0x7F for byte in key):
        raise Invalid("Idempotency-Key 必须是 1 到 255 个可见 ASCII 字符")
    return key.decode("ascii")
