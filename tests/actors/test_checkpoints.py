"""The write-ahead log is folded away in quiet minutes, and nobody's reading makes a push wait for it."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio
import trio.testing

from bottalk.actors.checkpoints import Checkpoints
from bottalk.errors import CannotWrite
from bottalk.store.database import BUSY_TIMEOUT_MS, Database, connect, open_database, transaction

NOW = 1_790_000_000.0


def write_some(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('big', ?)", ("x" * 100_000,))


class Desk:
    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        self.path = path
        self.commits = 0
        self.job = Checkpoints(database, lambda: self.commits)

    async def write(self) -> None:
        await self.database.write(write_some)
        self.commits += 1

    def wal(self) -> int:
        return self.path.with_name(self.path.name + "-wal").stat().st_size


@asynccontextmanager
async def a_desk(directory: Path) -> AsyncIterator[Desk]:
    path = directory / "bottalk.db"
    async with open_database(path, now=NOW) as database:
        desk = Desk(database, path)
        await desk.write()
        await desk.job.round()  # the first look after a start
        assert (desk.wal(), desk.job.done) == (0, 1)
        yield desk


async def test_a_quiet_minute_is_used(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.write()
        await desk.job.round()
        assert desk.wal() > 0, "somebody has just written"
        await desk.job.round()
        assert (desk.wal(), desk.job.done) == (0, 2)
        await desk.job.round()
        assert desk.job.done == 2, "nothing was written since"


async def test_an_hour_without_a_quiet_minute_is_enough(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with a_desk(tmp_path) as desk:
        for _ in range(59):
            autojump_clock.jump(60)
            await desk.write()
            await desk.job.round()
        assert desk.job.done == 1
        autojump_clock.jump(60)
        await desk.write()
        await desk.job.round()
        assert (desk.wal(), desk.job.done) == (0, 2)


async def test_whoever_removed_much_may_ask_for_it(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.write()
        desk.job.soon()
        with trio.fail_after(5):
            assert desk.job.news is not None
            await desk.job.news.wait()
        await desk.job.round()
        assert (desk.wal(), desk.job.done) == (0, 2)


async def test_a_long_reader_postpones_it_and_holds_up_no_writer(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        with closing(connect(desk.path, readonly=True)) as reader:
            reading = reader.execute("SELECT * FROM sqlite_master")
            reading.fetchone()  # and goes on reading
            await desk.write()
            await desk.job.round()
            begun = time.monotonic()
            await desk.job.round()
            await desk.write()
            assert time.monotonic() - begun < 2.0, "SQLite's own wait for readers is 5 s"
            assert desk.wal() > 0
            assert desk.job.done == 1
            reading.close()
        await desk.job.round()
        await desk.job.round()
        assert (desk.wal(), desk.job.done) == (0, 2)
        waits = await desk.database.write(lambda c: c.execute("PRAGMA busy_timeout").fetchone()[0])
        assert waits == BUSY_TIMEOUT_MS, "a writer waits for others as before"


async def test_a_failure_is_the_journals_kind_of_refusal(tmp_path: Path) -> None:
    """The housekeeper tells it and tries again, as where the journal cannot write."""
    async with a_desk(tmp_path) as desk:
        await desk.database.write(lambda c: c.execute("BEGIN IMMEDIATE"))
        desk.commits += 1
        desk.job.soon()
        with pytest.raises(CannotWrite, match="locked"):
            await desk.job.round()
        await desk.database.write(lambda c: c.execute("ROLLBACK"))
        await desk.job.round()
        assert desk.job.done == 2
