"""The push API: `/{sendkey}.send`, `/send/…`, `/notify`, `/push`."""

from quart import Blueprint, Request, Response, request

from bottalk.errors import Invalid, Refusal
from bottalk.http import answers
from bottalk.http.fields import Fields, read
from bottalk.http.guard import client_address
from bottalk.service.pushes import Pushes, PushForm
from bottalk.values import Priority, PushId, Secret

TEXTS = ("desp", "message", "msg", "content", "body")
NOTIFY_TEXTS = ("message", "msg", "desp", "content", "body")

LONGEST_TITLE = 10_000
"""Characters. Titles are one line on a phone; more is a client that put its text into the wrong field."""
LONGEST_WAIT_S = 20.0
DEFAULT_WAIT_S = 3.0
LONGEST_TTL_S = 604_800.0
LONGEST_DELAY_S = 30 * 86400.0


def blueprint(pushes: Pushes) -> Blueprint:
    routes = Blueprint("pushes", __name__)

    async def send(sendkey: str) -> Response:
        fields = await read(request, plain_text_as="desp")
        return answers.push(await pushes.push(form(request, fields, sendkey, TEXTS)))

    async def notify() -> Response:
        fields = await read(request, plain_text_as="msg")
        key = fields.text("key").strip() or _bearer(request)
        return answers.push(await pushes.push(form(request, fields, key, NOTIFY_TEXTS)))

    async def story() -> Response:
        fields = await read(request)
        push_id, readkey = fields.text("id").strip(), fields.text("readkey", 100).strip()
        if push_id.isascii() and push_id.isdigit() and len(push_id) <= 18 and readkey:
            rows = await pushes.story(PushId(int(push_id)), Secret(readkey))
            if rows:
                return answers.story(rows)
        return answers.refusal(Refusal.NO_PUSH, strict=bool(fields.flag("strict")))

    for rule in ("/<sendkey>.send", "/send/<sendkey>.send", "/send/<sendkey>"):
        routes.add_url_rule(rule, "send", send, methods=["GET", "POST"])
    routes.add_url_rule("/notify", "notify", notify, methods=["GET", "POST"])
    routes.add_url_rule("/push", "story", story, methods=["GET"])
    return routes


def form(request: Request, fields: Fields, key: str, texts: tuple[str, ...]) -> PushForm:
    """Parse a push. Raises Invalid."""
    title, text = fields.text("title"), fields.first(texts)
    if not title.strip():
        title = fields.text("text")
    if len(title) > LONGEST_TITLE:
        raise Invalid(f"title 过长（最多 {LONGEST_TITLE} 个字符）")
    replace_key = fields.text("replace_key", 100).strip()
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
        replace_key=replace_key or None,
        priority=_priority(fields.text("priority", 20).strip().lower()),
        ip=client_address(request),
    )


def _priority(word: str) -> Priority:
    try:
        return Priority(word or "normal")
    except ValueError:
        raise Invalid("priority 必须是 normal、urgent 或 low") from None


def _bearer(request: Request) -> str:
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else ""
