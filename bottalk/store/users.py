"""Accounts: rows of `users`."""

import hashlib
import sqlite3
from sys import intern

from bottalk.values import SYSTEM, Secret, User, UserId


def key_hash(send_key: str) -> str:
    """How a SendKey is looked up: it is a password, so the directory holds no dictionary of plain keys."""
    return hashlib.sha256(send_key.encode("utf-8", "surrogatepass")).hexdigest()


def insert(connection: sqlite3.Connection, user: User, *, keep_id: bool = False) -> UserId:
    """Add an account; its id is made here unless it is to be kept. Raises IntegrityError on a taken e-mail or key."""
    key = user.send_key.reveal()
    cursor = connection.execute(
        "INSERT INTO users (id, email, wechat_openid, send_key, send_key_hash, nickname, role, is_disabled, rate_limit,"
        " strict, created_at) VALUES (?,?,?,?,?,?,?,?,?,?,?) RETURNING id",
        (
            user.id if keep_id else None, user.email, user.wechat_openid, key, key_hash(key), user.nickname,
            user.role, user.is_disabled, user.rate_limit, user.strict, user.created_at,
        ),
    )  # fmt: skip
    return UserId(int(cursor.fetchone()["id"]))


def update(connection: sqlite3.Connection, user: User) -> None:
    """Write all that can change of an account: key, nickname, role, limits."""
    connection.execute(
        "UPDATE users SET send_key = ?, send_key_hash = ?, nickname = ?, role = ?, is_disabled = ?, rate_limit = ?,"
        " strict = ? WHERE id = ?",
        (
            user.send_key.reveal(), key_hash(user.send_key.reveal()), user.nickname, user.role, user.is_disabled,
            user.rate_limit, user.strict, user.id,
        ),
    )  # fmt: skip


def delete(connection: sqlite3.Connection, user_id: UserId) -> None:
    """Delete the account's row; what refers to it must be gone before (IntegrityError)."""
    connection.execute("DELETE FROM users WHERE id = ?", (user_id,))


def delete_log(connection: sqlite3.Connection, user_id: UserId, limit: int) -> int:
    """Delete at most `limit` rows of an account's log, the newest first; how many those were."""
    return connection.execute(
        "DELETE FROM push_logs WHERE id IN (SELECT id FROM push_logs WHERE user_id = ? ORDER BY id DESC LIMIT ?)",
        (user_id, limit),
    ).rowcount


def push_counts(connection: sqlite3.Connection, first: UserId, last: UserId) -> dict[UserId, int]:
    """Rows in the log of each account from `first` to `last`, without our own words; accounts without any are left
    out. Both counts read an index only, and no row."""
    counts = _counts(connection, first, last, "")
    for user_id, count in _counts(connection, first, last, f"AND source = '{SYSTEM}'").items():
        counts[user_id] -= count
    return {user_id: count for user_id, count in counts.items() if count}


def _counts(connection: sqlite3.Connection, first: UserId, last: UserId, which: str) -> dict[UserId, int]:
    found = connection.execute(
        f"SELECT user_id, count(*) AS pushes FROM push_logs WHERE user_id BETWEEN ? AND ? {which} GROUP BY user_id",
        (first, last),
    )
    return {UserId(row["user_id"]): int(row["pushes"]) for row in found}


def gone(connection: sqlite3.Connection) -> list[UserId]:
    """Deleted accounts that still have rows in the log: from one account to the next along the index."""
    found: list[UserId] = []
    last = 0
    while True:
        row = connection.execute("SELECT min(user_id) AS id FROM push_logs WHERE user_id > ?", (last,)).fetchone()
        if row["id"] is None:
            return found
        last = row["id"]
        if connection.execute("SELECT 1 FROM users WHERE id = ?", (last,)).fetchone() is None:
            found.append(UserId(last))


def every(connection: sqlite3.Connection) -> list[User]:
    """All accounts, by id."""
    return [_user(row) for row in connection.execute("SELECT * FROM users ORDER BY id")]


def _user(row: sqlite3.Row) -> User:
    return User(
        id=UserId(row["id"]),
        send_key=Secret(row["send_key"]),
        created_at=row["created_at"],
        email=row["email"],
        wechat_openid=row["wechat_openid"],
        nickname=row["nickname"],
        role=intern(row["role"]),
        is_disabled=bool(row["is_disabled"]),
        rate_limit=row["rate_limit"],
        strict=bool(row["strict"]),
    )
