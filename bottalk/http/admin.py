"""`/api/admin`: accounts, figures, all channels and logs. The status is in `status`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bottalk.clock import utc_text
from bottalk.errors import Refused
from bottalk.http import answers, channels, logs
from bottalk.http.answers import Answer, Failed, Nested, Ok
from bottalk.http.channels import ChannelBody, ErrorBody
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.http.ids import number
from bottalk.http.logs import Filter, LogBody
from bottalk.service.services import Services
from bottalk.service.stats import StatsView
from bottalk.service.users import UserForm, UserRow
from bottalk.values import ChannelId, UserId


class UserChange(Struct, frozen=True):
    """At least one of them."""

    role: Literal["user", "admin"] | None = None
    is_disabled: Annotated[
        Literal[0, 1] | None, Meta(description="1 ends sessions and pushes of the account at once.")
    ] = None
    rate_limit: Annotated[
        Annotated[int, Meta(ge=0, le=100_000)] | None, Meta(description="Pushes an hour; 0 refuses all.")
    ] = None
    nickname: Annotated[str, Meta(max_length=20)] | None = None


class UserBody(Struct, frozen=True):
    """An account as an administrator sees it; the SendKey is masked."""

    id: int
    email: str | None
    wechat_openid: str | None
    send_key: str
    nickname: str | None
    role: str
    is_disabled: int
    rate_limit: int | None
    created_at: str
    channel_count: int
    push_count: int


class DeletedUser(Struct, frozen=True):
    deleted: int


class ChannelsBody(Struct, frozen=True):
    channels: list[ChannelBody]
    green: int
    yellow: int
    red: int


class Restarted(Struct, frozen=True):
    restarted: int


USER = UserBody(
    id=7,
    email=None,
    wechat_openid=channels.CHANNEL.wechat_openid,
    send_key="0123…",
    nickname=None,
    role="user",
    is_disabled=0,
    rate_limit=None,
    created_at="2026-11-24 01:30:00",
    channel_count=1,
    push_count=12,
)
"""An example, for the description."""


def endpoints(services: Services) -> Sequence[Endpoint[Any]]:
    return (*_user_endpoints(services), *_other_endpoints(services))


def _at(method: str, path: str, summary: str, handle: Any, form: Any, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
    return Endpoint(method, f"/api/admin{path}", summary, handle, form, replies, access=Access.ADMIN, tag="admin")


def _user_endpoints(services: Services) -> Sequence[Endpoint[Any]]:
    users = services.users

    async def every(call: Call[NoForm]) -> Answer:
        return answers.ok([shown(row) for row in await users.rows()])

    async def change(call: Call[UserChange]) -> Answer:
        user_id, form = UserId(number(call.path["id"])), call.form
        disabled = None if form.is_disabled is None else bool(form.is_disabled)
        try:
            await users.change(call.user.id, user_id, UserForm(form.role, disabled, form.rate_limit, form.nickname))
        except Refused as e:
            return answers.failed(e.text, e.status)
        rows = await users.rows(after=UserId(user_id - 1), limit=1)
        return answers.ok(shown(rows[0])) if rows and rows[0].user.id == user_id else _no_user()

    async def delete(call: Call[NoForm]) -> Answer:
        user_id = UserId(number(call.path["id"]))
        try:
            await users.delete(call.user.id, user_id)
        except Refused as e:
            return answers.failed(e.text, e.status)
        return answers.ok(DeletedUser(user_id))

    oneself = Reply(400, "oneself, or nothing to change", Failed, Failed("不能修改自己的账户"))
    missing = Reply(404, "not there", Failed, Failed("User not found"))
    return (
        _at("GET", "/users", "All accounts", every, NoForm, Reply(200, "accounts", Ok[list[UserBody]], Ok([USER]))),
        _at(
            "PATCH",
            "/users/{id}",
            "Change an account, not one's own",
            change,
            UserChange,
            Reply(200, "the account", Ok[UserBody], Ok(USER)),
            oneself,
            missing,
        ),
        _at(
            "DELETE",
            "/users/{id}",
            "Delete an account with all it owns, not one's own",
            delete,
            NoForm,
            Reply(200, "deleted", Ok[DeletedUser], Ok(DeletedUser(7))),
            oneself,
            missing,
        ),
    )


def _other_endpoints(services: Services) -> Sequence[Endpoint[Any]]:
    async def stats(call: Call[NoForm]) -> Answer:
        return answers.ok(await services.stats.view())

    async def every_channel(call: Call[NoForm]) -> Answer:
        found = services.channels.overview()
        shown_channels = [channels.shown(view) for view in found.channels]
        return answers.ok(ChannelsBody(shown_channels, found.green, found.yellow, found.red))

    async def restart(call: Call[NoForm]) -> Answer:
        channel_id = ChannelId(number(call.path["id"]))
        if not await services.channels.restart(channel_id):
            return answers.encoded(channels.NOT_FOUND, 404)
        return answers.ok(Restarted(channel_id))

    async def every_log(call: Call[Filter]) -> Answer:
        return answers.ok([logs.shown(row) for row in await services.logs.every(logs.log_form(call.form))])

    return (
        _at(
            "GET",
            "/stats",
            "Figures of today",
            stats,
            NoForm,
            Reply(200, "figures", Ok[StatsView], Ok(StatsView(3, 120, 3, 0, 1, 0, 2, 0))),
        ),
        _at(
            "GET",
            "/channels",
            "Every channel with its health",
            every_channel,
            NoForm,
            Reply(200, "all", Ok[ChannelsBody], Ok(ChannelsBody([channels.CHANNEL], 1, 0, 0))),
        ),
        _at(
            "POST",
            "/channels/{id}/restart",
            "Start a channel's actor anew, parked or not",
            restart,
            NoForm,
            Reply(200, "restarted", Ok[Restarted], Ok(Restarted(3))),
            Reply(404, "not there", Nested[ErrorBody], channels.NOT_FOUND),
        ),
        _at(
            "GET",
            "/push-logs",
            "The last 200 rows of all accounts",
            every_log,
            Filter,
            Reply(200, "rows; title and content only where the settings allow it", Ok[list[LogBody]]),
        ),
    )


def shown(row: UserRow) -> UserBody:
    user = row.user
    return UserBody(
        id=user.id,
        email=user.email,
        wechat_openid=user.wechat_openid,
        send_key=user.send_key.masked(),
        nickname=user.nickname,
        role=user.role,
        is_disabled=int(user.is_disabled),
        rate_limit=user.rate_limit,
        created_at=utc_text(user.created_at),
        channel_count=row.channel_count,
        push_count=row.push_count,
    )


def _no_user() -> Answer:
    return answers.failed("User not found", 404)
