"""What was removed is in no byte of the files, once they were written anew; and nothing else is lost by that."""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from bottalk.store import migrations, pushes, rewriting, users
from bottalk.store.database import connect, open_database
from bottalk.values import Secret, User, UserId
from tests.support.removals import LEAVES, ROWS, STAYS, born, folded, has_left, leave, live, traces

NOW = 1_790_000_000.0


def new_file(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    migrations.migrate(connection, path, now=1.0)
    connection.execute("PRAGMA synchronous=OFF")  # thousands of commits, and no power cut
    return connection


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(new_file(tmp_path / "bottalk.db")) as opened:
        yield opened


# --- what is left ---


def test_a_deleted_account_leaves_no_text_in_the_files(tmp_path: Path, connection: sqlite3.Connection) -> None:
    live(connection)
    assert len(traces(tmp_path)) == ROWS
    leave(connection)
    folded(connection)
    assert traces(tmp_path, has_left), "SQLite's own overwriting forgets copies that it made itself"
    rewriting.rewrite(connection)
    folded(connection)
    assert traces(tmp_path, has_left) == set()
    assert len(traces(tmp_path)) == ROWS // 2, "the other account has all of its own"


def test_texts_that_the_log_does_not_keep_are_gone(tmp_path: Path, connection: sqlite3.Connection) -> None:
    live(connection, "none")
    rewriting.rewrite(connection)
    folded(connection)
    assert traces(tmp_path) == set()


def test_what_is_removed_after_a_rewriting_goes_with_the_next(tmp_path: Path, connection: sqlite3.Connection) -> None:
    live(connection)
    rewriting.rewrite(connection)
    leave(connection)
    assert rewriting.standing(connection).has_removed
    rewriting.rewrite(connection)
    folded(connection)
    assert traces(tmp_path, has_left) == set()


def test_the_rows_are_the_same_afterwards(tmp_path: Path, connection: sqlite3.Connection) -> None:
    live(connection)
    leave(connection)
    before = connection.execute("SELECT * FROM push_logs ORDER BY id").fetchall()
    size = rewriting.standing(connection).bytes
    rewriting.rewrite(connection)
    assert [tuple(row) for row in before] == [tuple(row) for row in connection.execute("SELECT * FROM push_logs")]
    assert pushes.next_id(connection) == ROWS + 1
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 1000
    folded(connection)
    assert (tmp_path / "bottalk.db").stat().st_size == rewriting.standing(connection).bytes < size * 0.7


def test_what_sqlite_writes_aside_lies_beside_the_file(tmp_path: Path, connection: sqlite3.Connection) -> None:
    """It has no name, but its bytes are on a disk: on the one that the operator has chosen for them."""
    live(connection)
    seen: set[str] = set()

    def look() -> None:
        for handle in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                seen.add(os.readlink(handle))

    connection.set_progress_handler(look, 1000)
    rewriting.rewrite(connection)
    aside = {Path(name).parent for name in seen if "etilqs" in name}
    assert aside == {tmp_path}


# --- whether there is something to do ---


REMOVALS = {
    "a row of the log": "DELETE FROM push_logs WHERE id = 1",
    "a text": "UPDATE push_logs SET text = '' WHERE id = 1",
    "a title": "UPDATE push_logs SET title = '' WHERE id = 1",
    "an idempotency key": "UPDATE push_logs SET idempotency_key = NULL WHERE id = 1",
    "an account": "DELETE FROM users",
    "a SendKey": "UPDATE users SET send_key = 'new'",
    "a nickname": "UPDATE users SET nickname = 'new'",
    "an address": "UPDATE users SET email = NULL",
    "a WeChat id": "UPDATE users SET wechat_openid = NULL",
    "a channel": "DELETE FROM channels",
    "a token": "UPDATE channels SET bot_token = ''",
    "a reminder": "DELETE FROM reminders",
    "a reminder's title": "UPDATE reminders SET title = 'new'",
    "a reminder's words": "UPDATE reminders SET message = 'new'",
}

OTHERS = {
    "a push": "INSERT INTO push_logs SELECT {columns} FROM push_logs",
    "an end that keeps the text": "UPDATE push_logs SET status = 'success', response = '{{}}'",
    "the same words again": "UPDATE push_logs SET title = title, text = text, idempotency_key = idempotency_key",
    "a window": "UPDATE channels SET window_spent = 3, bot_token = bot_token, context_token = 'next'",
    "a role": "UPDATE users SET role = 'admin', send_key = send_key, nickname = nickname, email = email",
    "a firing": "UPDATE reminders SET send_count = 1, title = title, message = message",
}


@pytest.fixture
def peopled(connection: sqlite3.Connection) -> sqlite3.Connection:
    """An account with a channel, a reminder and a push."""
    users.insert(
        connection, User(UserId(1), Secret("SCT1"), 1.0, email="a@example.org", wechat_openid="wx", nickname="ann")
    )
    connection.execute(
        "INSERT INTO channels (user_id, name, wechat_openid, bot_id, bot_token, base_url, status, created_at,"
        " bound_at, window_life) VALUES (1, '', 'wx', 'b', 'token', '', 'active', 1, 1, 1)"
    )
    connection.execute(
        "INSERT INTO reminders (user_id, title, message, type, time, channel, max_count, created_at, since, zone,"
        " enabled, send_count, fired_until) VALUES (1, 't', 'm', 'daily', '08:00', '', 0, 1, 1, 'UTC', 1, 0, 1)"
    )
    born(connection, 1, UserId(1), "题", "文")
    connection.execute("UPDATE push_logs SET idempotency_key = 'k'")
    return connection


@pytest.mark.parametrize("statement", REMOVALS.values(), ids=REMOVALS)
def test_the_file_remembers_that_something_was_removed(peopled: sqlite3.Connection, statement: str) -> None:
    assert not rewriting.standing(peopled).has_removed
    peopled.execute("PRAGMA foreign_keys=OFF")
    assert peopled.execute(statement).rowcount == 1
    assert rewriting.standing(peopled).has_removed
    rewriting.rewrite(peopled)
    assert not rewriting.standing(peopled).has_removed


@pytest.mark.parametrize("statement", OTHERS.values(), ids=OTHERS)
def test_what_removes_nothing_asks_for_no_rewriting(peopled: sqlite3.Connection, statement: str) -> None:
    names = [row["name"] for row in peopled.execute("PRAGMA table_info(push_logs)")]
    columns = ", ".join({"id": "2", "idempotency_key": "'other'"}.get(name, name) for name in names)
    assert peopled.execute(statement.format(columns=columns)).rowcount == 1
    assert not rewriting.standing(peopled).has_removed


def test_a_removal_that_is_rolled_back_is_none(peopled: sqlite3.Connection) -> None:
    peopled.execute("BEGIN")
    peopled.execute("DELETE FROM push_logs")
    peopled.execute("ROLLBACK")
    assert not rewriting.standing(peopled).has_removed


@pytest.mark.parametrize("has_log", [True, False])
async def test_a_file_of_before_is_written_anew_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_log: bool
) -> None:
    """Nobody knows what was removed from it."""
    steps = migrations.STEPS
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", steps[:-1])
        with closing(new_file(tmp_path / "bottalk.db")) as old:
            if has_log:
                born(old, 1, LEAVES, "题", "文")
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        assert (await database.read(rewriting.standing)).has_removed == has_log


