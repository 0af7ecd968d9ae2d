"""What the drills share: small disks, starts that are refused, and looks at files and the log."""

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Bound, Field, Process, process

CANNOT_OPEN = 73
AT_ONCE = {"DELIVERY_GAP": "0", "DELIVERY_GAP_LOW": "0", "DELIVERY_GAP_SCARCE": "0", "DELIVERY_LAST_HOLD": "0"}
"""Settings under which what can be sent is sent at once, to the last message of a window."""


@contextmanager
def small_disk(at: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own at `at`; the test is skipped where none may be mounted."""
    at.mkdir(mode=0o700)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    mounted = mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(at))
    if mounted.returncode != 0:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nothing can be written on the mounted disk `directory`, not even by root."""
    changed = mount("-o", "remount,ro", str(directory))
    assert changed.returncode == 0, changed.stderr
    try:
        yield
    finally:
        mount("-o", "remount,rw", str(directory))


def mount(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


def fill(disk: Path) -> Path:
    """Take every free byte of the disk; deleting the file gives them back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for piece in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * piece) == piece:
                    pass
            except OSError:
                continue
    return filler


async def refused_start(data_dir: Path, **settings: str) -> tuple[int, str]:
    """A daemon that is expected to end by itself: its exit code and what it said."""
    log = data_dir.with_suffix(".refused.log")
    log.unlink(missing_ok=True)
    env = {"BOTTALK_PORT": "0", "BOTTALK_DATA_DIR": str(data_dir)}
    env |= {f"BOTTALK_{name}": value for name, value in settings.items()}
    with process("bottalk", "serve", env=env, errors=log) as starting:
        code = await starting.ended()
    return code, log.read_text()


def contents(directory: Path) -> dict[str, bytes]:
    """The database and what lies beside it, byte by byte. The index of the log, -shm, holds no data; an empty log is
    none."""
    found = {path.name: path.read_bytes() for path in directory.glob("bottalk.db*") if not path.name.endswith("-shm")}
    return {name: data for name, data in found.items() if data}


def is_sound(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])


def change(database: Path, *statements: str) -> None:
    """Change the file of a daemon that does not run."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def said(daemon: Process, event: str) -> list[dict[str, Any]]:
    """What it has logged under that name."""
    lines = [json.loads(line) for line in daemon.errors.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def epochs(the: Field) -> dict[int, int]:
    """How many messages of its user each channel has stored, as the database says."""
    with closing(sqlite3.connect(the.data_dir / "bottalk.db")) as connection:
        return dict(connection.execute("SELECT id, window_epoch FROM channels").fetchall())


async def delivered(the: Field, bound: Bound) -> str:
    """Everything that the phone shows, in order."""
    return "\n".join(await the.texts(bound.user))


async def waiting(the: Field) -> int:
    return sum(row["status"] == "queued" for row in the.rows())
