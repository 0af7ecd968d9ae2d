"""The database file: one writer connection, two readers, and the threads they run in.

SQLite in WAL mode with `synchronous=FULL`: a commit that was acknowledged survives a power cut. Writes are made by the
journal actor alone; pages read on connections of their own, so that a long query never stalls a push.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import trio

from bottalk.store.migrations import STEPS, check_readable, migrate
from bottalk.store.threads import OwnThread, Runner, in_thread

R = TypeVar("R")

LEAST_SQLITE = (3, 35, 0)
READERS = 2
BUSY_TIMEOUT_MS = 5000
AUTOCHECKPOINT = 1000
"""Pages in the write-ahead log from which a commit folds it into the file."""
HURRIED_MS = 100
"""How long a write in a hurry waits for a lock: what another program does in a short transaction ends within that."""

_MAGIC = b"SQLite format 3\0"


class StoreError(Exception):
    """The database cannot be used; the text says why and what to do."""


def is_there(path: Path) -> bool:
    """Whether there is such a file. Raises StoreError where that may not be looked at."""
    try:
        return path.exists()
    except OSError as e:
        raise StoreError(
            f"the database {path} cannot be looked for: {e.strerror}; use the account that BotTalk runs as"
        ) from e


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """Open `path` with the pragmas of the house. A new file gets mode 0600. Raises StoreError."""
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed; use a newer Python")
    try:
        if not readonly:
            _make(path)
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={'ro' if readonly else 'rw'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
            cached_statements=256,
        )
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            connection.execute("PRAGMA foreign_keys=ON")
            if not readonly:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT}")
                connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, texts above all
                _keep_at_home(connection, path)
            on_failure.pop_all()
    except (OSError, sqlite3.Error) as e:
        raise StoreError(f"cannot open the database {path}: {e}") from e
    connection.row_factory = sqlite3.Row
    return connection


def _keep_at_home(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite's files without a name lie beside the database: what is in it goes to no other disk.

    The whole process has one such place, as it has one data directory. A SQLite without this pragma takes /var/tmp.
    """
    directory = str(path.absolute().parent).replace("'", "''")
    connection.execute(f"PRAGMA temp_store_directory='{directory}'")


def _make(path: Path) -> None:
    """Make the file if need be. Raises OSError where it may not be written.

    One that exists is not opened: closing a file drops every lock that this process has on it, SQLite's too. Then
    another process takes itself for the last one out, and takes the log away under our hands.
    """
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    elif not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(f"{path} may not be read and written")


