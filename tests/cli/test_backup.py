"""`bottalk backup` and `restore`: beside a running daemon, and one life after another on the same data."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from bottalk.cli.exits import CANNOT_OPEN, OK
from bottalk.ops import data_dir
from bottalk.service.logs import LogForm
from bottalk.values import Closed, Reason, RowStatus
from tests.cli.commands import Ended, bottalk, help_of, here
from tests.cli.test_admin import KEYS, roles, seeded
from tests.e2e.processes import field
from tests.service.people import owner
from tests.support.world import World, open_world


def only_backup(directory: Path) -> Path:
    (found,) = (directory / "backups").iterdir()
    return found


def test_without_a_daemon_and_back(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        done = here("backup", data_dir=directory)
        assert (done.exit_code, done.stderr) == (OK, "")
        file = only_backup(directory)
        assert done.stdout.startswith(f"{file}  {file.stat().st_size} bytes, checked: 2 accounts, 0 channels, 0 rows")
        assert here("admin", "grant", "1", data_dir=directory).exit_code == OK
        restored = here("restore", str(file), data_dir=directory)
        assert (restored.exit_code, restored.stderr) == (OK, "")
        assert roles(directory) == {1: "user", 2: "user"}
        for part in ("2 accounts", "bottalk.db.replaced-", "Keys reset since the backup are valid again"):
            assert part in restored.stdout
        (kept,) = directory.glob("bottalk.db.replaced-*")
        with closing(sqlite3.connect(kept)) as connection:
            assert connection.execute("SELECT role FROM users WHERE id = 1").fetchone()[0] == "admin"
        assert not any(key in done.stdout + restored.stdout for key in KEYS.values())


def test_where_and_how_many(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        elsewhere = tmp_path / "elsewhere"
        for _ in range(3):
            done = here("backup", "--to", str(elsewhere), "--keep", "2", "--json", data_dir=directory)
        found = json.loads(done.stdout)
        assert len(list(elsewhere.iterdir())) == 2
        assert (Path(found["file"]).parent, found["accounts"], len(found["removed"])) == (elsewhere, 2, 1)
        settings = {"BOTTALK_BACKUP_DIR": str(tmp_path / "set"), "BOTTALK_BACKUP_KEEP": "1"}
        for _ in range(2):
            assert here("backup", data_dir=directory, **settings).exit_code == OK
        assert len(list((tmp_path / "set").iterdir())) == 1
        assert not (directory / "backups").exists()


def test_a_new_machine_has_no_database_yet(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        here("backup", data_dir=directory)
        done = here("restore", str(only_backup(directory)), "--json", data_dir=tmp_path / "new")
        assert json.loads(done.stdout)["replaced"] is None
        assert roles(tmp_path / "new") == {1: "user", 2: "user"}


def test_a_damaged_database_can_be_replaced(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        here("backup", data_dir=directory)
        (directory / "bottalk.db").write_bytes(b"\xa5" * 90_000)
        assert here("backup", data_dir=directory).exit_code == CANNOT_OPEN
        done = here("restore", str(only_backup(directory)), data_dir=directory)
        assert done.exit_code == OK
        assert "cannot be read" in done.stderr
        assert roles(directory) == {1: "user", 2: "user"}
        (kept,) = directory.glob("bottalk.db.replaced-*")
        assert kept.read_bytes() == b"\xa5" * 90_000


def test_what_is_no_backup_replaces_nothing(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        junk = tmp_path / "junk.db"
        junk.write_bytes(b"no database, but long enough to look like something" * 99)
        for file in (junk, tmp_path / "missing.db", directory):
            done = here("restore", str(file), data_dir=directory)
            assert (done.exit_code, done.stdout) == (CANNOT_OPEN, "")
        assert sorted(path.name for path in directory.iterdir()) == ["bottalk.db", "bottalk.lock"]


def test_a_daemon_keeps_its_database(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        here("backup", data_dir=directory)
        with data_dir.locked(directory):
            done = here("restore", str(only_backup(directory)), data_dir=directory)
        assert (done.exit_code, done.stdout) == (CANNOT_OPEN, "")
        assert "stop it" in done.stderr
        assert list(directory.glob("*replaced*")) == []


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bottalk.store import migrations

    steps = migrations.STEPS
    monkeypatch.setattr(migrations, "STEPS", steps[:1])
    with seeded(tmp_path / "old") as old:
        monkeypatch.setattr(migrations, "STEPS", steps)
        done = here("restore", str(old / "bottalk.db"), data_dir=tmp_path / "data")
        assert done.exit_code == OK, done.stderr
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["bottalk.db", "bottalk.lock"]
        with closing(sqlite3.connect(tmp_path / "data" / "bottalk.db")) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == len(steps)
        with closing(sqlite3.connect(old / "bottalk.db")) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == 1, "the file itself is left alone"


def test_help() -> None:
    for word in ("backup", "restore"):
        assert "Exit codes: 0 done" in help_of(word)
        assert len(help_of(word)) > 800


# --- one life after another ---


async def _restore(world: World, directory: Path, *words: str) -> None:
    done = await trio.to_thread.run_sync(
        lambda: here("restore", str(only_backup(directory)), *words, data_dir=directory)
    )
    assert done.exit_code == OK, done.output


@pytest.mark.parametrize("resend", [False, True])
async def test_life_goes_on_from_a_backup(resend: bool, tmp_path: Path) -> None:
    """What waited then has been delivered since: it is sent again only by the operator's word, and says so."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "等着的", wait=0, delay=1)
        done = await trio.to_thread.run_sync(lambda: here("backup", data_dir=tmp_path))
        assert done.exit_code == OK, done.output
        await world.until(lambda: world.waiting(person) == 0, within=20)
        new_key = await world.daemon.services.accounts.reset_key(owner(world, person).id)
    await _restore(world, tmp_path, *(["--resend"] if resend else []))
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        assert again.daemon.pictures.directory.user_of_key(new_key.reveal()) is None
        assert again.channel(person).window.closed is Closed.REJECTED
        (row,) = await again.daemon.services.logs.of(owner(again, person).id, LogForm())
        if resend:
            await again.until(lambda: again.waiting(person) == 0, within=20)
            (row,) = await again.daemon.services.logs.of(owner(again, person).id, LogForm())
            assert (row.status, "maybe_duplicate" in row.response) == (RowStatus.SUCCESS, True)
        else:
            assert (row.status, row.reason) == (RowStatus.FAILED, Reason.RESTORED)
            await again.push(person, "新的", wait=0)
            await again.until(lambda: "新的" in "".join(again.texts(person)), within=20)
        texts = "\n".join(again.texts(person))
        assert texts.count("等着的") == (2 if resend else 1)


async def test_beside_a_daemon_that_is_pushed_to(tmp_path: Path) -> None:
    async with field(tmp_path) as sandbox, sandbox.daemon():
        bound = await sandbox.bind()
        done: list[Ended] = []

        async def back_up() -> None:
            done.append(await bottalk("backup", "--json", data_dir=sandbox.data_dir))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(back_up)
            answers = [await sandbox.push(bound, f"{n}", wait=0) for n in range(20)]
        assert {answer["code"] for answer in answers} == {0}
        assert done[0].code == OK, done[0].err
        assert done[0].json["accounts"] == 1
        refused = await bottalk("restore", done[0].json["file"], data_dir=sandbox.data_dir)
        assert refused.code == CANNOT_OPEN
        assert "another BotTalk" in refused.err
