"""Reminders: rows of `reminders`, and their rows in `push_logs`."""

import sqlite3

from bottalk.values import ChannelId, Reminder, ReminderId, ReminderType, RowId, UserId

_COLUMNS = (
    "user_id", "title", "message", "type", "time", "channel", "max_count", "created_at", "since", "zone", "enabled",
    "send_count", "next_at", "fired_until",
)  # fmt: skip
_FIRED = ("zone", "enabled", "send_count", "next_at", "fired_until")

_INSERT = f"INSERT INTO reminders (id, {', '.join(_COLUMNS)}) VALUES (?, {', '.join('?' * len(_COLUMNS))}) RETURNING id"
_UPDATE = f"UPDATE reminders SET {', '.join(f'{c} = ?' for c in _COLUMNS)} WHERE id = ?"
_UPDATE_FIRED = f"UPDATE reminders SET {', '.join(f'{c} = ?' for c in _FIRED)} WHERE id = ?"


def insert(connection: sqlite3.Connection, reminder: Reminder, *, keep_id: bool = False) -> ReminderId:
    """Add a reminder; its id is made here, and never given again, unless it is to be kept."""
    values = (reminder.id if keep_id else None, *_values(reminder))
    return ReminderId(int(connection.execute(_INSERT, values).fetchone()["id"]))


def update(connection: sqlite3.Connection, reminder: Reminder) -> None:
    connection.execute(_UPDATE, (*_values(reminder), reminder.id))


def update_fired(connection: sqlite3.Connection, reminder: Reminder) -> None:
    """What a firing changes: thousands may be due in one minute."""
    connection.execute(_UPDATE_FIRED, (*_fired_values(reminder), reminder.id))


def delete(connection: sqlite3.Connection, reminder_id: ReminderId) -> None:
    connection.execute("DELETE FROM reminders WHERE id = ?", (reminder_id,))


def every(connection: sqlite3.Connection) -> list[Reminder]:
    """All reminders, by id."""
    return [_reminder(row) for row in connection.execute("SELECT * FROM reminders ORDER BY id")]


def waiting_rows(connection: sqlite3.Connection, reminder_id: ReminderId) -> list[tuple[ChannelId, RowId]]:
    """The rows of its firings that are not settled."""
    found = connection.execute(
        "SELECT channel_id, id FROM push_logs WHERE reminder_id = ? AND status = 'queued' ORDER BY id", (reminder_id,)
    )
    return [(ChannelId(row["channel_id"]), RowId(row["id"])) for row in found]


def delete_log(connection: sqlite3.Connection, reminder_id: ReminderId, limit: int) -> int:
    """Delete at most `limit` of its settled rows, the newest first; how many those were."""
    return connection.execute(
        "DELETE FROM push_logs WHERE id IN (SELECT id FROM push_logs"
        " WHERE reminder_id = ? AND status <> 'queued' ORDER BY id DESC LIMIT ?)",
        (reminder_id, limit),
    ).rowcount


def gone(connection: sqlite3.Connection) -> list[ReminderId]:
    """Deleted reminders that still have rows in the log."""
    found = connection.execute(
        "SELECT DISTINCT reminder_id FROM push_logs"
        " WHERE reminder_id IS NOT NULL AND reminder_id NOT IN (SELECT id FROM reminders)"
    )
    return [ReminderId(row["reminder_id"]) for row in found]


def _values(r: Reminder) -> tuple[object, ...]:
    return (
        r.user_id, r.title, r.message, r.type, r.time, r.channel, r.max_count, r.created_at, r.since,
        *_fired_values(r),
    )  # fmt: skip


def _fired_values(r: Reminder) -> tuple[object, ...]:
    return r.zone, r.enabled, r.send_count, r.next_at, r.fired_until


def _reminder(row: sqlite3.Row) -> Reminder:
    return Reminder(
        id=ReminderId(row["id"]),
        user_id=UserId(row["user_id"]),
        title=row["title"],
        message=row["message"],
        type=ReminderType(row["type"]),
        time=row["time"],
        channel=row["channel"],
        max_count=row["max_count"],
        created_at=row["created_at"],
        since=row["since"],
        zone=row["zone"],
        enabled=bool(row["enabled"]),
        send_count=row["send_count"],
        next_at=row["next_at"],
        fired_until=row["fired_until"],
    )
