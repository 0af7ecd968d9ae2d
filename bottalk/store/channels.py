"""Channels and their windows: rows of `channels`."""

import sqlite3
from sys import intern

from bottalk.values import Channel, ChannelId, ChannelStatus, Closed, InactiveReason, Secret, UserId, Window

_COLUMNS = (
    "user_id", "name", "wechat_openid", "bot_id", "bot_token", "base_url", "context_token", "cursor", "status",
    "inactive_reason", "is_default", "can_login", "created_at", "bound_at", "activated_at", "last_inbound_at",
    "window_life", "window_epoch", "window_opened_at", "window_spent", "window_closed", "window_worked_age",
    "window_last_send_at", "window_penalty_step", "window_penalty_until", "window_probed_at",
    "window_unconfirmed", "window_gives_ids", "window_closed_at", "inactive_at",
    "nudged_epoch", "noticed",
)  # fmt: skip
_WINDOW = tuple(c for c in _COLUMNS if c.startswith("window_"))

_INSERT = f"INSERT INTO channels (id, {', '.join(_COLUMNS)}) VALUES (?, {', '.join('?' * len(_COLUMNS))}) RETURNING id"
_UPDATE = f"UPDATE channels SET {', '.join(f'{c} = ?' for c in _COLUMNS)} WHERE id = ?"
_UPDATE_WINDOW = f"UPDATE channels SET {', '.join(f'{c} = ?' for c in _WINDOW)} WHERE id = ?"


def insert(connection: sqlite3.Connection, channel: Channel, *, keep_id: bool = False) -> ChannelId:
    """Add a channel; its id is made here unless it is to be kept. Raises IntegrityError on a taken id or WeChat."""
    values = (channel.id if keep_id else None, *_values(channel))
    return ChannelId(int(connection.execute(_INSERT, values).fetchone()["id"]))


def update(connection: sqlite3.Connection, channel: Channel) -> None:
    connection.execute(_UPDATE, (*_values(channel), channel.id))


def update_window(connection: sqlite3.Connection, channel: Channel) -> None:
    """The hot one: what a send changes."""
    connection.execute(_UPDATE_WINDOW, (*_window_values(channel.window), channel.id))


def update_cursor(connection: sqlite3.Connection, channel: Channel) -> None:
    connection.execute("UPDATE channels SET cursor = ? WHERE id = ?", (channel.cursor, channel.id))


def delete(connection: sqlite3.Connection, channel_id: ChannelId) -> None:
    """Delete the channel's row and what is remembered of its user's messages: its whole account goes."""
    connection.execute("DELETE FROM inbound WHERE channel_id = ?", (channel_id,))
    connection.execute("DELETE FROM channels WHERE id = ?", (channel_id,))


def every(connection: sqlite3.Connection) -> list[Channel]:
    """All channels, deleted ones too, by id."""
    return [_channel(row) for row in connection.execute("SELECT * FROM channels ORDER BY id")]


def _values(c: Channel) -> tuple[object, ...]:
    return (
        c.user_id, c.name, c.wechat_openid, c.bot_id, c.bot_token.reveal(), c.base_url,
        c.context_token.reveal() if c.context_token else None, c.cursor, c.status, c.inactive_reason, c.is_default,
        c.can_login, c.created_at, c.bound_at, c.activated_at, c.last_inbound_at, *_window_values(c.window),
        c.inactive_at, c.nudged_epoch, c.noticed,
    )  # fmt: skip


def _window_values(w: Window) -> tuple[object, ...]:
    return (
        w.life, w.epoch, w.opened_at, w.spent, w.closed, w.worked_age, w.last_send_at, w.penalty_step,
        w.penalty_until, w.probed_at, w.unconfirmed, w.gives_ids, w.closed_at,
    )  # fmt: skip


def _channel(row: sqlite3.Row) -> Channel:
    return Channel(
        id=ChannelId(row["id"]),
        user_id=UserId(row["user_id"]),
        name=intern(row["name"]),  # thousands share a few names and one address
        wechat_openid=row["wechat_openid"],
        bot_id=row["bot_id"],
        bot_token=Secret(row["bot_token"]),
        base_url=intern(row["base_url"]),
        status=ChannelStatus(row["status"]),
        window=_window(row),
        created_at=row["created_at"],
        bound_at=row["bound_at"],
        is_default=bool(row["is_default"]),
        can_login=bool(row["can_login"]),
        inactive_reason=InactiveReason(row["inactive_reason"]) if row["inactive_reason"] else None,
        inactive_at=row["inactive_at"],
        context_token=Secret(row["context_token"]) if row["context_token"] else None,
        cursor=row["cursor"],
        activated_at=row["activated_at"],
        last_inbound_at=row["last_inbound_at"],
        nudged_epoch=row["nudged_epoch"],
        noticed=row["noticed"],
    )


def _window(row: sqlite3.Row) -> Window:
    return Window(
        life=row["window_life"],
        epoch=row["window_epoch"],
        opened_at=row["window_opened_at"],
        spent=row["window_spent"],
        closed=Closed(row["window_closed"]) if row["window_closed"] else None,
        closed_at=row["window_closed_at"],
        worked_age=row["window_worked_age"],
        last_send_at=row["window_last_send_at"],
        penalty_step=row["window_penalty_step"],
        penalty_until=row["window_penalty_until"],
        probed_at=row["window_probed_at"],
        unconfirmed=row["window_unconfirmed"],
        gives_ids=bool(row["window_gives_ids"]),
    )
