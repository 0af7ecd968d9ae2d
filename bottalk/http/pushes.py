"""The push API: `/{sendkey}.send`, `/send/…`, `/notify` (served by `push_door`), and `/push`."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.errors import Refusal
from bottalk.http import forms, push_answers
from bottalk.http.answers import Answer
from bottalk.http.endpoints import RETRY_AFTER, Access, Call, Endpoint, Reply
from bottalk.http.fields import Fields
from bottalk.http.ids import number
from bottalk.http.push_answers import PushBody, PushData, RowBody, StoryBody, StoryData, WindowBody
from bottalk.service.pushes import Pushes, PushForm
from bottalk.values import Priority, PushId, Reason, RowStatus, Secret

TEXTS = ("desp", "message", "msg", "content", "body")
NOTIFY_TEXTS = ("message", "msg", "desp", "content", "body")
METHODS = ("GET", "POST")

Text = Annotated[str, Meta(description="As `desp`.")]


class PushFields(Struct, frozen=True):
    """What a push may say. At least one of title and text must not be blank. Unknown fields are ignored."""

    title: Annotated[str, Meta(max_length=10_000, description="Plain text.")] = ""
    desp: Annotated[
        str,
        Meta(description="The text, Markdown. Of the five names that it may have, the first that is not blank counts."),
    ] = ""
    message: Text = ""
    msg: Text = ""
    content: Text = ""
    body: Text = ""
    text: Annotated[str, Meta(max_length=10_000, description="Stands in for a missing title.")] = ""
    channel: Annotated[str, Meta(max_length=1000, description="Empty or default, all, or ids such as 1,3,5.")] = ""
    strict: Annotated[bool | None, Meta(description="1: the outcome as HTTP status too.")] = None
    wait: Annotated[float, Meta(ge=0, le=20, description="Seconds to wait for the outcome.")] = 3.0
    ttl: Annotated[
        Annotated[float, Meta(ge=60, le=604_800)] | None,
        Meta(description="Seconds that a waiting message is worth delivering; 7 days where none is given."),
    ] = None
    delay: Annotated[
        Annotated[float, Meta(ge=0, le=2_592_000)] | None,
        Meta(description="Seconds until it may go; `ttl` counts then."),
    ] = None
    replace_key: Annotated[
        str, Meta(max_length=100, description="A waiting message with the same one gives way to this one.")
    ] = ""
    priority: Annotated[
        Priority, Meta(description="urgent may use the last message of a window, low goes along with others.")
    ] = Priority.NORMAL


class NotifyFields(PushFields, frozen=True):
    """As `PushFields`, and the SendKey."""

    key: Annotated[str, Meta(description="The SendKey, unless it comes as a bearer token.")] = ""


class StoryFields(Struct, frozen=True):
    id: Annotated[str, Meta(description="Required: the push's `pushid`.")] = ""
    readkey: Annotated[str, Meta(max_length=100, description="Required: the push's `readkey`.")] = ""
    strict: Annotated[bool | None, Meta(description="1: 404 for a wrong pair.")] = None


class Route(Struct, frozen=True):
    """One push route. `rule` names it in logs and in the description: a path holds a SendKey."""

    rule: str
    pattern: re.Pattern[str]
    texts: tuple[str, ...]
    plain_text_as: str
    fields: type[PushFields] = PushFields


ROUTES = (
    Route("/{sendkey}.send", re.compile(r"/(?P<key>[^/]+)(?i:\.send)/?"), TEXTS, "desp"),
    Route("/send/{sendkey}.send", re.compile(r"/send/(?P<key>[^/]+)(?i:\.send)/?"), TEXTS, "desp"),
    Route("/send/{sendkey}", re.compile(r"/send/(?P<key>[^/]+)/?"), TEXTS, "desp"),
    Route("/notify", re.compile(r"/notify/?"), NOTIFY_TEXTS, "msg", NotifyFields),
)


def push_form(
    fields: Fields, key: str, texts: tuple[str, ...], ip: str, idempotency_key: str | None = None
) -> PushForm:
    """Parse a push. Raises Invalid."""
    given = forms.parse(PushFields, fields)
    return PushForm(
        key=Secret(key),
        title=given.title if given.title.strip() else given.text,
        text=next((value for name in texts if (value := getattr(given, name)).strip()), ""),
        channel=given.channel,
        wait=given.wait,
        strict=given.strict,
        ttl=given.ttl,
        delay=given.delay,
        replace_key=given.replace_key.strip() or None,
        priority=given.priority,
        idempotency_key=idempotency_key,
        ip=ip,
    )


SENT = RowBody(1, RowStatus.SUCCESS, window=WindowBody(7, "2026-11-25 01:30:00"))
OK = PushBody(0, "success", PushData(0, "SUCCESS", [SENT], "17", "9f…"))
TOLD = StoryBody(0, "", StoryData([SENT], '{"errcode":0,"errmsg":"ok"}'))


KEPT = RowBody(1, RowStatus.FAILED, False, None, Reason.CONTEXT_EXPIRED, queued=True)
QUEUED = PushBody(0, "queued", PushData(0, "SUCCESS", [RowBody(1, RowStatus.QUEUED, queued=True)], "18", "9f…"))
NOT_YET = push_answers.failed([KEPT], "19", "9f…", Reason.CONTEXT_EXPIRED)
LOST = push_answers.failed([RowBody(1, RowStatus.FAILED, False, None, Reason.QUEUE_FULL)], "20", "9f…")


def _refused(what: Refusal, text: str = "") -> PushBody:
    text = text or what.text.format(limit=100)
    return PushBody(what.code, text, PushData(what.code, what.constant, []))


def _strict(status: int, what: str, refusal: Refusal, *, always: bool = False) -> tuple[Reply, ...]:
    """A refusal: with `strict` by its status, otherwise with 200."""
    rates = RATE if refusal in (Refusal.RATE_LIMIT, Refusal.EMPTY, Refusal.NO_CHANNEL) else {}
    headers = {**rates, **(RETRY_AFTER if refusal in (Refusal.RATE_LIMIT, Refusal.BUSY) else {})}
    strict = Reply(status, what if always else f"strict: {what}", PushBody, _refused(refusal), headers=headers)
    return (strict,) if always else (Reply(200, what, PushBody, _refused(refusal), headers=headers), strict)


RATE = {
    "X-RateLimit-Limit": "Pushes an hour.",
    "X-RateLimit-Remaining": "How many are left.",
    "X-RateLimit-Reset": "Seconds until there are more.",
}
REPLIES = (
    Reply(200, "sent: at least one channel has it", PushBody, OK, headers=RATE),
    Reply(200, "kept: its turn comes later", PushBody, QUEUED, headers=RATE),
    Reply(
        200, "kept, but WeChat takes it only when its user has acted: `hint` says how", PushBody, NOT_YET, headers=RATE
    ),
    *_strict(401, "unknown SendKey", Refusal.BAD_KEY),
    *_strict(409, "no channel is bound and activated", Refusal.NO_CHANNEL),
    *_strict(400, "title and text are empty", Refusal.EMPTY),
    *_strict(409, "the Idempotency-Key was used for another message", Refusal.CONFLICT),
    *_strict(429, "over the hourly limit", Refusal.RATE_LIMIT),
    Reply(202, "strict: kept, its turn comes later", PushBody, QUEUED, headers=RATE),
    Reply(202, "strict: kept until its user acts", PushBody, NOT_YET, headers=RATE),
    Reply(400, "malformed input: says which field and why", PushBody, _refused(Refusal.BAD_INPUT, "wait 必须是数字")),
    Reply(408, "the body came too slowly", PushBody, _refused(Refusal.BAD_INPUT, "请求超时")),
    Reply(413, "the body is too large", PushBody, _refused(Refusal.BAD_INPUT, "请求体过大")),
    *_strict(500, "a bug", Refusal.BUG, always=True),
    *_strict(503, "nothing was kept: try again", Refusal.BUSY, always=True),
    Reply(503, "strict: no channel took it, and nothing is kept", PushBody, LOST, headers=RATE),
)


EXAMPLE = {"title": "备份完成", "desp": "用时 **3** 分钟"}


def described() -> Sequence[Endpoint[Any]]:
    """The push routes for the description: `push_door` serves them."""

    async def elsewhere(call: Call[Any]) -> Answer:
        raise LookupError("push_door serves this route")

    return [
        Endpoint(
            method,
            route.rule,
            "Push a message",
            elsewhere,
            route.fields,
            REPLIES,
            access=Access.SENDKEY if route.fields is NotifyFields else Access.PUBLIC,
            tag="push",
            example=EXAMPLE,
        )
        for route in ROUTES
        for method in METHODS
    ]


def endpoints(pushes: Pushes) -> Sequence[Endpoint[Any]]:
    async def story(call: Call[StoryFields]) -> Answer:
        push_id, readkey = number(call.form.id.strip()), call.form.readkey.strip()
        rows = await pushes.story(PushId(push_id), Secret(readkey)) if push_id and readkey else []
        if rows:
            return push_answers.story(rows)
        return push_answers.refusal(Refusal.NO_PUSH, strict=bool(call.form.strict))

    replies = (
        Reply(200, "the rows of the push", StoryBody, TOLD),
        Reply(200, "a wrong pair of id and readkey", PushBody, _refused(Refusal.NO_PUSH)),
        Reply(404, "strict: a wrong pair of id and readkey", PushBody, _refused(Refusal.NO_PUSH)),
        Reply(
            400,
            "malformed input: says which field and why",
            PushBody,
            _refused(Refusal.BAD_INPUT, "strict 必须是 0 或 1"),
        ),
        *_strict(500, "a bug", Refusal.BUG, always=True),
    )
    return (Endpoint("GET", "/push", "What became of a push", story, StoryFields, replies, tag="push"),)
