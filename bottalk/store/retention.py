"""What leaves the journal's file when its time is over: rows of the log, their texts, idempotency keys.

Every function takes a small bite, so that no push waits long for the writer: some hundred rows, or fewer long ones.
"""

import sqlite3
from collections.abc import Iterator

from bottalk.messages import Bite, Place
from bottalk.store.pushes import EMPTIED
from bottalk.values import RowId

ROWS = 500
"""Rows looked at in one bite: 5 to 10 ms."""

CHARACTERS = 262_144
"""Characters of the texts that one bite removes, about: a long text costs as much as many rows."""

_FROM_START = Place(-1e300, RowId(0))
_EVER = 1e300

_NEXT = (
    "SELECT id, accepted_at, status, coalesce(settled_at, accepted_at) AS settled_at,"
    " coalesce(keep_text_until, 0) AS keep_until, length(title) + length(text) AS characters FROM push_logs"
    " WHERE (accepted_at, id) > (?, ?) AND accepted_at < ? ORDER BY accepted_at, id LIMIT ?"
)

_SET = "INSERT INTO meta (key, value) VALUES ('log_texts', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def forget_settled(connection: sqlite3.Connection, before: float, after: Place | None, now: float) -> Bite:
    """Delete rows settled before `before`, wall time; a text that is kept for its link keeps its row as long."""
    bite = _Bite()
    for row in bite.of(connection.execute(_NEXT, _values(after, before))):
        if row["status"] != "queued" and row["settled_at"] < before and row["keep_until"] <= now:
            bite.take(row)
    connection.executemany("DELETE FROM push_logs WHERE id = ?", bite.ids)
    return bite.done()


def forget_keys(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Forget idempotency keys of pushes accepted before `before`, wall time, and what they stand for; how many."""
    return connection.execute(
        "UPDATE push_logs SET idempotency_key = NULL, content_hash = NULL WHERE id IN (SELECT id FROM push_logs"
        " INDEXED BY push_logs_keys WHERE idempotency_key IS NOT NULL AND accepted_at < ? LIMIT ?)",
        (before, limit),
    ).rowcount


def texts_kept(connection: sqlite3.Connection) -> str:
    """What the settled rows of this file have at most of their texts, in words of the setting `log_texts`."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'log_texts'").fetchone()
    return "full" if found is None else str(found["value"])


def note_texts_kept(connection: sqlite3.Connection, log_texts: str) -> None:
    connection.execute(_SET, (log_texts,))


def empty_texts(connection: sqlite3.Connection, after: Place | None, now: float, log_texts: str) -> Bite:
    """Empty texts of settled rows by `log_texts`, but those that are kept for a link."""
    bite = _Bite()
    for row in bite.of(connection.execute(_NEXT, _values(after, _EVER))):
        if row["status"] != "queued" and row["characters"] and row["keep_until"] <= now:
            bite.take(row)
    connection.executemany(_emptying(log_texts), bite.ids)
    return bite.done()


def empty_linked(connection: sqlite3.Connection, now: float, log_texts: str) -> int:
    """Empty texts that were kept for a link until now at most; how many."""
    found = connection.execute(
        "SELECT id, length(title) + length(text) AS characters FROM push_logs INDEXED BY push_logs_keep_text"
        " WHERE keep_text_until IS NOT NULL AND keep_text_until <= ? LIMIT ?",
        (now, ROWS),
    )
    bite = _Bite()
    for row in bite.of(found):
        bite.take(row)
    connection.executemany(_emptying(log_texts), bite.ids)
    return len(bite.ids)


class _Bite:
    """Rows looked at one by one, until they are enough."""

    def __init__(self) -> None:
        self.ids: list[tuple[int]] = []
        """Of the rows taken, as `executemany` wants them."""
        self._looked = self._characters = 0
        self._last: sqlite3.Row | None = None

    def of(self, found: sqlite3.Cursor) -> Iterator[sqlite3.Row]:
        for row in found:
            self._looked, self._last = self._looked + 1, row
            yield row
            if self._characters >= CHARACTERS:
                break
        found.close()  # nothing is changed under a query that reads it

    def take(self, row: sqlite3.Row) -> None:
        self.ids.append((row["id"],))
        self._characters += row["characters"]

    def done(self) -> Bite:
        """Nothing is left where fewer rows were found than asked for, and none was left for the next bite."""
        is_full = self._looked >= ROWS or self._characters >= CHARACTERS
        end = Place(self._last["accepted_at"], RowId(self._last["id"])) if is_full and self._last is not None else None
        return Bite(len(self.ids), end)


def _values(after: Place | None, before: float) -> tuple[float, int, float, int]:
    start = after or _FROM_START
    return start.accepted_at, start.row_id, before, ROWS


def _emptying(log_texts: str) -> str:
    return f"UPDATE push_logs SET keep_text_until = NULL{EMPTIED[log_texts]} WHERE id = ?"
