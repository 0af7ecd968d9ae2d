"""Messages of the user that were seen: rows of `inbound`, so that one handed out twice opens one window, not two."""

import sqlite3

from bottalk.values import ChannelId

REMEMBER = 24 * 3600.0
"""Seconds a message is remembered (the protocol's notes: the same one comes again after 1 to 11 seconds)."""


def note(connection: sqlite3.Connection, channel_id: ChannelId, keys: tuple[str, ...], now: float) -> bool:
    """Remember a message by all its keys; False when it was seen before by any."""
    fresh = [
        connection.execute(
            "INSERT INTO inbound (channel_id, dedup_key, seen_at) VALUES (?,?,?) ON CONFLICT DO NOTHING",
            (channel_id, key, now),
        ).rowcount
        == 1
        for key in keys
    ]
    return all(fresh)


def forget_old(connection: sqlite3.Connection, now: float, limit: int) -> int:
    """Drop what need not be remembered any longer, at most `limit` keys; how many."""
    return connection.execute(
        "DELETE FROM inbound WHERE (channel_id, dedup_key) IN"
        " (SELECT channel_id, dedup_key FROM inbound WHERE seen_at < ? LIMIT ?)",
        (now - REMEMBER, limit),
    ).rowcount
