"""Accounts: rows of `users`."""

import hashlib
import sqlite3

from bottalk.values import Secret, User, UserId


def key_hash(send_key: str) -> str:
    """How a SendKey is looked up: it is a password, so the directory holds no dictionary of plain keys."""
    return hashlib.sha256(send_key.encode("utf-8", "surrogatepass")).hexdigest()


def insert(connection: sqlite3.Connection, user: User) -> UserId:
    """Add an account; its id is made here. Raises IntegrityError on a taken e-mail or key."""
    cursor = connection.execute(
        "INSERT INTO users (email, wechat_openid, send_key, send_key_hash, nickname, role, is_disabled, rate_limit,"
        " strict, created_at) VALUES (?,?,?,?,?,?,?,?,?,?) RETURNING id",
        (
            user.email, user.wechat_openid, user.send_key.reveal(), key_hash(user.send_key.reveal()), user.nickname,
            user.role, user.is_disabled, user.rate_limit, user.strict, user.created_at,
        ),
    )  # fmt: skip
    return UserId(int(cursor.fetchone()["id"]))


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
        role=row["role"],
        is_disabled=bool(row["is_disabled"]),
        rate_limit=row["rate_limit"],
        strict=bool(row["strict"]),
    )