def _look_at_head(path: Path) -> None:
    """SQLite takes a foreign file for a database as soon as a database's log lies beside it, and then overwrites it.

    Only while this process has no connection to it (`_make` says why). Raises OSError or sqlite3.DatabaseError.
    """
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    if head and head != _MAGIC:
        raise sqlite3.DatabaseError("file is not a database")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT; rolled back when the body raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class Database:
    """The open file. `write` is the journal's; `read` is anybody's."""

    def __init__(
        self, writer: sqlite3.Connection, readers: list[sqlite3.Connection], run_write: Runner, run_read: Runner
    ) -> None:
        self._writer = writer
        self._path = str(writer.execute("PRAGMA database_list").fetchone()["file"])
        self._beside = trio.CapacityLimiter(1)
        self._idle = readers
        self._run_write = run_write
        self._run_read = run_read
        self._one = trio.CapacityLimiter(1)
        self._few = trio.CapacityLimiter(len(readers))

    async def write(self, function: Callable[[sqlite3.Connection], R], *, hurried: bool = False) -> R:
        """Run `function` with the writer connection. One at a time; a cancel waits for its end.

        Where another program holds a lock, it waits for that for 5 s, or hurried for a tenth of a second.
        """

        def run() -> R:
            if not hurried:
                return function(self._writer)
            with _patience(self._writer, HURRIED_MS):
                return function(self._writer)

        return await self._run_write(run, self._one)

    async def read(self, function: Callable[[sqlite3.Connection], R]) -> R:
        """Run `function` with a read-only connection that sees the last commit. A cancel waits for its end."""

        def run() -> R:
            connection = self._idle.pop()
            try:
                return function(connection)
            finally:
                self._idle.append(connection)

        return await self._run_read(run, self._few)

    async def checkpoint(self) -> bool:
        """Fold the WAL into the file and cut it to nothing; False while somebody reads what only the WAL holds.

        Nearly all is copied by a connection of its own, beside the writer, which then copies the rest and waits for no
        reader: a commit waits for a few milliseconds at most, however long somebody reads. Raises sqlite3.Error. A
        cancel waits for the end of the step.
        """
        await self._run_read(self._copy_wal, self._beside)
        return await self.write(_cut_wal)

    def _copy_wal(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as beside:
            beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def close(self, *, fold: bool = True) -> None:
        """Close every connection. The last one out folds the WAL into the file, unless it may not write."""
        for connection in (*self._idle, self._writer) if fold else (self._writer, *self._idle):
            connection.close()


def _cut_wal(connection: sqlite3.Connection) -> bool:
    with _patience(connection, 0):
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


@contextmanager
def _patience(connection: sqlite3.Connection, milliseconds: int) -> Iterator[None]:
    """Locks of others are waited for no longer than this; afterwards as long as ever."""
    connection.execute(f"PRAGMA busy_timeout={milliseconds}").fetchone()
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").fetchone()


@asynccontextmanager
async def open_database(path: Path, *, now: float, runner: Runner | None = None) -> AsyncIterator[Database]:
    """Open or create the database at `path`, brought to this version's schema, with a backup before each migration.

    `runner` runs every blocking call; by default the writer has a thread of its own and reads use trio's.
    Raises StoreError: unreadable, damaged, or written by a newer version. Then, and when the body raises one, file and
    WAL are left as they lie.
    """
    run_read = runner or in_thread
    writer, readers = await _open(path, now, run_read)
    own = OwnThread("bottalk-journal") if runner is None else None
    database = Database(writer, readers, own or run_read, run_read)
    fold = True
    try:
        yield database
    except StoreError:
        fold = False
        raise
    finally:
        with trio.CancelScope(shield=True):  # bounded: closing takes as long as one checkpoint
            await run_read(lambda: database.close(fold=fold), trio.CapacityLimiter(1))
            if own is not None:
                own.close()


async def _open(path: Path, now: float, runner: Runner) -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
    def open_all() -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
        with ExitStack() as on_failure:
            readers = [on_failure.enter_context(closing(reader)) for reader in _first_look(path)]
            # closed before the reader: who may not write is the last one out, and nothing is folded
            writer = on_failure.enter_context(closing(connect(path)))
            migrate(writer, path, now)
            while len(readers) < READERS:
                readers.append(on_failure.enter_context(closing(connect(path, readonly=True))))
            on_failure.pop_all()
            return writer, readers

    try:
        return await runner(open_all, trio.CapacityLimiter(1))
    except sqlite3.DatabaseError as e:
        raise unusable(path, e) from e


def _first_look(path: Path) -> list[sqlite3.Connection]:
    """A reader that has found the file usable, and so has its log open; none where there is no file yet.

    Raises StoreError or sqlite3.DatabaseError. Whoever opens a WAL database for writing folds its log in the end,
    whatever is found there: so one that cannot write looks first.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            return []
        _look_at_head(path)
    except OSError as e:
        raise StoreError(f"cannot open the database {path}: {e}") from e
    with ExitStack() as on_failure:
        reader = on_failure.enter_context(closing(connect(path, readonly=True)))
        check_readable(reader)
        on_failure.pop_all()
        return [reader]


def readable(path: Path) -> tuple[int, int]:
    """The schema version of the file, and this BotTalk's own; the file is looked at and not changed.

    Raises StoreError: unreadable, damaged, or written by a version that this one cannot follow.
    """
    with closing(connect(path, readonly=True)) as connection:
        try:
            return check_readable(connection), len(STEPS)
        except sqlite3.DatabaseError as e:
            raise unusable(path, e) from e


def unusable(path: Path, error: sqlite3.DatabaseError) -> StoreError:
    """What to say of a file that is damaged, none of ours, or too new."""
    return StoreError(f"the database {path} cannot be used: {error}. Nothing in it was changed; restore a backup")
