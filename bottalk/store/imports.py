"""Rows of another BotTalk's log: written settled, never to be sent."""

import sqlite3

from bottalk.messages import ComingLog
from bottalk.values import RowId

SOURCE = "import"
"""`source` of these rows."""


def present(connection: sqlite3.Connection, log: ComingLog) -> int:
    """Imported rows of the same account, channel and time."""
    found = connection.execute(
        "SELECT count(*) AS rows FROM push_logs"
        " WHERE accepted_at = ? AND user_id = ? AND channel_id = ? AND source = ?",
        (log.accepted_at, log.user_id, log.channel_id, SOURCE),
    ).fetchone()
    return int(found["rows"])


def insert(connection: sqlite3.Connection, row_id: RowId, readkey: str, log: ComingLog, log_texts: str) -> None:
    """One row, a push of its own; it keeps of title and text what the setting `log_texts` says."""
    title, text = "" if log_texts == "none" else log.title, log.text if log_texts == "full" else ""
    connection.execute(
        "INSERT INTO push_logs (id, push_id, readkey, user_id, channel_id, title, text, status, source, ip, priority,"
        " expires_at, accepted_at, settled_at, attempts, response) VALUES (?,?,?,?,?,?,?,?,?,?,'normal',?,?,?,1,?)",
        (
            row_id, row_id, readkey, log.user_id, log.channel_id, title, text, log.status, SOURCE, log.ip,
            log.accepted_at, log.accepted_at, log.accepted_at, log.response,
        ),
    )  # fmt: skip
