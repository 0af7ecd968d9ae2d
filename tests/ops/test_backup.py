"""Backups: whole or not there, checked, a bounded number; and a file that takes the database's place."""

import fcntl
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bottalk.ops import backup
from bottalk.ops.backup import BackupError
from bottalk.store import copies, migrations, users
from bottalk.store.database import connect, transaction
from bottalk.values import Secret, User, UserId
from tests.support import old_bottalk

NOW = 1_790_000_000.0
FIRST_NAME = "bottalk-20260921-141320.db"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one account."""
    path = tmp_path / "data" / "bottalk.db"
    path.parent.mkdir()
    with closing(connect(path)) as connection:
        migrations.migrate(connection, path, NOW)
    add_user(path, "a")
    return path


def add_user(path: Path, key: str) -> None:
    with closing(connect(path)) as connection, transaction(connection):
        users.insert(connection, User(UserId(0), Secret(key), NOW))


def keys(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT send_key FROM users ORDER BY id")]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_backup_holds_what_is_committed_in_one_private_file(database: Path, tmp_path: Path) -> None:
    where = tmp_path / "far" / "backups"
    with closing(connect(database)) as daemon:  # its latest commits are in the write-ahead log only
        daemon.execute("PRAGMA wal_autocheckpoint=0")
        with transaction(daemon):
            users.insert(daemon, User(UserId(0), Secret("b"), NOW))
        daemon.execute("BEGIN IMMEDIATE")
        users.insert(daemon, User(UserId(0), Secret("not committed"), NOW))
        made = backup.make(database, where, 7, NOW)
        daemon.execute("ROLLBACK")
    assert made.path == where / FIRST_NAME
    assert names(where) == [FIRST_NAME], "no log of commits beside it"
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(where.stat().st_mode) == 0o700
    assert made.path.read_bytes()[18:20] == b"\x01\x01", "read without a write-ahead log: on read-only media, too"
    assert keys(made.path) == ["a", "b"]
    assert (made.facts.users, made.facts.waiting, made.bytes) == (2, 0, made.path.stat().st_size)
    assert backup.newest_at(where, NOW) == NOW


def test_the_newest_are_kept_and_other_files_left_alone(database: Path, tmp_path: Path) -> None:
    where = tmp_path / "backups"
    where.mkdir()
    (where / "bottalk.db").write_text("mine")
    (where / "bottalk-20260921-141320.db.old").write_text("mine")
    for n in range(4):
        made = backup.make(database, where, 2, NOW + n // 2)
    assert [path.name for path in made.removed] == ["bottalk-20260921-141320-2.db"]
    assert [path.name for path in backup.every(where)] == ["bottalk-20260921-141321-2.db", "bottalk-20260921-141321.db"]
    assert len(names(where)) == 4
    backup.make(database, where, 0, NOW + 9)
    assert backup.newest_at(where, NOW + 9) == NOW + 9, "the one just made is never removed"
    assert len(backup.every(where)) == 1


def test_those_from_the_future_count_for_nothing_and_stay(database: Path, tmp_path: Path) -> None:
    """The clock was wrong then, or is now: nobody knows which."""
    where = tmp_path / "backups"
    later = [backup.make(database, where, 9, NOW + n).path for n in (1000, 2000)]
    made = [backup.make(database, where, 1, NOW + n) for n in (0, 1)]
    assert [path.name for path in made[1].removed] == [FIRST_NAME]
    assert backup.newest_at(where, NOW + 1) == NOW + 1
    assert backup.every(where) == [*reversed(later), made[1].path]
    assert backup.make(database, where, 1, NOW + 3000).removed == (*reversed(later), made[1].path)


def test_a_name_that_no_day_has_is_another_file(tmp_path: Path) -> None:
    (tmp_path / "bottalk-20261399-250000.db").write_text("mine")
    assert (backup.every(tmp_path), backup.newest_at(tmp_path, NOW)) == ([], None)


def test_there_is_no_backup_where_there_is_no_directory(tmp_path: Path) -> None:
    assert (backup.every(tmp_path / "none"), backup.newest_at(tmp_path / "none", NOW)) == ([], None)


def test_one_at_a_time_and_leftovers_of_a_killed_one_go(database: Path, tmp_path: Path) -> None:
    where = tmp_path / "backups"
    where.mkdir()
    (where / ".unfinished-1.db").write_text("half")
    handle = os.open(where, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="another backup"):
            backup.make(database, where, 7, NOW)
    finally:
        os.close(handle)
    assert names(where) == [".unfinished-1.db"], "it belongs to the one that runs"
    backup.make(database, where, 7, NOW)
    assert names(where) == [FIRST_NAME]


def test_a_damaged_database_makes_no_backup_and_removes_none(database: Path, tmp_path: Path) -> None:
    where = tmp_path / "backups"
    backup.make(database, where, 1, NOW)
    damage(database)
    with pytest.raises(BackupError, match=r"damaged|malformed"):
        backup.make(database, where, 1, NOW + 1)
    assert names(where) == [FIRST_NAME]


def damage(database: Path) -> None:
    """Every page but the first is junk."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_what_stands_in_the_way_is_told(database: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no database"):
        backup.make(tmp_path / "none.db", tmp_path, 7, NOW)
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="no backup could be made in"):
        backup.make(database, tmp_path / "file", 7, NOW)


