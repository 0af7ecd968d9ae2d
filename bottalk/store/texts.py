"""Whole texts of pushes, for their page. Only reads, on a read connection."""

import sqlite3

from msgspec import Struct

from bottalk.values import PushId


class Kept(Struct, frozen=True):
    """One row of a push and how long it has its text. Times are wall time; `settled_at` is None while it waits."""

    row_id: int
    accepted_at: float
    settled_at: float | None
    keep_text_until: float | None


def rows_of(connection: sqlite3.Connection, push_id: PushId, readkey: str) -> list[Kept]:
    """The push's rows that have a title or a text; none when id and readkey do not belong together, or the account
    is deleted."""
    found = connection.execute(
        "SELECT l.id, l.accepted_at, l.settled_at, l.keep_text_until FROM push_logs AS l"
        " JOIN users AS u ON u.id = l.user_id"
        " WHERE l.push_id = ? AND l.readkey = ? AND (l.title <> '' OR l.text <> '') ORDER BY l.id",
        (push_id, readkey),
    )
    return [Kept(r["id"], r["accepted_at"], r["settled_at"], r["keep_text_until"]) for r in found]


def text_of(connection: sqlite3.Connection, row_id: int) -> tuple[str, str]:
    """Title and text of a row."""
    row = connection.execute("SELECT title, text FROM push_logs WHERE id = ?", (row_id,)).fetchone()
    return (row["title"], row["text"]) if row is not None else ("", "")
