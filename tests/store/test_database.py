"""The database file: how it is opened, what it refuses, and that its transactions hold."""

import sqlite3
import stat
import sys
import threading
from pathlib import Path

import pytest
import trio

from bottalk.store.database import Database, StoreError, connect, open_database, transaction

NOW = 1_790_000_000.0


async def test_a_new_file_has_the_pragmas_of_the_house_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "bottalk.db"
    async with open_database(path, now=NOW) as database:
        pragmas = await database.write(
            lambda c: {
                name: c.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        )
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
        modes = modes_in(tmp_path)
        assert set(modes) >= {"bottalk.db", "bottalk.db-wal"}
        assert set(modes.values()) == {0o600}
    assert set(modes_in(tmp_path)) == {"bottalk.db"}, "the WAL is folded in at the end"


def modes_in(directory: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}


@pytest.mark.parametrize("name", ["a#b", "50%41", "what?", "通道 数据"])
async def test_any_directory_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "bottalk.db"
    path.parent.mkdir()
    async with open_database(path, now=NOW) as database:
        assert await database.read(lambda c: c.execute("SELECT count(*) FROM users").fetchone()[0]) == 0
    assert path.exists()


async def test_foreign_keys_hold(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            await database.write(
                lambda c: c.execute(
                    "INSERT INTO channels (user_id, name, wechat_openid, bot_id, bot_token, base_url, status,"
                    " created_at, bound_at, window_life) VALUES (77, '', '', '', '', '', '', 0, 0, 0)"
                )
            )


async def test_a_reader_cannot_write_and_sees_only_what_is_committed(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await database.read(lambda c: c.execute("DELETE FROM users"))
        await database.write(lambda c: c.execute("BEGIN IMMEDIATE") and c.execute("INSERT INTO meta VALUES ('a', 'b')"))
        assert await value_of(database, "a") is None
        await database.write(lambda c: c.execute("COMMIT"))
        assert await value_of(database, "a") == "b"


async def test_a_long_read_stalls_neither_a_write_nor_the_other_reader(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        begun, release = trio.Event(), trio.Event()

        def long_read(connection: sqlite3.Connection) -> None:
            cursor = connection.execute("SELECT 1 UNION SELECT 2")
            cursor.fetchone()
            trio.from_thread.run_sync(begun.set)
            trio.from_thread.run(release.wait)
            cursor.fetchone()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.read, long_read)
            await begun.wait()
            await database.write(write_one)
            assert await value_of(database, "one") == "1"
            release.set()


async def test_a_cancel_waits_for_the_commit(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:

            def write(connection: sqlite3.Connection) -> None:
                trio.from_thread.run_sync(scope.cancel, trio_token=token)
                write_one(connection)

            await database.write(write)
        assert await value_of(database, "one") == "1"


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    connection = connect(tmp_path / "bottalk.db")
    try:
        connection.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            insert_into(connection, "t", "nowhere")
        assert not connection.in_transaction
        assert connection.execute("SELECT count(*) FROM t").fetchone()[0] == 0
    finally:
        connection.close()


async def test_a_directory_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the database"):
        async with open_database(tmp_path / "nowhere" / "bottalk.db", now=NOW):
            pass


def insert_into(connection: sqlite3.Connection, *tables: str) -> None:
    with transaction(connection):
        for table in tables:
            connection.execute(f"INSERT INTO {table} VALUES (1)")


def write_one(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO meta VALUES ('one', '1')")


async def test_who_comes_and_goes_does_not_take_the_log_away(tmp_path: Path) -> None:
    """The locks that say we are here are held, whatever else was opened and closed of the file at start."""
    path = tmp_path / "bottalk.db"
    for _ in range(2):  # a new file, and one that exists
        async with open_database(path, now=NOW) as database:
            await database.write(lambda c: c.execute("DELETE FROM meta WHERE key = 'one'"))
            look = "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
            command = [sys.executable, "-c", look, str(path), "SELECT value FROM meta WHERE key = 'one'"]
            assert (await trio.run_process(command, capture_stdout=True)).stdout == b"[]\n"
            assert path.with_name("bottalk.db-wal").exists()
            await database.write(write_one)
            assert (await trio.run_process(command, capture_stdout=True)).stdout == b"[('1',)]\n"


async def value_of(database: Database, key: str) -> str | None:
    row = await database.read(lambda c: c.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone())
    return None if row is None else str(row["value"])


async def test_what_the_writer_raises_reaches_who_asked_and_the_thread_lives_on(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:

        def fail(connection: sqlite3.Connection) -> None:
            raise LookupError("planted")

        for _ in range(3):
            with pytest.raises(LookupError, match="planted"):
                await database.write(fail)
        await database.write(write_one)
        assert await value_of(database, "one") == "1"
        assert any(thread.name == "bottalk-journal" for thread in threading.enumerate())
    assert not any(thread.name == "bottalk-journal" for thread in threading.enumerate())
