"""`/operator/channels`: what the operator at the command line sees and does of all channels."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.clock import utc_text_or_none
from bottalk.errors import Refused
from bottalk.http import answers
from bottalk.http.answers import Answer, Failed, Ok
from bottalk.http.endpoints import Call, Endpoint, NoForm, Reply
from bottalk.http.operator import at
from bottalk.service.operations import ChannelLine
from bottalk.service.services import Services
from bottalk.values import ChannelId

CHANNELS = "/operator/channels"
RESTART = f"{CHANNELS}/restart"
MOVE = f"{CHANNELS}/move"
DROP = f"{CHANNELS}/drop"

NOT_FOUND = "Channel not found"

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class One(Struct, frozen=True):
    """A channel by its id."""

    channel: Id


class Two(Struct, frozen=True):
    """From which channel to which."""

    channel: Id
    to: Id


class Rows(Struct, frozen=True):
    """How many rows."""

    rows: int


class ChannelLineBody(Struct, frozen=True):
    """A channel in the operator's list. `health` is green, yellow or red, `cause` why; `left` and `window` are the
    forecast; `queued` rows wait, the oldest since `waiting_since`."""

    id: int
    user_id: int
    name: str
    wechat_openid: str
    status: str
    inactive_reason: str | None
    is_default: int
    health: str
    cause: str | None
    since: str | None
    advice: str
    window: str
    left: int
    queued: int
    waiting_since: str | None
    last_inbound_at: str | None


def endpoints(services: Services) -> Sequence[Endpoint[Any]]:
    async def every(call: Call[NoForm]) -> Answer:
        return answers.ok([shown(line) for line in services.operations.channels()])

    async def restart(call: Call[One]) -> Answer:
        if not await services.channels.restart(ChannelId(call.form.channel)):
            raise Refused(NOT_FOUND, 404)
        return answers.ok(call.form)

    async def move(call: Call[Two]) -> Answer:
        count = await services.operations.move(ChannelId(call.form.channel), ChannelId(call.form.to))
        return answers.ok(Rows(count))

    async def drop(call: Call[One]) -> Answer:
        return answers.ok(Rows(await services.operations.drop(ChannelId(call.form.channel))))

    rows = Reply(200, "how many rows", Ok[Rows])
    missing = Reply(404, "no such channel", Failed, Failed(NOT_FOUND))
    other = Reply(400, "not one of the same account, or dead", Failed)
    return (
        at("GET", CHANNELS, "All channels", every, NoForm, Reply(200, "all", Ok[list[ChannelLineBody]])),
        at("POST", RESTART, "Start a channel's actor anew", restart, One, Reply(200, "done", Ok[One]), missing),
        at("POST", MOVE, "Give what waits to another channel", move, Two, rows, missing, other),
        at("POST", DROP, "Settle what waits as deleted", drop, One, rows, missing),
    )


def shown(line: ChannelLine) -> ChannelLineBody:
    channel, health = line.channel, line.health
    return ChannelLineBody(
        id=channel.id,
        user_id=channel.user_id,
        name=channel.name,
        wechat_openid=channel.wechat_openid,
        status=channel.status,
        inactive_reason=channel.inactive_reason,
        is_default=int(channel.is_default),
        health=health.level,
        cause=health.cause,
        since=utc_text_or_none(health.since),
        advice=health.advice,
        window=line.window,
        left=line.left,
        queued=line.queued,
        waiting_since=utc_text_or_none(line.waiting_since),
        last_inbound_at=utc_text_or_none(channel.last_inbound_at),
    )
