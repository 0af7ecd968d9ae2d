"""A restored copy, before a daemon opens it: what was true when it was made may be so no longer.

It is not the journal's database yet, so this is the one place beside the journal's verbs that writes.
"""

import sqlite3
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from bottalk import schedule
from bottalk.schedule import ScheduleError
from bottalk.store import channels as channel_rows
from bottalk.store import reminders as reminder_rows
from bottalk.store import runs
from bottalk.store.database import transaction
from bottalk.store.pushes import EMPTIED
from bottalk.values import Channel, Closed, Reason, Reminder, ReminderType, RowStatus

SPARE_IDS = 1_000_000
"""Row ids passed over: those given after the copy was made must not be given again, since client_ids are made of
them. At 100 rows a minute that is a week."""

RIPE = 0.0
"""`probed_at` of a closed window that may be probed at once: with the first real row, never with a made-up text."""


class Adjusted(Struct, frozen=True):
    """What was changed in the copy."""

    settled: int
    kept: int
    windows: int
    reminders: int
    sessions: int


def adjust(
    connection: sqlite3.Connection,
    now: float,
    zone: str,
    *,
    resend: bool,
    log_texts: str = "full",
    last_ids: dict[str, int] | None = None,
) -> Adjusted:
    """Make the copy fit to be gone on from at `now` (wall time), in one transaction. Its schema is this version's.

    Rows that waited are settled `failed`/`restored`, and keep of their texts what `log_texts` says: they may have been
    delivered since. With `resend` they stay, and
    say `maybe_duplicate`. Every window that had been opened is closed (`rejected`; one that was half-dead stays so)
    until the user's next word; as always, one probe an hour with real rows finds out whether iLink takes any. Sessions
    and open QR codes end. What reminders missed is skipped. `last_ids`: the last id of each table in the database that
    is replaced; new ids come after those. Raises sqlite3.Error.
    """
    with transaction(connection):
        settled = 0 if resend else _settle(connection, now, log_texts)
        kept = _suspect(connection) if resend else 0
        windows = _close_windows(connection, now)
        reminders = _skip_missed(connection, now, zone)
        sessions = connection.execute("DELETE FROM sessions").rowcount
        connection.execute("DELETE FROM bindings")
        _pass_over(connection, last_ids or {})
        runs.end(connection)
    return Adjusted(settled, kept, windows, reminders, sessions)


def last_ids(connection: sqlite3.Connection) -> dict[str, int]:
    """The last id given in each table."""
    return {str(row[0]): int(row[1]) for row in connection.execute("SELECT name, seq FROM sqlite_sequence")}


def _settle(connection: sqlite3.Connection, now: float, log_texts: str) -> int:
    return connection.execute(
        "UPDATE push_logs SET status = ?, reason = ?, settled_at = ?, response ="
        " CASE maybe_duplicate WHEN 1 THEN '{\"maybe_duplicate\":true}' ELSE '{}' END"
        f"{EMPTIED[log_texts]} WHERE status = 'queued'",
        (RowStatus.FAILED, Reason.RESTORED, now),
    ).rowcount


def _suspect(connection: sqlite3.Connection) -> int:
    return connection.execute("UPDATE push_logs SET maybe_duplicate = 1 WHERE status = 'queued'").rowcount


def _close_windows(connection: sqlite3.Connection, now: float) -> int:
    found = [channel for channel in channel_rows.every(connection) if channel.window.epoch > 0]
    for channel in found:
        channel_rows.update_window(connection, _closed(channel, now))
    return len(found)


def _closed(channel: Channel, now: float) -> Channel:
    window = channel.window
    why = window.closed if window.closed is Closed.SESSION else Closed.REJECTED
    closed_at = window.closed_at if window.closed is why else now
    shut = replace(window, closed=why, closed_at=closed_at, penalty_step=0, penalty_until=None, probed_at=RIPE)
    return replace(channel, window=shut)


def _skip_missed(connection: sqlite3.Connection, now: float, zone: str) -> int:
    missed = [r for r in reminder_rows.every(connection) if r.next_at is not None and r.next_at <= now]
    for reminder in missed:
        reminder_rows.update_fired(connection, _skipped(reminder, now, zone))
    return len(missed)


def _skipped(reminder: Reminder, now: float, zone: str) -> Reminder:
    """The reminder as if it had fired up to now: perhaps it has."""
    reminder = replace(reminder, fired_until=now, zone=zone)
    try:
        due = None if reminder.type is ReminderType.ONCE else _next(reminder, now, zone)
    except ScheduleError:  # stored by a version that understood it
        due = None
    return replace(reminder, next_at=due, enabled=due is not None)


def _next(reminder: Reminder, now: float, zone: str) -> float | None:
    return schedule.next_due(schedule.plan_of(reminder), now, ZoneInfo(zone))


def _pass_over(connection: sqlite3.Connection, last: dict[str, int]) -> None:
    own = last_ids(connection)
    for table in ("users", "channels", "reminders", "push_logs"):
        seq = max(own.get(table, 0), last.get(table, 0)) + (SPARE_IDS if table == "push_logs" else 0)
        if table in own:
            connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (seq, table))
        elif seq:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, seq))
