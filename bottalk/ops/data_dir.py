"""The data directory: who owns it now, and the small files in it beside the database."""

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bottalk.errors import BotTalkError
from bottalk.values import Secret

LONGEST_SOCKET_PATH = 107
"""Bytes: the kernel's limit for the path of a Unix socket."""


def free_bytes(directory: Path) -> int | None:
    """What may still be written on its disk; None where that cannot be told."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


class DataDirError(BotTalkError):
    """The data directory cannot be used; the text says why and what to do."""


class InUse(DataDirError):
    """Another process owns the data directory. `holder` is its process id, `told` all that it wrote down itself."""

    def __init__(self, directory: Path, told: str) -> None:
        pid, *more = told.splitlines() or ["unknown"]
        who = " ".join([f"process {pid}", *more])
        super().__init__(f"another BotTalk ({who}) uses the data directory {directory}; stop it or set DATA_DIR")
        self.holder = pid


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the directory if need be and own it until the end. Raises InUse when another process does, DataDirError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(directory / "bottalk.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as e:
        raise DataDirError(f"the data directory {directory} cannot be used: {e.strerror}; set DATA_DIR") from e
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(directory, _told(handle)) from None
        _tell(directory, handle)
        yield
    finally:
        os.close(handle)


def _tell(directory: Path, handle: int) -> None:
    """Write down who holds the lock: process id, machine and moment, a line each. A container's id says little
    without its host name."""
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\non {socket.gethostname()}\nsince {since}\n".encode(), 0)
    except OSError as e:
        raise DataDirError(f"the data directory {directory} cannot be written: {e.strerror}; set DATA_DIR") from e


def holder(directory: Path) -> str | None:
    """The process id of who owns the directory now, as it wrote it down; None: nobody. Makes nothing.

    It looks by taking a shared lock for an instant. Raises DataDirError when it may not look.
    """
    try:
        handle = os.open(directory / "bottalk.lock", os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise DataDirError(
            f"the data directory {directory} cannot be looked into: {e.strerror}; use the account that BotTalk runs as"
        ) from e
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return (_told(handle).splitlines() or ["unknown"])[0]
    finally:
        os.close(handle)
    return None


def _told(handle: int) -> str:
    return os.pread(handle, 512, 0).decode("utf-8", "replace").strip()


def session_secret(directory: Path) -> Secret:
    """What signs session cookies, made once and kept, so that an upgrade signs nobody out. Raises DataDirError."""
    path = directory / "session_secret"
    try:
        found = path.read_bytes().strip()
    except FileNotFoundError:
        found = b""
    except OSError as e:
        raise DataDirError(f"{path} cannot be read: {e.strerror}; set DATA_DIR") from e
    if found and not re.fullmatch(rb"[!-~]{16,}", found):
        raise DataDirError(f"{path} is damaged: remove it, and another one is made; then everybody has to log in again")
    return Secret(found.decode("ascii") or _new_secret(path))


def _new_secret(path: Path) -> str:
    """Written aside first: a full disk leaves no half of it, nor an empty one, with which anybody could sign."""
    text = secrets.token_hex(32)
    aside = path.with_suffix(".new")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as e:
        aside.unlink(missing_ok=True)
        raise DataDirError(f"{path} cannot be written: {e.strerror}; free disk space or set DATA_DIR") from e
    return text


def operator_socket(directory: Path) -> socket.socket:
    """The operator's door: a Unix socket in the directory, mode 0600. A stale one is replaced (hold the lock)."""
    path = directory / "bottalk.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise DataDirError(
            f"{path} is longer than the {LONGEST_SOCKET_PATH} bytes that a Unix socket's path may have; "
            "set a shorter DATA_DIR"
        )
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        door.bind(str(path))
    except OSError as e:
        door.close()
        raise DataDirError(f"cannot open {path}: {e.strerror}") from e
    finally:
        os.umask(before)
    return door
