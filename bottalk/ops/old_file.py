"""The database of BotTalk on Node.js as a file: opened to read only, whatever tables and columns it has."""

import fcntl
import os
import sqlite3
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from bottalk.errors import BotTalkError

PLACES = ("bottalk.db", "data/bottalk.db")
"""Where the file is, when a directory is named."""

_FLOCK = "hhqqi4x"
"""Linux's `struct flock`: type, whence, start, length, process."""

LATEST = 1e11
"""Seconds since 1970, in the year 5138: what is above are milliseconds, or nothing that can be shown."""

OldRow = Mapping[str, object]


class OldFileError(BotTalkError):
    """The file cannot be read, or is none of BotTalk on Node.js; the text says why and what to do."""


class OldInUse(OldFileError):
    """A running process has the file open."""


class OldFile:
    """An open file. Values have whatever type they were stored with."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        self.tables = frozenset(str(row[0]) for row in names)

    def rows(self, table: str) -> Iterator[OldRow]:
        """Every row, the oldest first, its columns by name; none where there is no such table. Raises OldFileError."""
        if table not in self.tables:
            return
        try:
            for row in self._connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid'):
                yield dict(row)
        except sqlite3.Error as e:
            raise OldFileError(f"{self.path} cannot be read: {e}") from e

    def count(self, table: str) -> int:
        try:
            return int(self._connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])
        except sqlite3.Error as e:
            raise OldFileError(f"{self.path} cannot be read: {e}") from e


def find(path: Path) -> Path:
    """The file itself, when its directory, or the one above, is named. Raises OldFileError."""
    try:
        for candidate in (path, *(path / place for place in PLACES)):
            if candidate.is_file():
                return candidate
    except OSError as e:
        raise OldFileError(f"{path} cannot be looked at: {e.strerror}") from e
    raise OldFileError(f"there is no file {path}" + (f" nor {' nor '.join(PLACES)} in it" if path.is_dir() else ""))


@contextmanager
def opened(path: Path) -> Iterator[OldFile]:
    """The database at `path`, which stays as it is. Raises OldFileError."""
    try:
        # a file that nobody writes is read without the two files that SQLite would leave beside it
        how = "mode=ro&immutable=1" if _is_still(path) else "mode=ro"
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, timeout=5.0)
    except sqlite3.Error as e:
        raise OldFileError(f"{path} cannot be opened: {e}") from e
    try:
        connection.row_factory = sqlite3.Row
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            file = OldFile(connection, path)
        except sqlite3.Error as e:
            raise OldFileError(
                f"{path} cannot be read: {e}. If there is a {path.name}-wal beside it, copy both to a directory that "
                "you may write, and import from there"
            ) from e
        if "meta" in file.tables:
            raise OldFileError(f"{path} is a database of this BotTalk already: `bottalk restore` takes its backups")
        if "users" not in file.tables:
            raise OldFileError(f"{path} is no database of BotTalk on Node.js: it has no table users")
        yield file
    finally:
        connection.close()


def _is_still(path: Path) -> bool:
    """Whether the file alone holds all that was committed, and no process has it open."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size == 0 and holder(path) is None
    except FileNotFoundError:
        return sys.platform == "linux" and holder(path) is None


def holder(path: Path) -> int | None:
    """The process that has the database open, 0 when it is known only that one has; None when none, or not known.

    SQLite's readers hold a lock on the file for as long as they are connected to one with a write-ahead log. Call it
    before this process opens the file: closing it here would drop the locks of its own connections.

    Raises OldFileError.
    """
    if sys.platform != "linux":
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as e:
        raise OldFileError(f"{path} cannot be opened: {e.strerror}") from e
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, process = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else max(0, process)
    finally:
        os.close(handle)


# --- values ---


def text(row: OldRow, name: str) -> str:
    """The column as text; empty where it is missing or NULL. What no text of ours may hold (NUL, half a character of
    UTF-16) is left out or replaced."""
    value = row.get(name)
    if value is None:
        return ""
    found = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return found.replace("\0", "").encode("utf-8", "replace").decode()


def number(row: OldRow, name: str, otherwise: int = 0) -> int:
    """The column as a whole number; `otherwise` where it is missing or none."""
    value = row.get(name)
    try:
        if isinstance(value, int):
            return value
        return int(float(value)) if isinstance(value, float | str) else otherwise
    except (ValueError, OverflowError):
        return otherwise


def moment(row: OldRow, name: str) -> float | None:
    """The column as wall time: UTC text (`YYYY-MM-DD HH:MM:SS` and its ISO kin), or seconds or milliseconds since
    1970; None where it is missing or says nothing."""
    value = text(row, name).strip()
    try:
        since_1970 = float(value)
        if since_1970 > LATEST:
            since_1970 /= 1000
    except ValueError:
        since_1970 = _of_text(value)
    return since_1970 if 0 < since_1970 < LATEST else None


def _of_text(value: str) -> float:
    """0 where it is no time."""
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