# --- what may be restored ---


def test_a_checked_copy_is_removed_unless_it_was_moved_away(database: Path, tmp_path: Path) -> None:
    made = backup.make(database, tmp_path / "backups", 7, NOW)
    with backup.unpacked(made.path, database.parent) as (copy, facts):
        assert facts.users == 1
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert names(database.parent) == ["bottalk.db"]


def test_no_other_file_is_unpacked(database: Path, tmp_path: Path) -> None:
    damaged = backup.make(database, tmp_path / "damaged", 7, NOW).path
    damage(damaged)
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no database, but long enough to look like something" * 99)
    empty = tmp_path / "empty.db"
    empty.touch()
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE meta (key, value)")
    newer = backup.make(database, tmp_path / "newer", 7, NOW).path
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'least_reader'")
        connection.execute("PRAGMA user_version=999")
        connection.commit()
    node = old_bottalk.write(tmp_path / "node.db", {})
    for file, why in (
        (damaged, "damaged|malformed"),
        (junk, "no database"),
        (empty, "no database of BotTalk"),
        (other, "no database of BotTalk"),
        (newer, "newer version"),
        (node, "bottalk import"),
        (tmp_path / "missing.db", "there is no file"),
        (tmp_path, "there is no file"),
    ):
        with pytest.raises(BackupError, match=why), backup.unpacked(file, database.parent):
            pass
        assert names(database.parent) == ["bottalk.db"]
    assert keys(database) == ["a"]


def test_a_newer_file_that_this_version_may_read_is_good(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version=999")
    assert copies.check(database).schema == 999


def test_the_database_of_before_is_kept_with_its_log_of_commits(database: Path, tmp_path: Path) -> None:
    made = backup.make(database, tmp_path / "backups", 7, NOW)
    add_user(database, "b")
    database.with_name("bottalk.db-wal").write_bytes(b"left by a crash")
    with backup.unpacked(made.path, database.parent) as (copy, _):
        kept = backup.put_in_place(copy, database, NOW)
    assert kept is not None
    assert names(database.parent) == ["bottalk.db", kept.name, f"{kept.name}-wal"]
    assert keys(database) == ["a"]
    kept.with_name(f"{kept.name}-wal").unlink()
    assert keys(kept) == ["a", "b"]


def test_two_restores_in_one_second_keep_both_databases_of_before(database: Path, tmp_path: Path) -> None:
    made = backup.make(database, tmp_path / "backups", 7, NOW)
    kept = []
    for user in "bc":
        add_user(database, user)
        with backup.unpacked(made.path, database.parent) as (copy, _):
            kept.append(backup.put_in_place(copy, database, NOW))
    assert [keys(one) for one in kept if one is not None] == [["a", "b"], ["a", "c"]]
    assert keys(database) == ["a"]


def test_where_there_was_none_nothing_is_kept(database: Path, tmp_path: Path) -> None:
    made = backup.make(database, tmp_path / "backups", 7, NOW)
    elsewhere = tmp_path / "new"
    elsewhere.mkdir()
    with backup.unpacked(made.path, elsewhere) as (copy, _):
        assert backup.put_in_place(copy, elsewhere / "bottalk.db", NOW) is None
    assert names(elsewhere) == ["bottalk.db"]
