"""The push API: `/{sendkey}.send`, `/send/…`, `/notify`, answered before Quart; and `/push`.

A push is what this daemon is for, thousands of times a minute: its routes are one ASGI function around Quart's, which
saves a third of the CPU that a request costs. A client that hangs up changes nothing: its push goes on.
"""

import re
from collections.abc import Mapping

import structlog
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from msgspec import Struct
from quart import Blueprint, Response, request

from bottalk.errors import Invalid, Refusal
from bottalk.http import answers
from bottalk.http.answers import Answer
from bottalk.http.fields import BODILESS, Fields, parse, read
from bottalk.http.guard import OPERATOR
from bottalk.service.pushes import Pushes, PushForm
from bottalk.values import Priority, PushId, Secret

log = structlog.get_logger()

TEXTS = ("desp", "message", "msg", "content", "body")
NOTIFY_TEXTS = ("message", "msg", "desp", "content", "body")

LONGEST_TITLE = 10_000
"""Characters. Titles are one line on a phone; more is a client that put its text into the wrong field."""
LONGEST_WAIT_S = 20.0
DEFAULT_WAIT_S = 3.0
LONGEST_TTL_S = 604_800.0
LONGEST_DELAY_S = 30 * 86400.0

METHODS = ("GET", "POST")


class Route(Struct, frozen=True):
    """One push route. `rule` names it in logs: a path holds a SendKey."""

    rule: str
    pattern: re.Pattern[str]
    texts: tuple[str, ...]
    plain_text_as: str


ROUTES = (
    Route("/{sendkey}.send", re.compile(r"/(?P<key>[^/]+)\.send/?"), TEXTS, "desp"),
    Route("/send/{sendkey}.send", re.compile(r"/send/(?P<key>[^/]+)\.send/?"), TEXTS, "desp"),
    Route("/send/{sendkey}", re.compile(r"/send/(?P<key>[^/]+)/?"), TEXTS, "desp"),
    Route("/notify", re.compile(r"/notify/?"), NOTIFY_TEXTS, "msg"),
)


class Gone(Exception):
    """The client hung up before its request was whole."""


class PushDoor:
    """The push routes as ASGI, in front of `inner`, which has all the others."""

    def __init__(self, inner: ASGIFramework, pushes: Pushes, max_body: int) -> None:
        self._inner = inner
        self._pushes = pushes
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
            answer = answers.refusal(Refusal.BAD_INPUT, strict=True, text=e.text, status=e.status)
        except Exception as e:
            log.error("http.bug", route=route.rule, exc_info=e)
            answer = answers.refusal(Refusal.BUG, strict=True)
        headers = [(b"content-type", answers.CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(answer.body))]
        headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _push(self, route: Route, key: str, scope: HTTPScope, receive: ASGIReceiveCallable) -> Answer:
        if scope["method"] not in METHODS:
            # HEAD too: link previews and scanners must not send messages
            refused = answers.refusal(Refusal.BAD_INPUT, strict=True, text="不支持的请求方法", status=405)
            return Answer(refused.body, refused.status, (("Allow", ", ".join(METHODS)),))
        headers = dict(scope["headers"])
        body = b"" if scope["method"] in BODILESS else await self._read(receive)
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        fields = parse(scope["query_string"], body, content_type, route.plain_text_as)
        key = key or fields.text("key").strip() or _bearer(headers)
        return answers.push(
            await self._pushes.push(form(fields, key, route.texts, _client(scope), _idempotency(headers)))
        )

    async def _read(self, receive: ASGIReceiveCallable) -> bytes:
        """The whole body. Raises Invalid past the size limit, Gone when the client hangs up."""
        parts: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] != "http.request":
                raise Gone
            parts.append(event["body"])
            size += len(event["body"])
            if size > self._max_body:
                raise Invalid("请求体过大", 413)
            if not event["more_body"]:
                return b"".join(parts)


def blueprint(pushes: Pushes) -> Blueprint:
    """`/push`, which is asked seldom."""
    routes = Blueprint("pushes", __name__)

    @routes.get("/push")
    async def story() -> Response:
        fields = await read(request)
        push_id, readkey = fields.text("id").strip(), fields.text("readkey", 100).strip()
        if push_id.isascii() and push_id.isdigit() and len(push_id) <= 18 and readkey:
            rows = await pushes.story(PushId(int(push_id)), Secret(readkey))
            if rows:
                return answers.respond(answers.story(rows))
        return answers.respond(answers.refusal(Refusal.NO_PUSH, strict=bool(fields.flag("strict"))))

    return routes


def form(fields: Fields, key: str, texts: tuple[str, ...], ip: str, idempotency_key: str | None = None) -> PushForm:
    """Parse a push. Raises Invalid."""
    title, text = fields.text("title"), fields.first(texts)
    if not title.strip():
        title = fields.text("text")
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"title 过长（最多 {LONGEST_TITLE} 个字符）")
    wait = fields.number("wait", 0, LONGEST_WAIT_S)
    return PushForm(
        key=Secret(key),
        title=title,
        text=text,
        channel=fields.text("channel", 1000),
        wait=DEFAULT_WAIT_S if wait is None else wait,
        strict=fields.flag("strict"),
        ttl=fields.number("ttl", 60, LONGEST_TTL_S),
        delay=fields.number("delay", 0, LONGEST_DELAY_S),
        replace_key=fields.text("replace_key", 100).strip() or None,
        priority=_priority(fields.text("priority", 20).strip().lower()),
        idempotency_key=idempotency_key,
        ip=ip,
    )


def _priority(word: str) -> Priority:
    try:
        return Priority(word or "normal")
    except ValueError:
        raise Invalid("priority 必须是 normal、urgent 或 low") from None


def _bearer(headers: Mapping[bytes, bytes]) -> str:
    kind, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""


def _idempotency(headers: Mapping[bytes, bytes]) -> str | None:
    """The key of the Idempotency-Key header. Raises Invalid."""
    key = headers.get(b"idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or any(not 0x20 <= byte < 0x7F for byte in key):
        raise Invalid("Idempotency-Key 必须是 1 到 255 个可见 ASCII 字符")
    return key.decode("ascii")


def _client(scope: HTTPScope) -> str:
    client = scope["client"]
    return client[0] if client else OPERATOR
