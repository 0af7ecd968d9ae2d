"""Open QR codes: rows of `bindings`, kept so that a scan completes even if the daemon restarts."""

import json
import sqlite3

from bottalk.messages import Binding, BindingState
from bottalk.values import ChannelId, Secret, UserId

LATE_S = 60.0
"""Seconds an expired code is remembered: a status poll under way may still bring its confirmation."""


def insert(connection: sqlite3.Connection, binding: Binding) -> None:
    connection.execute(
        "INSERT INTO bindings (code, session, user_id, ip, rebind, created_at, expires_at, state, invited)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        (
            binding.code.reveal(), binding.session, binding.user_id, binding.ip, binding.rebind, binding.created_at,
            binding.expires_at, binding.state.value, binding.invited,
        ),
    )  # fmt: skip


def end(connection: sqlite3.Connection, binding: Binding) -> None:
    """Store how the code ended, and whom it logged in."""
    result = None if binding.result is None else json.dumps(dict(binding.result), ensure_ascii=False)
    connection.execute(
        "UPDATE bindings SET user_id = ?, state = ?, result = ? WHERE code = ?",
        (binding.user_id, binding.state.value, result, binding.code.reveal()),
    )


def find(connection: sqlite3.Connection, code: Secret) -> Binding | None:
    row = connection.execute("SELECT * FROM bindings WHERE code = ?", (code.reveal(),)).fetchone()
    return _binding(row) if row else None


def current(connection: sqlite3.Connection, now: float) -> list[Binding]:
    """Every code that has not expired: the open ones go on, the ended ones answer whoever asks again."""
    return [_binding(row) for row in connection.execute("SELECT * FROM bindings WHERE expires_at > ?", (now,))]


def delete_old(connection: sqlite3.Connection, now: float, limit: int) -> int:
    """Drop codes that are over, at most `limit`; how many."""
    return connection.execute(
        "DELETE FROM bindings WHERE code IN (SELECT code FROM bindings WHERE expires_at <= ? LIMIT ?)",
        (now - LATE_S, limit),
    ).rowcount


def _binding(row: sqlite3.Row) -> Binding:
    return Binding(
        code=Secret(row["code"]),
        session=row["session"],
        user_id=UserId(row["user_id"]) if row["user_id"] is not None else None,
        ip=row["ip"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        rebind=ChannelId(row["rebind"]) if row["rebind"] is not None else None,
        invited=bool(row["invited"]),
        state=BindingState(row["state"]),
        result=json.loads(row["result"]) if row["result"] else None,
    )
