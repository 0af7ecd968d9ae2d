"""Pushes: rows of `push_logs`, journal and log in one table. A row is born `queued` and settled once."""

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from bottalk.values import (
    SYSTEM,
    ChannelId,
    Outcome,
    Priority,
    PushId,
    Reason,
    Row,
    RowId,
    RowStatus,
    RowStory,
    Secret,
    Settlement,
    UserId,
)

_encode = msgspec.json.Encoder().encode

_INSERT = (
    "INSERT INTO push_logs (id, push_id, readkey, user_id, channel_id, title, text, status, reason, source, ip,"
    " priority, replace_key, not_before, expires_at, accepted_at, settled_at, idempotency_key, content_hash,"
    " reminder_id)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


LINK_S = 7 * 86400.0
"""Seconds after its settling that a text is kept whose link was sent."""

_SETTLE = (
    "UPDATE push_logs SET status = ?, reason = ?, ret = ?, settled_at = ?, attempts = ?, client_id = ?, response = ?,"
    " keep_text_until = ?"
)
_SETTLE_UNTRIED = "UPDATE push_logs SET status = ?, reason = ?, settled_at = ?, response = ?"
_WAITING = " WHERE id = ? AND status = 'queued'"
_WAITING_THERE = f"{_WAITING} AND channel_id = ?"

EMPTIED = {"full": "", "title": ", text = ''", "none": ", title = '', text = ''"}
"""By the setting `log_texts`: what a settling statement empties besides."""


class Birth(msgspec.Struct, frozen=True, gc=False):
    """What is written of a row when it is born, besides what its outbox holds."""

    row: Row
    readkey: str
    user_id: UserId
    outcome: Outcome
    source: str
    ip: str
    idempotency_key: str | None = None
    content_hash: str | None = None
    reminder_id: int | None = None


def next_id(connection: sqlite3.Connection) -> int:
    """The first row id that was never used: ids of deleted rows are not given again (client_ids are made of them)."""
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'push_logs'").fetchone()
    return int(found["seq"]) + 1 if found else 1


def insert(connection: sqlite3.Connection, birth: Birth, log_texts: str) -> None:
    """Write a row that is born; one that is born settled keeps of its text what the setting `log_texts` says."""
    row, outcome = birth.row, birth.outcome
    title, text, settled_at = row.title, row.text, None
    if outcome.status is not RowStatus.QUEUED:
        settled_at = row.accepted_at
        title = "" if log_texts == "none" else title
        text = text if log_texts == "full" else ""
    connection.execute(
        _INSERT,
        (
            row.id, row.push_id, birth.readkey, birth.user_id, row.channel_id, title, text, outcome.status,
            outcome.reason, birth.source, birth.ip, row.priority, row.replace_key, row.not_before, row.expires_at,
            row.accepted_at, settled_at, birth.idempotency_key, birth.content_hash, birth.reminder_id,
        ),
    )  # fmt: skip


def settle(
    connection: sqlite3.Connection, channel_id: ChannelId, settlement: Settlement, now: float, log_texts: str
) -> bool:
    """Settle a row that waits for the channel; one that is settled, or was moved, stays as it is (then False).

    Of title and text it keeps what the setting `log_texts` says; all of it for `LINK_S` where a link to it was sent.
    """
    outcome = settlement.outcome
    emptied = "" if settlement.linked else EMPTIED[log_texts]
    cursor = connection.execute(
        f"{_SETTLE}{emptied}{_WAITING_THERE}",
        (
            outcome.status, outcome.reason, outcome.ret, now, settlement.attempts, settlement.client_id,
            _encode(settlement.response).decode(), now + LINK_S if settlement.linked else None, settlement.row_id,
            channel_id,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


def waiting(connection: sqlite3.Connection, channel_id: ChannelId) -> list[tuple[RowId, bool]]:
    """The channel's waiting rows in the order of acceptance, each with whether it may have arrived already."""
    return _waiting(connection, channel_id, "")


def waiting_pushes(connection: sqlite3.Connection, channel_id: ChannelId) -> list[tuple[RowId, bool]]:
    """As `waiting`, without our own words."""
    return _waiting(connection, channel_id, f"AND source <> '{SYSTEM}'")


def _waiting(connection: sqlite3.Connection, channel_id: ChannelId, which: str) -> list[tuple[RowId, bool]]:
    found = connection.execute(
        f"SELECT id, maybe_duplicate FROM push_logs WHERE channel_id = ? AND status = 'queued' {which} ORDER BY id",
        (channel_id,),
    )
    return [(RowId(row["id"]), bool(row["maybe_duplicate"])) for row in found]


def count_pushes(connection: sqlite3.Connection, channel_id: ChannelId, now: float) -> int:
    """How many pushes wait for the channel whose time has come."""
    found = connection.execute(
        "SELECT count(*) FROM push_logs WHERE channel_id = ? AND status = 'queued' AND source <> ?"
        " AND coalesce(not_before, 0) <= ?",
        (channel_id, SYSTEM, now),
    ).fetchone()
    return int(found[0])


def settle_untried(
    connection: sqlite3.Connection, channel_id: ChannelId, settlement: Settlement, now: float, log_texts: str
) -> bool:
    """As `settle` where nobody sends the row any more: the count of its tries stays."""
    cursor = connection.execute(
        f"{_SETTLE_UNTRIED}{EMPTIED[log_texts]}{_WAITING_THERE}",
        (
            settlement.outcome.status, settlement.outcome.reason, now, _encode(settlement.response).decode(),
            settlement.row_id, channel_id,
        ),
    )  # fmt: skip
    return cursor.rowcount == 1


def note_try(connection: sqlite3.Connection, row_id: RowId, error: str, *, maybe_duplicate: bool) -> None:
    """A try that did not settle the row."""
    connection.execute(
        "UPDATE push_logs SET attempts = attempts + 1, last_error = ?, maybe_duplicate = max(maybe_duplicate, ?)"
        " WHERE id = ? AND status = 'queued'",
        (error, maybe_duplicate, row_id),
    )


def move(connection: sqlite3.Connection, row_id: RowId, channel_id: ChannelId) -> None:
    """A waiting row goes to another channel, where nothing of it is out."""
    connection.execute(
        "UPDATE push_logs SET channel_id = ?, parts_sent = 0 WHERE id = ? AND status = 'queued'", (channel_id, row_id)
    )


def note_part(connection: sqlite3.Connection, row_id: RowId, count: int) -> None:
    """So many parts of the row's text are out."""
    connection.execute("UPDATE push_logs SET parts_sent = ? WHERE id = ? AND status = 'queued'", (count, row_id))


def queued(connection: sqlite3.Connection) -> Iterator[Row]:
    """Every waiting row, by channel and in the order of acceptance, read one by one: their texts may be too many."""
    found = connection.execute(
        "SELECT id, push_id, channel_id, title, text, accepted_at, expires_at, priority, not_before, replace_key,"
        " attempts, maybe_duplicate, readkey, parts_sent, source FROM push_logs WHERE status = 'queued'"
        " ORDER BY channel_id, id"
    )
    for r in found:
        yield Row(
            id=RowId(r["id"]),
            push_id=PushId(r["push_id"]),
            channel_id=ChannelId(r["channel_id"]),
            title=r["title"],
            text=r["text"],
            accepted_at=r["accepted_at"],
            expires_at=r["expires_at"],
            priority=Priority(r["priority"]),
            not_before=r["not_before"],
            replace_key=r["replace_key"],
            attempts=r["attempts"],
            maybe_duplicate=bool(r["maybe_duplicate"]),
            readkey=Secret(r["readkey"]),
            parts_sent=r["parts_sent"],
            is_system=r["source"] == SYSTEM,
        )


def with_texts(connection: sqlite3.Connection, rows: Sequence[Row], most: int) -> list[Row]:
    """The head of `rows`, each with its text: as many as have `most` different characters, and the one beyond.

    Rows whose title and text are the same count once. A light row that is settled by now is left out.
    """
    found: list[Row] = []
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    characters = 0
    for row in rows:
        if row.is_light:
            read = connection.execute(f"SELECT title, text, readkey FROM push_logs{_WAITING}", (row.id,)).fetchone()
            if read is None:
                continue
            said = read["title"], read["text"]
            title, text = seen.get(said, said)  # the same text is held once
            row = row.filled(title, text, Secret(read["readkey"]))
        said = row.title, row.text
        if said not in seen:
            seen[said] = said
            characters += row.characters
        found.append(row)
        if characters > most:
            break
    return found


def of_push(connection: sqlite3.Connection, push_id: PushId, readkey: str) -> list[RowStory]:
    """The rows of one push, in the order asked for; none when the pair of id and readkey is wrong."""
    found = connection.execute(
        "SELECT id, channel_id, status, reason, ret, accepted_at, settled_at, attempts, response FROM push_logs"
        " WHERE push_id = ? AND readkey = ? ORDER BY id",
        (push_id, readkey),
    )
    return [
        RowStory(
            row_id=RowId(r["id"]),
            channel_id=ChannelId(r["channel_id"]),
            outcome=Outcome(
                RowStatus(r["status"]),
                kept=r["status"] == RowStatus.QUEUED,
                reason=Reason(r["reason"]) if r["reason"] else None,
                ret=r["ret"],
            ),
            accepted_at=r["accepted_at"],
            settled_at=r["settled_at"],
            attempts=r["attempts"],
            response=r["response"] or "{}",
        )
        for r in found
    ]


class Remembered(msgspec.Struct, frozen=True):
    """The push that an idempotency key stands for."""

    push_id: PushId
    readkey: str
    content_hash: str
    accepted_at: float


def of_key(connection: sqlite3.Connection, user_id: UserId, idempotency_key: str) -> Remembered | None:
    """The account's push of that key, however old."""
    row = connection.execute(
        "SELECT push_id, readkey, content_hash, accepted_at FROM push_logs WHERE user_id = ? AND idempotency_key = ?",
        (user_id, idempotency_key),
    ).fetchone()
    if row is None:
        return None
    return Remembered(PushId(row["push_id"]), row["readkey"], row["content_hash"] or "", row["accepted_at"])


def forget_key(connection: sqlite3.Connection, user_id: UserId, idempotency_key: str) -> None:
    connection.execute(
        "UPDATE push_logs SET idempotency_key = NULL WHERE user_id = ? AND idempotency_key = ?",
        (user_id, idempotency_key),
    )
