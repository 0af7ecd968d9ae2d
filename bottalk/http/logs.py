"""`/api/push-logs`: what was pushed, and what became of it."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec.structs
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from bottalk.clock import utc_text, utc_text_or_none
from bottalk.http import answers
from bottalk.http.answers import Answer, Done, Failed, Ok
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.http.ids import number
from bottalk.service.logs import AlreadySent, LogForm, Logs
from bottalk.values import LogRow, LogStory, RowId, RowStatus

Id = Annotated[int, Meta(ge=0, le=2**53)]

NOT_FOUND = "推送记录不存在"


class Filter(Struct, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=200)] | None = None
    before: Annotated[Id | None, Meta(description="Rows with smaller ids: the next page.")] = None
    status: RowStatus | None = None
    channel: Annotated[Id | None, Meta(description="Rows of this channel.")] = None
    q: Annotated[str, Meta(max_length=200, description="In title or text.")] = ""


class LogBody(Struct, frozen=True):
    """One push on one channel. `response` is JSON text, `{}` until it is settled."""

    id: int
    user_id: int
    status: RowStatus
    ip: str
    channel_id: int
    channel_name: str
    response: str
    created_at: str
    reason: str | None
    title: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class LogStoryBody(LogBody, frozen=True, kw_only=True):
    pushid: str
    attempts: int
    priority: str
    not_before: str | None
    expires_at: str
    settled_at: str | None
    ret_code: int | None
    last_error: str
    maybe_duplicate: bool


ROW = LogBody(
    id=17,
    user_id=1,
    status=RowStatus.SUCCESS,
    ip="203.0.113.7",
    channel_id=1,
    channel_name="默认通道",
    response='{"errcode":0,"errmsg":"ok","http_status":200,"duration_ms":150}',
    created_at="2026-11-24 01:31:40",
    reason=None,
    title="备份完成",
    content="",
)
"""An example, for the description; the next one too."""
STORY = LogStoryBody(
    **msgspec.structs.asdict(ROW),
    pushid="17",
    attempts=1,
    priority="normal",
    not_before=None,
    expires_at="2026-12-01 01:31:40",
    settled_at="2026-11-24 01:31:41",
    ret_code=None,
    last_error="",
    maybe_duplicate=False,
)


def endpoints(logs: Logs) -> Sequence[Endpoint[Any]]:
    async def every(call: Call[Filter]) -> Answer:
        return answers.ok([shown(row) for row in await logs.of(call.user.id, log_form(call.form))])

    async def one(call: Call[NoForm]) -> Answer:
        found = await logs.one(call.user.id, RowId(number(call.path["id"])))
        return answers.failed(NOT_FOUND, 404) if found is None else answers.ok(story(found))

    async def delete(call: Call[NoForm]) -> Answer:
        try:
            found = await logs.delete(call.user.id, RowId(number(call.path["id"])))
        except AlreadySent as e:
            return answers.failed(e.text, 409)
        return answers.encoded(Done()) if found else answers.failed(NOT_FOUND, 404)

    missing = Reply(404, "not yours, or not there", Failed, Failed(NOT_FOUND))
    return (
        Endpoint(
            "GET",
            "/api/push-logs",
            "The last 50 rows, newest first",
            every,
            Filter,
            (Reply(200, "rows", Ok[list[LogBody]], Ok([ROW])),),
            access=Access.SESSION,
            tag="log",
        ),
        Endpoint(
            "GET",
            "/api/push-logs/{id}",
            "One row with its story",
            one,
            NoForm,
            (Reply(200, "the row", Ok[LogStoryBody], Ok(STORY)), missing),
            access=Access.SESSION,
            tag="log",
        ),
        Endpoint(
            "DELETE",
            "/api/push-logs/{id}",
            "Drop a waiting row",
            delete,
            NoForm,
            (
                Reply(200, "dropped", Done, Done()),
                missing,
                Reply(409, "settled already", Failed, Failed(AlreadySent.text)),
            ),
            access=Access.SESSION,
            tag="log",
        ),
    )


def log_form(form: Filter) -> LogForm:
    return LogForm(form.limit, form.before, form.status.value if form.status else "", form.channel, form.q.strip())


def shown(row: LogRow) -> LogBody:
    return LogBody(
        id=row.id,
        user_id=row.user_id,
        status=row.status,
        ip=row.ip,
        channel_id=row.channel_id,
        channel_name=row.channel_name,
        response=row.response,
        created_at=utc_text(row.accepted_at),
        reason=row.reason,
        title=UNSET if row.title is None else row.title,
        content=UNSET if row.text is None else row.text,
    )


def story(found: LogStory) -> LogStoryBody:
    row = found.row
    return LogStoryBody(
        **asdict(shown(row)),
        pushid=str(row.push_id),
        attempts=found.attempts,
        priority=found.priority,
        not_before=utc_text_or_none(found.not_before),
        expires_at=utc_text(found.expires_at),
        settled_at=utc_text_or_none(row.settled_at),
        ret_code=found.ret,
        last_error=found.last_error,
        maybe_duplicate=found.maybe_duplicate,
    )
