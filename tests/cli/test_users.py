"""`bottalk user`: with a daemon and without one."""

from contextlib import closing
from pathlib import Path

import pytest
import trio

from bottalk.cli.exits import CANNOT_OPEN, FAILED, OK, UNAVAILABLE
from bottalk.store.database import connect
from bottalk.values import UserId
from tests.cli.commands import help_of, here
from tests.cli.test_admin import KEYS, seeded
from tests.contract.faults import Disk
from tests.support.sockets import open_live


def test_without_a_daemon_the_database_is_changed(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        listed = here("user", "list", data_dir=directory)
        assert (listed.exit_code, listed.stderr) == (OK, "")
        assert listed.stdout.splitlines()[0].startswith("ID  E-MAIL")
        assert "?[31mBob" in listed.stdout, "nobody steers the terminal"
        assert not any(key in listed.stdout for key in KEYS.values())
        done = here("user", "disable", "ann@example.org", data_dir=directory)
        assert done.stdout == "1  ann@example.org: is disabled (no daemon runs)\n"
        assert here("user", "list", data_dir=directory).stdout.splitlines()[1].endswith("disabled")
        shown = here("user", "list", "--json", data_dir=directory)
        assert '"is_disabled": 1' in shown.stdout
        assert not any(key in shown.stdout for key in KEYS.values())
        assert here("user", "enable", "1", data_dir=directory).exit_code == OK
        assert '"is_disabled": 1' not in here("user", "list", "--json", data_dir=directory).stdout


def test_a_new_key_is_printed_and_the_only_one(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        done = here("user", "reset-key", "o-bob@im.wechat", data_dir=directory)
        key = done.stdout.strip()
        assert (done.exit_code, len(key)) == (OK, 32)
        assert key != KEYS["bob"]
        again = here("user", "reset-key", "2", "--json", data_dir=directory)
        assert '"id": 2' in again.stdout
        assert key not in again.stdout


@pytest.mark.parametrize("command", ["disable", "enable", "reset-key"])
def test_nobody_of_that_name(tmp_path: Path, command: str) -> None:
    with seeded(tmp_path / "data") as directory:
        done = here("user", command, "nobody@example.org", data_dir=directory)
        assert (done.exit_code, done.stdout) == (FAILED, "")
        assert "nobody@example.org" in done.stderr


def test_help_and_a_wrong_directory(tmp_path: Path) -> None:
    for words in (["user"], *(["user", word] for word in ("list", "disable", "enable", "reset-key"))):
        assert len(help_of(*words)) > 200
    assert here("user", "list", data_dir=tmp_path).exit_code == CANNOT_OPEN
    assert here("user", "disable", data_dir=tmp_path).exit_code == 2


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        path = directory / "bottalk.db"
        with closing(connect(path)) as connection:
            size = connection.execute("PRAGMA page_size").fetchone()[0]
            page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'users'").fetchone()[0]
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * 64)
        found = here("user", "list", data_dir=directory)
        assert found.exit_code == CANNOT_OPEN, found.exception
        assert found.stderr.startswith("bottalk: the database")
        assert "malformed" in found.stderr


async def test_a_running_daemon_does_it_at_once(tmp_path: Path) -> None:
    """Pushes with the old key, and of a disabled account, end with the command."""
    async with open_live(tmp_path / "data") as live, live.browser() as browser:
        user, key = await live.bind(browser)

        async def command(*words: str) -> str:
            done = await trio.to_thread.run_sync(lambda: here("user", *words, data_dir=live.data_dir))
            assert done.exit_code == OK, done.stderr
            return done.stdout

        async def code(key: str) -> int:
            answer = await browser.post(f"/{key}.send", data={"title": "x", "wait": "0"})
            return int(answer.json()["code"])

        assert await code(key) == 40002
        new = (await command("reset-key", user)).strip()
        assert (await code(key), await code(new)) == (40001, 40002)
        assert await command("disable", "1") == f"1  {user}: is disabled\n"
        assert await code(new) == 40001
        found = live.daemon.pictures.directory.user(UserId(1))
        assert found is not None
        assert found.is_disabled
        assert live.daemon.channels.child(live.daemon.pictures.directory.channels_of(UserId(1))[0].id) is None
        await command("enable", "1")
        assert await code(new) == 40002
        assert user in await command("list")
        assert new not in await command("list", "--json")


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """The daemon cannot save it: exit code 69, in words, and nothing is changed."""
    disk = Disk()
    async with open_live(tmp_path / "data", runner=disk) as live, live.browser() as browser:
        _, key = await live.bind(browser)
        disk.full = True
        done = await trio.to_thread.run_sync(lambda: here("user", "reset-key", "1", data_dir=live.data_dir))
        disk.full = False
        assert done.exit_code == UNAVAILABLE
        assert "could not save it" in done.stderr
        assert live.daemon.pictures.directory.user_of_key(key) is not None
