"""Files that are damaged, foreign, newer, cut short or locked away: refused in words, and left as they are."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.benchmarks.daemon import seed_database
from tests.drills.tools import CANNOT_OPEN, change, contents, fill, is_sound, read_only, refused_start, small_disk
from tests.e2e.processes import process

pytestmark = pytest.mark.slow

PAGE = 4096


def a_life(directory: Path) -> Path:
    """The files of a daemon that was killed: a channel and some pushes, and part of it in the log only."""
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / "bottalk.db"
    seed_database(path, 40, "http://127.0.0.1:9")
    fold(directory)
    insert = (
        "INSERT INTO push_logs (push_id, readkey, user_id, channel_id, title, text, status, source, ip, priority,"
        " expires_at, accepted_at) VALUES (1, 'r', 1, 1, '{}', '正文', 'queued', 'api', '', 'normal', 4e9, 1.7e9)"
    )
    kill_after(path, *(insert.format(f"第 {n} 条") for n in range(40)))
    assert titles(path) == [f"第 {n} 条" for n in range(40)]
    return path


def titles(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT title FROM push_logs ORDER BY id")]


def kill_after(path: Path, *statements: str) -> None:
    """Another process writes this and is killed: what it wrote lies in the log beside the file."""
    code = "import os, sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    code += "[c.execute(s) for s in sys.argv[2:]]\nos.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(path), *statements], check=False)
    assert done.returncode == -signal.SIGKILL
    assert log_of(path).stat().st_size > 0


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def fold(directory: Path) -> None:
    change(directory / "bottalk.db", "PRAGMA wal_checkpoint(TRUNCATE)")


def noise(path: Path, pages: Iterable[int]) -> None:
    """Other bytes in place of these pages, counted from 1."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(random.Random(page).randbytes(PAGE))


def scramble(path: Path) -> None:
    fold(path.parent)
    noise(path, range(2, path.stat().st_size // PAGE + 1))


def scramble_a_table(path: Path) -> None:
    """The rest is whole, and part of it is in the log."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'channels'").fetchone()
    noise(path, [root])


def cut_short(path: Path) -> None:
    fold(path.parent)
    os.truncate(path, path.stat().st_size // 2)


def no_database(path: Path) -> None:
    path.write_bytes(b"SQLite format 4 is what these holiday pictures are not " * 100)


def newer(path: Path) -> None:
    kill_after(path, "PRAGMA user_version=999", "UPDATE meta SET value = '999' WHERE key = 'least_reader'")


def another_programs(path: Path) -> None:
    kill_after(path, "DROP TABLE meta")


HARMS = [scramble, scramble_a_table, cut_short, no_database, newer, another_programs]


@pytest.mark.parametrize("harm", HARMS)
async def test_a_file_that_cannot_be_used_is_named_and_left_as_it_is(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = a_life(tmp_path / "data")
    harm(path)
    before = contents(path.parent)
    code, text = await refused_start(path.parent)
    assert code == CANNOT_OPEN, text
    assert str(path) in text
    assert "Traceback" not in text
    assert contents(path.parent) == before


async def test_a_log_that_was_cut_short_costs_its_end_alone(tmp_path: Path) -> None:
    """A broken disk's doing: what a kill or a power cut leaves is whole. The rest is used, in order, and sound."""
    path = a_life(tmp_path / "data")
    os.truncate(log_of(path), log_of(path).stat().st_size * 2 // 3)
    env = {"BOTTALK_PORT": "0", "BOTTALK_DATA_DIR": str(path.parent)}
    with process("bottalk", "serve", env=env, errors=tmp_path / "log") as daemon:
        await daemon.line("BotTalk listens on ")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert is_sound(path)
    left = titles(path)
    assert 20 <= len(left) < 40
    assert left == [f"第 {n} 条" for n in range(len(left))]


async def test_a_directory_that_can_only_be_read(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", 4) as directory:
        path = a_life(directory)
        before = contents(directory)
        with read_only(directory):
            code, text = await refused_start(directory)
        assert code == CANNOT_OPEN
        assert str(directory) in text
        assert "Traceback" not in text
        assert contents(directory) == before
        assert len(titles(path)) == 40


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_start_on_a_disk_without_a_free_byte(tmp_path: Path, is_new: bool) -> None:
    with small_disk(tmp_path / "data", 2) as directory:
        if not is_new:
            a_life(directory)
        filler = fill(directory)
        before = contents(directory)
        code, text = await refused_start(directory)
        assert code == CANNOT_OPEN, text
        assert str(directory) in text
        assert "Traceback" not in text
        assert contents(directory) == before
        filler.unlink()
        env = {"BOTTALK_PORT": "0", "BOTTALK_DATA_DIR": str(directory)}
        with process("bottalk", "serve", env=env, errors=tmp_path / "log") as daemon:
            await daemon.line("BotTalk listens on ")
        assert len(titles(directory / "bottalk.db")) == (0 if is_new else 40)


async def test_a_database_that_another_program_has_locked(tmp_path: Path) -> None:
    path = a_life(tmp_path / "data")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, text = await refused_start(path.parent)
    assert code == CANNOT_OPEN, text
    assert f"{path} cannot be written: database is locked. Which other program has it open?" in text
    assert "Traceback" not in text
