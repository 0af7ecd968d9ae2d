"""Backups of the database: where they lie, how many are kept, and how one takes the database's place again.

A backup is one file, `bottalk-<date>-<time>.db` (UTC), mode 0600, made by SQLite's online copy, checked page by page,
and there under its name only when it is complete. Who reads it can push and send in everybody's name.
"""

import fcntl
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from msgspec import Struct

from bottalk.errors import BotTalkError
from bottalk.store import copies
from bottalk.store.copies import Facts
from bottalk.store.database import StoreError, is_there

_NAME = re.compile(r"bottalk-(\d{8}-\d{6})(?:-\d+)?\.db")
_STAMP = "%Y%m%d-%H%M%S"
_UNFINISHED = ".unfinished-"


class BackupError(BotTalkError):
    """No backup was made, or none was restored; the text says why and what to do."""


class Backup(Struct, frozen=True):
    """One backup. `made_at` is wall time; `removed` are the older ones that made room for it."""

    path: Path
    bytes: int
    made_at: float
    facts: Facts
    removed: tuple[Path, ...] = ()


def make(database: Path, directory: Path, keep: int, now: float) -> Backup:
    """Copy the database into `directory`, check the copy, and keep the newest `keep` (at least 1) backups there.

    Backups from the future stay and count for nothing: the clock was wrong when they were made, or it is now.
    It reads one moment of the database, whether a daemon writes it or not, and holds nobody up. Blocks for as long as
    reading the file twice takes. Raises BackupError; then the backups of before are all there.
    """
    try:
        if not is_there(database):
            raise BackupError(f"there is no database {database}")
    except StoreError as e:
        raise BackupError(str(e)) from e
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(directory):
            unfinished = _unfinished(directory)
            try:
                copies.copy(database, unfinished, own=True)
                facts = copies.check(unfinished)
                path = _finish(unfinished, directory, now)
            finally:
                unfinished.unlink(missing_ok=True)
            removed = _make_room(directory, max(keep, 1), now)
            return Backup(path, path.stat().st_size, now, facts, removed)
    except OSError as e:
        raise BackupError(f"no backup could be made in {directory}: {e.strerror or e}") from e
    except sqlite3.Error as e:
        raise BackupError(f"no backup of {database} could be made in {directory}: {e}") from e


def every(directory: Path) -> list[Path]:
    """The backups of a directory, the newest first; none where there is no such directory or it cannot be read."""
    try:
        found = [path for path in directory.iterdir() if _made_at(path) is not None]
    except OSError:
        return []
    return sorted(found, key=_age, reverse=True)


def newest_at(directory: Path, now: float) -> float | None:
    """When the newest backup of a directory was made, wall time, by its name; None when there is none. Those from
    the future do not count."""
    made = [at for path in every(directory) if (at := _made_at(path)) is not None and at <= now]
    return max(made, default=None)


@contextmanager
def unpacked(file: Path, beside: Path) -> Iterator[tuple[Path, Facts]]:
    """A checked copy of the backup `file`, in a file of its own in the directory `beside`, removed at the end unless
    it was moved away. Raises BackupError."""
    try:
        if not file.is_file():
            raise BackupError(f"there is no file {file}")
    except OSError as e:
        raise BackupError(f"{file} cannot be looked at: {e.strerror}") from e
    try:
        copy = _unfinished(beside)
    except OSError as e:
        raise BackupError(f"the data directory {beside} cannot be used: {e.strerror or e}") from e
    try:
        facts = copies.check(file)
        copies.copy(file, copy)
        yield copy, facts
    except sqlite3.Error as e:
        raise BackupError(f"{file} cannot be restored: {e}. Nothing was changed") from e
    finally:
        for leftover in copy.parent.glob(f"{copy.name}*"):
            leftover.unlink(missing_ok=True)


def put_in_place(copy: Path, database: Path, now: float) -> Path | None:
    """Let the file `copy` be the database; where the one of before is now. Hold the data directory's lock.

    There is a whole database under its name at every moment. Raises BackupError.
    """
    names = (database.with_name(f"{database.name}.replaced-{second}") for second in count(int(now)))
    replaced = next(name for name in names if not name.exists())
    try:
        _sync(copy)
        kept = _set_aside(database, replaced) if database.exists() else None
        os.replace(copy, database)
        _sync(database.parent)
    except OSError as e:
        raise BackupError(f"{database} could not be replaced: {e.strerror or e}") from e
    return kept


def _set_aside(database: Path, replaced: Path) -> Path:
    """A second name for the old file, and its log of latest commits beside it: another file must not find that."""
    try:
        os.link(database, replaced)
    except OSError:  # a file system without links
        shutil.copy2(database, replaced)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(f"{database}{suffix}", f"{replaced}{suffix}")
    return replaced


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """One backup at a time in a directory; what a killed one left there is removed."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another backup is being made in {directory}; wait for its end") from None
        for leftover in directory.glob(f"{_UNFINISHED}*"):
            leftover.unlink(missing_ok=True)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _unfinished(directory: Path) -> Path:
    """A new empty file, mode 0600."""
    path = directory / f"{_UNFINISHED}{os.getpid()}.db"
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return path


def _finish(unfinished: Path, directory: Path, now: float) -> Path:
    stamp = datetime.fromtimestamp(now, UTC).strftime(_STAMP)
    path, number = directory / f"bottalk-{stamp}.db", 1
    while path.exists():
        number += 1
        path = directory / f"bottalk-{stamp}-{number}.db"
    _sync(unfinished)
    os.replace(unfinished, path)
    return path


def _make_room(directory: Path, keep: int, now: float) -> tuple[Path, ...]:
    old = [path for path in every(directory) if (_made_at(path) or 0.0) <= now][keep:]
    for path in old:
        path.unlink(missing_ok=True)
    return tuple(old)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _age(path: Path) -> tuple[str, int]:
    stem = path.stem.split("-")
    return "-".join(stem[1:3]), int(stem[3]) if len(stem) > 3 else 1


def _made_at(path: Path) -> float | None:
    """By its name; None: it is no backup's name."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:  # no such day
        return None
