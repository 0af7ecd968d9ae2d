"""`/api/channels`: the account's channels. The QR codes that make them are in `codes`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bottalk.clock import utc_text, utc_text_or_none
from bottalk.http import answers
from bottalk.http.answers import Answer, Nested, Ok
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.http.ids import number
from bottalk.service.channels import ChannelForm, Channels, ChannelView, CheckView
from bottalk.values import ChannelId, ChannelStatus


class ListForm(Struct, frozen=True):
    all: Annotated[bool, Meta(description="1: dead channels too, which a new scan repairs.")] = False


class ChannelChange(Struct, frozen=True):
    """At least one of them."""

    name: Annotated[str, Meta(min_length=1, max_length=50)] | None = None
    is_default: Annotated[
        int | None,
        Meta(description="1 makes it the only default; a default gives way only to another one, so 0 is refused."),
    ] = None
    can_login: Annotated[Literal[0, 1] | None, Meta(description="1: a scan of its WeChat logs in.")] = None


class HealthBody(Struct, frozen=True):
    """`advice` says what to do; `since` is UTC."""

    level: Literal["green", "yellow", "red"]
    reason: str | None
    since: str | None
    advice: str


class ForecastBody(Struct, frozen=True):
    """The forecast of what WeChat still takes."""

    state: str
    left: int
    closes_at: str | None


class ChannelBody(Struct, frozen=True):
    """The contract's channel object. Tokens never leave the daemon whole."""

    id: int
    user_id: int
    name: str
    channel_type: str
    wechat_openid: str
    bot_token: str
    context_token: str | None
    status: str
    is_default: int
    created_at: str
    inactive_reason: str | None
    can_login: int
    health: HealthBody
    last_inbound_at: str | None
    window: ForecastBody
    queued: int


class Activation(Struct, frozen=True):
    activated: bool


class Deleted(Struct, frozen=True):
    """How many waiting rows were dropped."""

    deleted: int


class Message(Struct, frozen=True):
    message: str


class ErrorBody(Struct, frozen=True):
    """An error inside `data`."""

    error: str


CHANNEL = ChannelBody(
    id=1,
    user_id=1,
    name="默认通道",
    channel_type="wechat_ilink",
    wechat_openid="o9cq80x…@im.wechat",
    bot_token="bot_7f…",
    context_token="ctx_5a…",
    status="active",
    is_default=1,
    created_at="2026-11-24 01:30:00",
    inactive_reason=None,
    can_login=1,
    health=HealthBody("green", None, None, ""),
    last_inbound_at="2026-11-24 01:31:10",
    window=ForecastBody("open", 7, "2026-11-25 01:31:10"),
    queued=0,
)
"""An example, for the description."""

NOT_FOUND = Nested(ErrorBody("Channel not found"))
MISSING = Reply(404, "not yours, or not there", Nested[ErrorBody], NOT_FOUND)


def endpoints(channels: Channels) -> Sequence[Endpoint[Any]]:
    async def every(call: Call[ListForm]) -> Answer:
        return answers.ok([shown(view) for view in channels.of(call.user.id, dead_too=call.form.all)])

    async def activation(call: Call[NoForm]) -> Answer:
        view = channels.one(call.user.id, _id(call))
        return _not_found() if view is None else answers.ok(Activation(view.channel.status == "active"))

    async def change(call: Call[ChannelChange]) -> Answer:
        form = ChannelForm(call.form.name, call.form.is_default, call.form.can_login)
        view = await channels.change(call.user.id, _id(call), form)
        return _not_found() if view is None else answers.ok(shown(view))

    async def check(call: Call[NoForm]) -> Answer:
        found = channels.check(call.user.id, _id(call))
        return _not_found() if found is None else answers.ok(found)

    async def drop(call: Call[NoForm]) -> Answer:
        count = await channels.drop_queue(call.user.id, _id(call))
        return _not_found() if count is None else answers.ok(Deleted(count))

    async def delete(call: Call[NoForm]) -> Answer:
        found = await channels.delete(call.user.id, _id(call))
        return answers.ok(Message("Channel deleted")) if found else _not_found()

    def own(method: str, path: str, summary: str, handle: Any, form: Any, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
        path = f"/api/channels{path}"
        return Endpoint(method, path, summary, handle, form, replies, access=Access.SESSION, tag="channels")

    one = Reply(200, "the channel", Ok[ChannelBody], Ok(CHANNEL))
    return (
        own(
            "GET",
            "",
            "Live channels, newest first",
            every,
            ListForm,
            Reply(200, "all", Ok[list[ChannelBody]], Ok([CHANNEL])),
        ),
        own(
            "GET",
            "/{id}/activation",
            "Whether its user has written since the last binding",
            activation,
            NoForm,
            Reply(200, "yes or no", Ok[Activation], Ok(Activation(True))),
            MISSING,
        ),
        own("PATCH", "/{id}", "Change what is given", change, ChannelChange, one, MISSING),
        own(
            "POST",
            "/{id}/check",
            "Whether its poller lives, without calling iLink",
            check,
            NoForm,
            Reply(200, "how it stands", Ok[CheckView], Ok(CheckView(True, None, 2.5, ChannelStatus.ACTIVE))),
            MISSING,
        ),
        own(
            "DELETE",
            "/{id}/queue",
            "Drop what waits",
            drop,
            NoForm,
            Reply(200, "how many rows", Ok[Deleted], Ok(Deleted(3))),
            MISSING,
        ),
        own(
            "DELETE",
            "/{id}",
            "Delete the channel",
            delete,
            NoForm,
            Reply(200, "deleted", Ok[Message], Ok(Message("Channel deleted"))),
            MISSING,
        ),
    )


def shown(view: ChannelView) -> ChannelBody:
    channel, health = view.channel, view.health
    return ChannelBody(
        id=channel.id,
        user_id=channel.user_id,
        name=channel.name,
        channel_type="wechat_ilink",
        wechat_openid=channel.wechat_openid,
        bot_token=channel.bot_token.masked(),
        context_token=channel.context_token.masked() if channel.context_token else None,
        status=channel.status,
        is_default=int(channel.is_default),
        created_at=utc_text(channel.created_at),
        inactive_reason=channel.inactive_reason,
        can_login=int(channel.can_login),
        health=HealthBody(health.level.value, health.cause, utc_text_or_none(health.since), health.advice),
        last_inbound_at=utc_text_or_none(channel.last_inbound_at),
        window=ForecastBody(view.window_state, view.left, utc_text_or_none(view.closes_at)),
        queued=view.queued,
    )


def _id(call: Call[Any]) -> ChannelId:
    return ChannelId(number(call.path["id"]))


def _not_found() -> Answer:
    return answers.encoded(NOT_FOUND, 404)
