"""The push routes as one ASGI function, answered before Quart.

A push is what this daemon is for, thousands of times a minute: this saves a third of the CPU that a request costs. A
client that hangs up changes nothing: its push goes on.
"""

from collections.abc import Mapping

import structlog
import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from bottalk.errors import Invalid, Refusal
from bottalk.http import answers, push_answers
from bottalk.http.address import Addresses
from bottalk.http.answers import Answer
from bottalk.http.fields import BODILESS, parse
from bottalk.http.pushes import METHODS, ROUTES, Route, push_form
from bottalk.service.pushes import Pushes

log = structlog.get_logger()

BODY_TIMEOUT_S = 30.0
"""Seconds a client may take to send the rest of a body that did not come at once."""

_ALLOW = (("Allow", ", ".join((*METHODS, "OPTIONS"))),)
_PREFLIGHT = Answer(b"", 204, (*answers.PREFLIGHT, *_ALLOW))
_CONTENT_TYPE = answers.JSON.encode()
_CORS = tuple((name.lower().encode(), value.encode()) for name, value in answers.CORS)


class Gone(Exception):
    """The client hung up before its request was whole."""


class PushDoor:
    """In front of `inner`, which has all the other routes."""

    def __init__(self, inner: ASGIFramework, pushes: Pushes, addresses: Addresses, max_body: int) -> None:
        self._inner = inner
        self._pushes = pushes
        self._addresses = addresses
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http":
            for route in ROUTES:
                found = route.pattern.fullmatch(scope["path"])
                if found is not None:
                    await self._answer(route, found.groupdict().get("key", ""), scope, receive, send)
                    return
        await self._inner(scope, receive, send)

    async def _answer(
        self, route: Route, key: str, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        try:
            answer = await self._push(route, key, scope, receive)
        except Gone:
            return
        except Invalid as e:
            log.info("http.bad_input", route=route.rule, why=e.text)
            answer = push_answers.refusal(Refusal.BAD_INPUT, strict=True, text=e.text, status=e.status)
        except Exception as e:
            log.error("http.bug", route=route.rule, exc_info=e)
            answer = push_answers.refusal(Refusal.BUG, strict=True)
        headers = [*_CORS]
        if answer.status != 204:
            headers += [(b"content-type", _CONTENT_TYPE), (b"content-length", b"%d" % len(answer.body))]
        headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _push(self, route: Route, key: str, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        if scope["method"] == "OPTIONS":
            return _PREFLIGHT
        if scope["method"] not in METHODS:
            # HEAD too: link previews and scanners must not send messages
            refused = push_answers.refusal(Refusal.BAD_INPUT, strict=True, text="不支持的请求方法", status=405)
            return Answer(refused.body, refused.status, _ALLOW)
        headers = dict(scope["headers"])
        body = b"" if scope["method"] in BODILESS else await self._read(receive)
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        fields = parse(scope["query_string"], body, content_type, route.plain_text_as)
        key = key or fields.text("key").strip() or _bearer(headers)
        ip = self._addresses.of(scope["client"], headers)
        form = push_form(fields, key, route.texts, ip, _idempotency_key(headers))
        return push_answers.push(await self._pushes.push(form))

    async def _read(self, receive: ASGIReceiveCallable) -> bytes:
        """The whole body. Raises Invalid past the size limit or the time, Gone when the client hangs up."""
        first, more = await self._part(receive)
        if not more:
            return first
        parts = [first]
        with trio.move_on_after(BODY_TIMEOUT_S):
            while more:
                part, more = await self._part(receive)
                parts.append(part)
                if sum(map(len, parts)) > self._max_body:
                    raise Invalid("请求体过大", 413)
            return b"".join(parts)
        raise Invalid("请求超时", 408)

    async def _part(self, receive: ASGIReceiveCallable) -> tuple[bytes, bool]:
        event = await receive()
        if event["type"] != "http.request":
            raise Gone
        if len(event["body"]) > self._max_body:
            raise Invalid("请求体过大", 413)
        return event["body"], event["more_body"]


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