def test_a_try_is_remembered(connection: sqlite3.Connection) -> None:
    assert rewriting.standing(connection).tried_at is None
    rewriting.note_try(connection, NOW)
    rewriting.note_try(connection, NOW + 0.5)
    assert rewriting.standing(connection).tried_at == NOW + 0.5


# --- what may happen meanwhile ---


async def test_a_write_that_comes_meanwhile_waits_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "bottalk.db"
    with closing(new_file(path)) as connection:
        live(connection)
        leave(connection)
    async with open_database(path, now=NOW) as database, trio.open_nursery() as nursery:
        nursery.start_soon(database.write, rewriting.rewrite)
        await trio.testing.wait_all_tasks_blocked()
        await database.write(lambda c: born(c, ROWS + 1, STAYS, "新", "来的"))
        assert not await database.read(lambda c: rewriting.standing(c).has_removed), "it came after the rewriting"
        assert await database.read(lambda c: pushes.next_id(c)) == ROWS + 2


async def test_a_reader_sees_its_moment_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "bottalk.db"
    with closing(new_file(path)) as connection:
        live(connection)
    async with open_database(path, now=NOW) as database:
        with closing(connect(path, readonly=True)) as reader:
            reading = reader.execute("SELECT id FROM push_logs ORDER BY id")
            first = reading.fetchone()[0]
            await database.write(leave)
            await database.write(rewriting.rewrite)
            assert [first, *(row[0] for row in reading)] == list(range(1, ROWS + 1))
        assert await database.checkpoint()
    assert traces(tmp_path, has_left) == set()


KILLED = """
import os, signal, sys, threading
from pathlib import Path
from bottalk.store import rewriting
from bottalk.store.database import connect

path, moment = Path(sys.argv[1]), sys.argv[2]
connection = connect(path)
log = path.with_name(path.name + "-wal")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_when_the_log_grows():
    while not log.exists() or log.stat().st_size < 300_000:
        pass
    die()

if moment == "copying":
    calls = iter(range(10))
    connection.set_progress_handler(lambda: next(calls, None) is None and die(), 1000)
else:
    threading.Thread(target=die_when_the_log_grows, daemon=True).start()
rewriting.rewrite(connection)
print("it was not killed")
"""


@pytest.mark.parametrize("moment", ["copying", "writing"])
async def test_a_kill_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "bottalk.db"
    with closing(new_file(path)) as connection:
        live(connection)
        leave(connection)
        before = [tuple(row) for row in connection.execute("SELECT * FROM push_logs")]
    command = [sys.executable, "-c", KILLED, str(path), moment]
    killed = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b""), killed.stderr
    assert set(os.listdir(tmp_path)) <= {"bottalk.db", "bottalk.db-wal", "bottalk.db-shm"}
    async with open_database(path, now=NOW) as database:
        assert await database.read(lambda c: c.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
        found = await database.read(lambda c: c.execute("SELECT * FROM push_logs").fetchall())
        assert [tuple(row) for row in found] == before
        assert await database.read(lambda c: rewriting.standing(c).has_removed), "it is still to do"
        await database.write(rewriting.rewrite)
        assert await database.checkpoint()
        assert traces(tmp_path, has_left) == set()
