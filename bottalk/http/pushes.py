"""The push API: `/{sendkey}.send`, `/send/…`, `/notify` (served by `push_door`), and `/push`."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.errors import Refusal
from bottalk.http import forms, push_answers
from bottalk.http.answers import Answer
from bottalk.http.endpoints import Call, Endpoint, Reply
from bottalk.http.fields import Fields
from bottalk.http.ids import number
from bottalk.http.push_answers import PushBody, PushData, RowBody, StoryBody, StoryData, WindowBody
from bottalk.service.pushes import Pushes, PushForm
from bottalk.values import Priority, PushId, RowStatus, Secret

TEXTS = ("desp", "message", "msg", "content", "body")
NOTIFY_TEXTS = ("message", "msg", "desp", "content", "body")
METHODS = ("GET", "POST")

Text = Annotated[str, Meta(description="The text, Markdown; the first of these that is not blank counts.")]


class PushFields(Struct, frozen=True):
    """What a push may say. At least one of title and text must not be blank. Unknown fields are ignored."""

    title: Annotated[str, Meta(max_length=10_000)] = ""
    desp: Text = ""
    message: Text = ""
    msg: Text = ""
    content: Text = ""
    body: Text = ""
    text: Annotated[str, Meta(max_length=10_000, description="Stands in for a missing title.")] = ""
    channel: Annotated[str, Meta(max_length=1000, description="Empty or default, all, or ids such as 1,3,5.")] = ""
    strict: Annotated[bool | None, Meta(description="The outcome as HTTP status too.")] = None
    wait: Annotated[float, Meta(ge=0, le=20, description="Seconds to wait for the outcome.")] = 3.0
    ttl: Annotated[float, Meta(ge=60, le=604_800)] | None = None
    delay: Annotated[float, Meta(ge=0, le=2_592_000)] | None = None
    replace_key: Annotated[str, Meta(max_length=100)] = ""
    priority: Priority = Priority.NORMAL


class NotifyFields(PushFields, frozen=True):
    """As `PushFields`; `key` may come as a bearer token instead."""

    key: str = ""


class StoryFields(Struct, frozen=True):
    id: str = ""
    readkey: Annotated[str, Meta(max_length=100)] = ""
    strict: bool | None = None


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


def _refused(what: Refusal) -> PushBody:
    return PushBody(what.code, what.text, PushData(what.code, what.constant, []))


REPLIES = (
    Reply(200, "business answers: see `code`", PushBody, OK),
    Reply(202, "strict: kept, not delivered yet", PushBody),
    Reply(400, "malformed input; strict: empty", PushBody, _refused(Refusal.EMPTY)),
    Reply(401, "strict: unknown SendKey", PushBody, _refused(Refusal.BAD_KEY)),
    Reply(408, "the body came too slowly", PushBody),
    Reply(409, "strict: no channel, or the Idempotency-Key was used for other content", PushBody),
    Reply(413, "the body is too large", PushBody),
    Reply(429, "strict: over the hourly limit", PushBody),
    Reply(500, "a bug", PushBody, _refused(Refusal.BUG)),
    Reply(503, "nothing was kept; try again", PushBody, _refused(Refusal.BUSY)),
)


def described() -> Sequence[Endpoint[Any]]:
    """The push routes for the description: `push_door` serves them."""

    async def elsewhere(call: Call[Any]) -> Answer:
        raise LookupError("push_door serves this route")

    return [
        Endpoint(method, route.rule, "Push a message", elsewhere, route.fields, REPLIES, tag="push")
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
        Reply(400, "malformed input", PushBody),
        Reply(404, "strict: a wrong pair", PushBody),
    )
    return (Endpoint("GET", "/push", "What became of a push", story, StoryFields, replies, tag="push"),)
