"""Copies of the database file: made while others read and write it, and checked before anybody trusts one."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from bottalk.store.migrations import STEPS, is_of_another_program

TABLES = frozenset({"meta", "users", "channels", "push_logs", "sessions"})
"""What every BotTalk database has had since its first schema."""

PROBLEMS = 3
"""Of a damaged file, so many of SQLite's complaints are told."""


class NotUsable(sqlite3.DatabaseError):
    """The file is damaged, no database, none of BotTalk's, or written by a newer version. The text says which."""


class Facts(Struct, frozen=True):
    """What a checked file holds. `schema` is the number of its schema steps; `waiting` counts rows not settled."""

    schema: int
    users: int
    channels: int
    rows: int
    waiting: int


def copy(source: Path, target: Path, *, own: bool = False) -> None:
    """Copy the committed content of `source` to the empty file `target`: one file, without a write-ahead log.

    It sees one moment, whoever writes meanwhile, and holds nobody up. `own`: the source is the database of this data
    directory; where no daemon has it open, its write-ahead log is folded in and gone afterwards, as after a stop (a
    reader of another's file changes nothing of it). Raises sqlite3.Error.
    """
    reader = _open(source, "rw" if own else "ro")
    try:
        writer = sqlite3.connect(target)
        try:
            # all in one step: a copy in several begins anew whenever another process commits
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode=DELETE")
        finally:
            writer.close()
    finally:
        reader.close()


def check(path: Path) -> Facts:
    """Read every page of the file, and see that it is a BotTalk database that this version can read.

    Nothing is changed. Raises NotUsable, or another sqlite3.Error when the file cannot be read.
    """
    connection = _open(path, "ro")
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({PROBLEMS})")]
        if found != ["ok"]:
            raise NotUsable(f"it is damaged: {'; '.join(found)}")
        if is_of_another_program(connection):
            raise NotUsable("it is the database of BotTalk on Node.js: take its data over with `bottalk import`")
        if not _tables(connection) >= TABLES:
            raise NotUsable("it is no database of BotTalk")
        return _facts(connection)
    except NotUsable:
        raise
    except sqlite3.DatabaseError as e:
        if isinstance(e, sqlite3.OperationalError):
            raise
        raise NotUsable(f"it is damaged, or no database: {e}") from e
    finally:
        connection.close()


def _facts(connection: sqlite3.Connection) -> Facts:
    schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
    least = connection.execute("SELECT value FROM meta WHERE key = 'least_reader'").fetchone()
    if schema > len(STEPS) and (least is None or int(least[0]) > len(STEPS)):
        raise NotUsable(f"it was written by a newer version of BotTalk (schema {schema}, this one knows {len(STEPS)})")

    def count(what: str) -> int:
        return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])

    return Facts(
        schema=schema,
        users=count("users"),
        channels=count("channels"),
        rows=count("push_logs"),
        waiting=count("push_logs WHERE status = 'queued'"),
    )


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _open(path: Path, mode: str) -> sqlite3.Connection:
    where = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(where, uri=True, timeout=5.0, isolation_level=None)
