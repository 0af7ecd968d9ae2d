"""`bottalk check`: would this version run here? It looks, and changes nothing."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bottalk.cli.exits import CANNOT_OPEN, CONFIG, OK
from bottalk.store.database import connect
from bottalk.store.migrations import STEPS, migrate
from tests.cli.commands import bottalk
from tests.e2e.processes import field

KNOWN = len(STEPS)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """One of this version's schema."""
    path = tmp_path / "bottalk.db"
    with closing(connect(path)) as connection:
        migrate(connection, path, 1_790_000_000.0)
    return path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def contents(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob("*.db*")}


async def test_a_place_without_a_database_is_well(tmp_path: Path) -> None:
    ended = await bottalk("check", data_dir=tmp_path / "data")
    assert (ended.code, ended.err) == (OK, "")
    assert "is not there yet" in ended.out
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("version", "least_reader", "says"),
    [
        (KNOWN, KNOWN, f"has this version's schema ({KNOWN})"),
        (KNOWN - 1, 1, f"has schema {KNOWN - 1} and will be brought to {KNOWN}"),
        (KNOWN + 2, KNOWN, f"has schema {KNOWN + 2}, which this version ({KNOWN}) can work with"),
    ],
)
async def test_a_database_that_it_can_work_with(database: Path, version: int, least_reader: int, says: str) -> None:
    least = f"UPDATE meta SET value = '{least_reader}' WHERE key = 'least_reader'"
    change(database, f"PRAGMA user_version={version}", least)
    before = contents(database.parent)
    ended = await bottalk("check", data_dir=database.parent)
    assert (ended.code, ended.err) == (OK, "")
    assert says in ended.out
    after = contents(database.parent)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if "before-" in name], "no step was taken"


async def test_a_database_of_a_version_that_it_cannot_follow(database: Path) -> None:
    change(
        database,
        f"PRAGMA user_version={KNOWN + 1}",
        f"UPDATE meta SET value = '{KNOWN + 1}' WHERE key = 'least_reader'",
    )
    ended = await bottalk("check", data_dir=database.parent)
    assert (ended.code, ended.out) == (CANNOT_OPEN, "")
    assert "written by a newer version" in ended.err
    assert "Traceback" not in ended.err


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "bottalk.db").write_bytes(b"these are my holiday pictures " * 200)
    ended = await bottalk("check", data_dir=tmp_path)
    assert ended.code == CANNOT_OPEN
    assert "not a database" in ended.err


async def test_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "bottalk.toml").write_text('port = "many"\n')
    ended = await bottalk("check", "--config", str(tmp_path / "bottalk.toml"), data_dir=tmp_path)
    assert ended.code == CONFIG
    assert "port" in ended.err


async def test_a_bad_file_of_words_is_a_wrong_setting(tmp_path: Path) -> None:
    """A later version may refuse what this one took."""
    words = tmp_path / "words.toml"
    words.write_text('digset = "x"\n')
    (tmp_path / "bottalk.toml").write_text(f'words = "{words}"\n')
    ended = await bottalk("check", "--config", str(tmp_path / "bottalk.toml"), data_dir=tmp_path / "data")
    assert (ended.code, ended.out) == (CONFIG, "")
    assert f"{words}: digset: unknown word, did you mean 'digest'?" in ended.err
    assert "Traceback" not in ended.err


async def test_a_daemon_may_run_meanwhile(tmp_path: Path) -> None:
    async with field(tmp_path) as the, the.daemon() as daemon:
        await the.bind()
        ended = await bottalk("check", data_dir=the.data_dir)
        assert ended.code == OK
        assert "this version's schema" in ended.out
        assert daemon.popen.poll() is None
