"""From any older schema to ours, never over something that we do not understand, and always with a copy first."""

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlite_utils

from bottalk.store import migrations
from bottalk.store.database import StoreError, open_database

NOW = 1_790_000_000.0
KNOWN = len(migrations.STEPS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bottalk.db"


async def open_once(path: Path) -> int:
    """Open and close; the file's schema version then."""
    async with open_database(path, now=NOW):
        pass
    return version_of(path)


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def add_step(monkeypatch: pytest.MonkeyPatch, sql: str, least_reader: int = 1) -> None:
    def step(db: sqlite_utils.Database) -> None:
        db.executescript(sql)  # as the real ones do; the standard library's would commit first

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, (step, least_reader)))


def copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob("bottalk.db.before-*"))


async def test_a_fresh_file_gets_every_step_and_no_backup(path: Path) -> None:
    assert await open_once(path) == KNOWN
    assert copies(path) == []
    assert await open_once(path) == KNOWN, "a second time there is nothing to do"


async def test_every_older_schema_is_brought_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of each past version ends with exactly the schema of a fresh one."""
    await open_once(path)
    fresh = schema(path)
    steps = migrations.STEPS
    for version in range(1, KNOWN):
        old = path.with_name(f"old-{version}.db")
        monkeypatch.setattr(migrations, "STEPS", steps[:version])
        assert await open_once(old) == version
        monkeypatch.setattr(migrations, "STEPS", steps)
        assert await open_once(old) == KNOWN
        assert schema(old) == fresh


async def test_a_migration_keeps_a_copy_of_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_once(path)
    change(path, "INSERT INTO meta VALUES ('dear', 'to me')")
    add_step(monkeypatch, "CREATE TABLE extra (x); DELETE FROM meta WHERE key = 'dear';")
    assert await open_once(path) == KNOWN + 1
    (copy,) = copies(path)
    assert copy.name == f"bottalk.db.before-{KNOWN + 1}-{int(NOW)}"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert version_of(copy) == KNOWN
    kept = sqlite3.connect(copy)
    try:
        assert kept.execute("SELECT value FROM meta WHERE key = 'dear'").fetchone() == ("to me",)
    finally:
        kept.close()


async def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await open_once(path)
    before = schema(path)
    add_step(monkeypatch, "CREATE TABLE extra (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError, match=r"nowhere.*Nothing in it was changed"):
        await open_once(path)
    assert (version_of(path), schema(path)) == (KNOWN, before)


async def test_a_newer_file_is_refused_with_the_way_out(path: Path) -> None:
    await open_once(path)
    change(path, f"PRAGMA user_version={KNOWN + 3}", f"UPDATE meta SET value = {KNOWN + 2} WHERE key = 'least_reader'")
    before = bytes_of(path)
    with pytest.raises(StoreError, match=f"schema {KNOWN + 3}, this one knows {KNOWN}") as refused:
        await open_once(path)
    assert "install that version again" in str(refused.value)
    assert bytes_of(path) == before


async def test_a_newer_file_that_we_can_read_is_taken(path: Path) -> None:
    await open_once(path)
    change(path, f"PRAGMA user_version={KNOWN + 3}", f"UPDATE meta SET value = {KNOWN} WHERE key = 'least_reader'")
    assert await open_once(path) == KNOWN + 3, "and its version stays"


async def test_a_newer_file_that_does_not_say_who_can_read_it_is_refused(path: Path) -> None:
    await open_once(path)
    change(path, f"PRAGMA user_version={KNOWN + 1}", "DELETE FROM meta WHERE key = 'least_reader'")
    with pytest.raises(StoreError, match="newer version"):
        await open_once(path)


async def test_what_is_no_database_is_told_and_not_overwritten(path: Path) -> None:
    overwrite(path, b"not a database, and longer than its first page\n" * 200)
    before = bytes_of(path)
    with pytest.raises(StoreError, match="file is not a database"):
        await open_once(path)
    assert bytes_of(path) == before


async def test_a_file_with_a_damaged_schema_is_told_and_not_overwritten(path: Path) -> None:
    await open_once(path)
    damaged = bytearray(bytes_of(path))
    damaged[100:1000] = b"\xff" * 900  # the first page's tree: the table of tables
    overwrite(path, bytes(damaged))
    with pytest.raises(StoreError, match=r"malformed|not a database"):
        await open_once(path)
    assert bytes_of(path) == bytes(damaged)
    assert copies(path) == []


def schema(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    try:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, sql) for name, sql in found]
    finally:
        connection.close()


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)
