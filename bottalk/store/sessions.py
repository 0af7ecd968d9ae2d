"""Browser sessions: rows of `sessions`, known by the hash of their id."""

import sqlite3

from bottalk.messages import Session
from bottalk.values import UserId


def insert(connection: sqlite3.Connection, session: Session) -> None:
    connection.execute(
        "INSERT INTO sessions (id_hash, user_id, created_at, seen_at, expires_at) VALUES (?,?,?,?,?)",
        (session.id_hash, session.user_id, session.created_at, session.seen_at, session.expires_at),
    )


def find(connection: sqlite3.Connection, id_hash: str, now: float) -> Session | None:
    """The session of that hash, unless it is unknown or over."""
    row = connection.execute("SELECT * FROM sessions WHERE id_hash = ? AND expires_at > ?", (id_hash, now)).fetchone()
    if row is None:
        return None
    user_id = UserId(row["user_id"]) if row["user_id"] is not None else None
    return Session(row["id_hash"], user_id, row["created_at"], row["seen_at"], row["expires_at"])


def log_in(connection: sqlite3.Connection, id_hash: str, user_id: UserId) -> None:
    connection.execute("UPDATE sessions SET user_id = ? WHERE id_hash = ?", (user_id, id_hash))


def touch(connection: sqlite3.Connection, id_hash: str, seen_at: float, expires_at: float) -> None:
    connection.execute(
        "UPDATE sessions SET seen_at = ?, expires_at = ? WHERE id_hash = ?", (seen_at, expires_at, id_hash)
    )


def delete(connection: sqlite3.Connection, id_hash: str) -> None:
    connection.execute("DELETE FROM sessions WHERE id_hash = ?", (id_hash,))


def delete_of_user(connection: sqlite3.Connection, user_id: UserId) -> int:
    """End all sessions of an account; how many."""
    return connection.execute("DELETE FROM sessions WHERE user_id = ?", (user_id,)).rowcount


def delete_old(connection: sqlite3.Connection, now: float, limit: int) -> int:
    """Drop sessions that are over, at most `limit`; how many."""
    return connection.execute(
        "DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions WHERE expires_at <= ? LIMIT ?)",
        (now, limit),
    ).rowcount
