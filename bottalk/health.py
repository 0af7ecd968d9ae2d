"""How well a channel is: one table from cause to level, words and what to do, for API, pages, metrics and CLI. Pure."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from bottalk.config import DeliverySettings
from bottalk.delivery import pacing
from bottalk.delivery import window as windows
from bottalk.values import Channel, ChannelId, ChannelStatus, Closed

POLL_OVERDUE_S = 120.0
"""Seconds without a finished poll after which a channel is red: three polls of 35 s."""

SUSPECT_UNCONFIRMED = 3
"""Sends in a row that iLink accepted without a message id, on a channel that used to get ids."""


class Level(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


class Cause(StrEnum):
    """Why a channel is not green, the gravest first."""

    SESSION_EXPIRED = "session_expired"
    AUTH = "auth"
    HALF_DEAD = "half_dead"
    PARKED = "parked"
    NO_POLL = "no_poll"
    ILINK_DOWN = "ilink_down"
    PENALTY = "penalty"
    RETRYING = "retrying"
    SILENT_DROP_SUSPECTED = "silent_drop_suspected"
    WAITING_FOR_REPLY = "waiting_for_reply"
    PENDING = "pending"


TABLE: dict[Cause, tuple[Level, str]] = {
    Cause.SESSION_EXPIRED: (Level.RED, "登录已失效：请重新扫码绑定"),
    Cause.AUTH: (Level.RED, "微信接口拒绝了该绑定：请重新扫码绑定"),
    Cause.HALF_DEAD: (Level.RED, "账号受限，只能收不能发：请在微信里给机器人发一条消息，仍不行则重新扫码"),
    Cause.PARKED: (Level.RED, "通道反复出错已停下：请查看日志后重启该通道"),
    Cause.NO_POLL: (Level.RED, "长时间没有轮询成功：请检查网络与微信接口"),
    Cause.ILINK_DOWN: (Level.YELLOW, "微信接口无响应，恢复后自动继续"),
    Cause.PENALTY: (Level.YELLOW, "发送被暂时限制，稍后自动重试"),
    Cause.RETRYING: (Level.YELLOW, "上一次发送未成功，正在重试"),
    Cause.SILENT_DROP_SUSPECTED: (Level.YELLOW, "微信可能没有真正送达：请在微信里看一看最近的消息"),
    Cause.WAITING_FOR_REPLY: (Level.YELLOW, "消息在等待：请在微信里给机器人回复任意内容"),
    Cause.PENDING: (Level.YELLOW, "等待激活：请在微信里给机器人发任意一条消息"),
}


class Signs(Struct, frozen=True, gc=False):
    """What is seen of a channel's actor from outside. Times are wall time; ages are seconds."""

    is_parked: bool = False
    parked_since: float | None = None
    seconds_since_poll: float | None = None
    """Since the last finished poll, or since the actor started when there was none; None when it does not run."""
    retrying_since: float | None = None
    host_down_since: float | None = None
    waiting_since: float | None = None
    """When the oldest row that waits was accepted."""


class Health(Struct, frozen=True, gc=False):
    """`since` is wall time, None where it is not known; `advice` says what to do, in Chinese."""

    level: Level
    cause: Cause | None = None
    since: float | None = None
    advice: str = ""


GREEN = Health(Level.GREEN)


def judge(channel: Channel, signs: Signs, now: float, settings: DeliverySettings) -> Health:
    """The gravest cause that applies."""
    found = _cause(channel, signs, now, settings)
    if found is None:
        return GREEN
    cause, since = found
    level, advice = TABLE[cause]
    return Health(level, cause, since, advice)


def suspects(channels: Iterable[Channel]) -> list[ChannelId]:
    """The channels whose committed state may make them anything but green. Whoever is not among them, has nothing
    waiting and shows no sign of `Signs`, is green: a loop without calls, so that ten thousand can be looked at each
    second."""
    active, half_dead, suspicious = ChannelStatus.ACTIVE, Closed.SESSION, SUSPECT_UNCONFIRMED
    return [
        channel.id
        for channel in channels
        if channel.status is not active
        or (window := channel.window).penalty_until is not None
        or window.closed is half_dead
        or window.unconfirmed >= suspicious
    ]


def _cause(channel: Channel, signs: Signs, now: float, settings: DeliverySettings) -> tuple[Cause, float | None] | None:
    window = channel.window
    if channel.is_dead and channel.inactive_reason is not None:
        return Cause(channel.inactive_reason.value), channel.inactive_at
    if window.closed is Closed.SESSION:
        return Cause.HALF_DEAD, window.closed_at
    if signs.is_parked:
        return Cause.PARKED, signs.parked_since
    if signs.seconds_since_poll is not None and signs.seconds_since_poll >= POLL_OVERDUE_S:
        return Cause.NO_POLL, now - signs.seconds_since_poll
    if signs.host_down_since is not None:
        return Cause.ILINK_DOWN, signs.host_down_since
    if (pacing.rests_until(window, now, settings) or now) > now:
        return Cause.PENALTY, window.last_send_at
    if signs.retrying_since is not None:
        return Cause.RETRYING, signs.retrying_since
    if window.unconfirmed >= SUSPECT_UNCONFIRMED:
        return Cause.SILENT_DROP_SUSPECTED, window.last_send_at
    if signs.waiting_since is not None and windows.state(window, now, settings) is not windows.State.OPEN:
        return Cause.WAITING_FOR_REPLY, signs.waiting_since
    if channel.status is ChannelStatus.PENDING:
        return Cause.PENDING, channel.bound_at
    return None
