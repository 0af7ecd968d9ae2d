"""Group commit: a bad verb fails alone, an ill database fails the whole group, and nobody is told before the commit."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from bottalk.actors.journal import Journal, load_pictures
from bottalk.clock import SystemClock
from bottalk.config import Config
from bottalk.errors import CannotWrite
from bottalk.messages import OpenSession, Session
from bottalk.store.database import BUSY_TIMEOUT_MS, Database, open_database
from bottalk.store.threads import in_thread
from supervisors import Child

NOW = 1_790_000_000.0
BIG = "x" * 20_000
"""More than fits the pages that are left."""


@dataclass(slots=True)
class Desk:
    journal: Journal
    database: Database

    async def open(self, name: str) -> None:
        """Ask for one row of `sessions`; a name that is taken is a bad verb."""
        await self.journal.mailbox.ask(OpenSession(Session(name, None, NOW, NOW, NOW + 1e9)))

    async def names(self) -> list[str]:
        """What is committed, in order."""
        found = await self.database.read(
            lambda c: c.execute("SELECT id_hash FROM sessions ORDER BY id_hash").fetchall()
        )
        return [row["id_hash"][:20] for row in found]

    async def limit_pages(self, spare: int | None) -> None:
        """Let the file grow by so many pages only, as on a full disk; None: without limit."""

        def limit(connection: sqlite3.Connection) -> None:
            pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
            connection.execute(f"PRAGMA max_page_count={2**30 if spare is None else pages + spare}").fetchone()

        await self.database.write(limit)


@asynccontextmanager
async def a_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_database(tmp_path / "bottalk.db", now=NOW, runner=in_thread) as database:
        pictures, next_row_id = await load_pictures(database, NOW)
        journal = Journal(database, pictures, Config(), SystemClock(), next_row_id=next_row_id)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run, Child("journal", journal.mailbox))
            yield Desk(journal, database)
            nursery.cancel_scope.cancel()


async def gathered(desk: Desk, names: list[str]) -> dict[str, Exception | None]:
    """Ask for all of them at once; what each was told."""
    told: dict[str, Exception | None] = {}

    async def one(name: str) -> None:
        try:
            await desk.open(name)
        except (sqlite3.Error, CannotWrite) as e:
            told[name] = e
        else:
            told[name] = None

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(one, name)
    return told


async def test_what_gathers_shares_a_commit(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        names = [f"session {n:03}" for n in range(200)]
        told = await gathered(desk, names)
        assert set(told.values()) == {None}
        status = desk.journal.status()
        assert status.verbs == 200
        assert status.commits <= 20
        assert status.largest_group >= 50
        assert await desk.names() == names


async def test_a_bad_verb_fails_alone(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.open("taken")
        told = await gathered(desk, ["a", "taken", "b", "c"])
        assert isinstance(told.pop("taken"), sqlite3.IntegrityError)
        assert set(told.values()) == {None}
        assert await desk.names() == ["a", "b", "c", "taken"]
        assert desk.journal.status().cannot_write is None


async def test_nobody_is_told_before_the_commit_stands(tmp_path: Path) -> None:
    """At the moment of the answer another connection sees the row."""
    async with a_desk(tmp_path) as desk:
        path = tmp_path / "bottalk.db"

        async def one(name: str) -> None:
            await desk.open(name)
            with sqlite3.connect(path) as other:
                found = other.execute("SELECT count(*) FROM sessions WHERE id_hash = ?", (name,)).fetchone()[0]
            other.close()
            assert found == 1

        async with trio.open_nursery() as nursery:
            for n in range(30):
                nursery.start_soon(one, f"session {n}")


async def test_a_full_disk_fails_the_whole_group_and_heals_without_a_restart(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.open("before")
        await desk.limit_pages(2)
        told = await gathered(desk, ["small", f"big {BIG}", "other"])
        assert {type(error) for error in told.values()} == {CannotWrite}, "nothing of the group is told as success"
        assert await desk.names() == ["before"]
        assert "full" in (desk.journal.status().cannot_write or "")

        await desk.limit_pages(None)
        told = await gathered(desk, ["after", f"big {BIG}"])
        assert set(told.values()) == {None}
        assert desk.journal.status().cannot_write is None
        assert await desk.names() == ["after", "before", f"big {BIG}"[:20]]


async def test_a_full_disk_met_while_a_bad_verb_is_sorted_out_fails_the_group_too(tmp_path: Path) -> None:
    """The second pass, with savepoints, must not take "disk full" for the fault of one verb."""
    async with a_desk(tmp_path) as desk:
        await desk.open("taken")
        await desk.limit_pages(2)
        told = await gathered(desk, ["taken", "small", f"big {BIG}"])
        assert {type(error) for error in told.values()} == {CannotWrite}
        assert await desk.names() == ["taken"]


async def test_a_locked_database_is_an_answer_not_a_crash(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.database.write(lambda c: c.execute("PRAGMA busy_timeout=0").fetchone())
        other = sqlite3.connect(tmp_path / "bottalk.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(CannotWrite, match="locked"):
                await desk.open("a")
            other.execute("ROLLBACK")
            await desk.open("a")
        finally:
            other.close()
        assert await desk.names() == ["a"]


async def test_while_the_database_is_known_to_be_locked_everybody_is_told_at_once(tmp_path: Path) -> None:
    """Waiting for the lock anew, each group of askers would wait 5 s more than the one before it."""
    async with a_desk(tmp_path) as desk:
        await desk.limit_pages(2)
        with pytest.raises(CannotWrite, match="full"):
            await desk.open(f"big {BIG}")  # ill without a wait
        await desk.limit_pages(None)
        with closing(sqlite3.connect(tmp_path / "bottalk.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            for n in range(5):
                with pytest.raises(CannotWrite, match="locked"):
                    await desk.open(f"session {n}")
            assert time.monotonic() - began < BUSY_TIMEOUT_MS / 1000
            other.execute("ROLLBACK")
        await desk.open("after")
        assert desk.journal.status().cannot_write is None
        waits = await desk.database.write(lambda c: c.execute("PRAGMA busy_timeout").fetchone()[0])
        assert waits == BUSY_TIMEOUT_MS, "a lock is waited for as before"
