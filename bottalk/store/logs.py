"""The log of pushes, as it is read: rows of `push_logs`, newest first. Only reads, on read connections."""

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from bottalk.values import SYSTEM, ChannelId, LogRow, LogStory, Priority, PushId, Reason, RowId, RowStatus, UserId

LARGEST = 4_000_000
"""Characters of title and text in one list: 200 rows may have a hundred times as many as people write."""

_COLUMNS = (
    "l.id, l.user_id, l.channel_id, coalesce(c.name, '') AS channel_name, l.push_id, l.status, l.reason, l.source,"
    " l.ip, l.accepted_at, l.settled_at, l.response"
)
_FROM = "FROM push_logs AS l LEFT JOIN channels AS c ON c.id = l.channel_id"


class LogFilter(Struct, frozen=True):
    """Which rows: older than the row `before`, and so on; None: any. `q` is looked for in title and text, capital or
    small Latin letters alike."""

    limit: int = 50
    before: RowId | None = None
    status: RowStatus | None = None
    channel: ChannelId | None = None
    q: str = ""


class LogCounts(Struct, frozen=True):
    """Of the pushes accepted in a span: pushes (whatever the number of their channels), rows that failed; and rows
    that wait, whenever they were accepted. Our own words are no pushes."""

    pushes: int
    failed: int
    queued: int


def of_user(connection: sqlite3.Connection, user_id: UserId, wanted: LogFilter) -> list[LogRow]:
    """The account's rows with their texts. A list ends early, after LARGEST characters of them."""
    sql, values = _query(wanted, texts=True, user_id=user_id)
    return _page(connection.execute(sql, values))


def every(connection: sqlite3.Connection, wanted: LogFilter, *, texts: bool) -> list[LogRow]:
    """All accounts' rows; those of deleted accounts are hidden. Without `texts` title and text are not even read; with
    them, a list ends early, after LARGEST characters of them."""
    sql, values = _query(wanted, texts=texts, user_id=None)
    return _page(connection.execute(sql, values))


def one(connection: sqlite3.Connection, user_id: UserId, row_id: RowId) -> LogStory | None:
    """The account's row with its story."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, l.title, l.text, l.attempts, l.maybe_duplicate, l.ret, l.last_error, l.priority,"
        f" l.not_before, l.expires_at {_FROM} WHERE l.id = ? AND l.user_id = ?",
        (row_id, user_id),
    ).fetchone()
    if row is None:
        return None
    return LogStory(
        row=_row(row),
        attempts=row["attempts"],
        priority=Priority(row["priority"]),
        not_before=row["not_before"],
        expires_at=row["expires_at"],
        ret=row["ret"],
        last_error=row["last_error"] or "",
        maybe_duplicate=bool(row["maybe_duplicate"]),
    )


def counts(connection: sqlite3.Connection, since: float) -> LogCounts:
    """What was accepted since then, wall time. The first row of a push has its id."""
    today = connection.execute(
        "SELECT count(*) FILTER (WHERE id = push_id) AS pushes, count(*) FILTER (WHERE status = 'failed') AS failed"
        " FROM push_logs WHERE accepted_at >= ? AND source <> ?",
        (since, SYSTEM),
    ).fetchone()
    queued = connection.execute(
        "SELECT count(*) AS queued FROM push_logs WHERE status = 'queued' AND source <> ?", (SYSTEM,)
    ).fetchone()
    return LogCounts(today["pushes"], today["failed"], queued["queued"])


def _query(wanted: LogFilter, *, texts: bool, user_id: UserId | None) -> tuple[str, list[object]]:
    columns = f"{_COLUMNS}, l.title, l.text" if texts else f"{_COLUMNS}, NULL AS title, NULL AS text"
    source, where = _FROM, "1"
    values: list[object] = []
    if user_id is None:
        source += " JOIN users AS u ON u.id = l.user_id"
    else:
        where, values = "l.user_id = ?", [user_id]
    for condition, value in (("l.id < ?", wanted.before), ("l.status = ?", wanted.status)):
        if value is not None:
            where += f" AND {condition}"
            values.append(value)
    if wanted.channel is not None:
        where += " AND l.channel_id = ?"
        values.append(wanted.channel)
    if wanted.q:
        # not LIKE, which looks for nothing else: a text can be made on which it takes half a second
        where += " AND (instr(lower(l.title), lower(?)) OR instr(lower(l.text), lower(?)))"
        values += [wanted.q] * 2
    return f"SELECT {columns} {source} WHERE {where} ORDER BY l.id DESC LIMIT ?", [*values, wanted.limit]


def _page(rows: Iterable[sqlite3.Row]) -> list[LogRow]:
    """As many of them as fit, one at least."""
    found: list[LogRow] = []
    size = 0
    for row in rows:
        size += len(row["title"] or "") + len(row["text"] or "")
        if found and size > LARGEST:
            break
        found.append(_row(row))
    return found


def _row(row: sqlite3.Row) -> LogRow:
    return LogRow(
        id=RowId(row["id"]),
        user_id=UserId(row["user_id"]),
        channel_id=ChannelId(row["channel_id"]),
        channel_name=row["channel_name"],
        push_id=PushId(row["push_id"]),
        title=row["title"],
        text=row["text"],
        status=RowStatus(row["status"]),
        reason=Reason(row["reason"]) if row["reason"] else None,
        source=row["source"],
        ip=row["ip"],
        accepted_at=row["accepted_at"],
        settled_at=row["settled_at"],
        response=row["response"] or "{}",
    )
