"""`bottalk channel`: with a daemon and without one."""

import json
from contextlib import closing
from pathlib import Path

import pytest
import trio

from bottalk.cli.exits import FAILED, OK, UNAVAILABLE
from bottalk.store import channels, pushes
from bottalk.store.database import connect, transaction
from bottalk.values import ChannelId, RowId, UserId, Window
from tests.cli.commands import help_of, here
from tests.cli.test_admin import seeded
from tests.store.test_restored import birth, channel
from tests.support.sockets import open_live, until


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """No daemon. Ann has two channels and Bob one; two rows wait for Ann's first."""
    with seeded(tmp_path / "data") as found, closing(connect(found / "bottalk.db")) as connection:
        with transaction(connection):
            for owner, n in ((1, 1), (1, 2), (2, 3)):
                channels.insert(connection, channel(UserId(owner), n, Window(life=86400.0)))
            for row_id in (1, 2):
                pushes.insert(connection, birth(UserId(1), RowId(row_id)), "full")
        return found


def waiting(directory: Path) -> dict[int, list[int]]:
    with closing(connect(directory / "bottalk.db", readonly=True)) as connection:
        return {n: [row_id for row_id, _ in pushes.waiting(connection, ChannelId(n))] for n in (1, 2, 3)}


def test_the_list_says_what_waits_and_why(directory: Path) -> None:
    done = here("channel", "list", data_dir=directory)
    assert done.exit_code == OK
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ID", "1", "2", "3"]
    assert "yellow: waiting_for_reply" in done.stdout
    assert "No daemon runs" in done.stderr
    ill = json.loads(here("channel", "list", "--ill", "--json", data_dir=directory).stdout)
    assert [(one["id"], one["queued"], one["window"]) for one in ill] == [(1, 2, "never_opened")]
    assert ill[0]["advice"]
    assert "bot_token" not in ill[0]
    bobs = json.loads(here("channel", "list", "--user", "2", "--json", data_dir=directory).stdout)
    assert [one["id"] for one in bobs] == [3]


def test_what_waits_is_moved(directory: Path) -> None:
    done = here("channel", "move", "1", "2", data_dir=directory)
    assert (done.exit_code, done.stdout) == (OK, "2 rows now wait for channel 2\n")
    assert waiting(directory) == {1: [], 2: [1, 2], 3: []}
    assert json.loads(here("channel", "move", "2", "1", "--json", data_dir=directory).stdout) == {"rows": 2}


@pytest.mark.parametrize(("words", "says"), [(("1", "3"), "same account"), (("1", "9"), "not found"), (("1", "1"), "")])
def test_a_move_that_cannot_be_moves_nothing(directory: Path, words: tuple[str, str], says: str) -> None:
    done = here("channel", "move", *words, data_dir=directory)
    assert (done.exit_code, done.stdout) == (FAILED, "")
    assert says in done.stderr
    assert waiting(directory)[1] == [1, 2]


def test_a_drop_asks_first(directory: Path) -> None:
    refused = here("channel", "drop", "1", data_dir=directory, answer="n\n")
    assert refused.exit_code == FAILED
    assert waiting(directory)[1] == [1, 2]
    assert here("channel", "drop", "1", data_dir=directory).exit_code == FAILED, "nobody is there to say yes"
    done = here("channel", "drop", "1", "--yes", "--json", data_dir=directory)
    assert (done.exit_code, json.loads(done.stdout)) == (OK, {"rows": 2})
    assert waiting(directory)[1] == []
    with closing(connect(directory / "bottalk.db", readonly=True)) as connection:
        rows = connection.execute("SELECT DISTINCT status, reason FROM push_logs").fetchall()
    assert [tuple(row) for row in rows] == [("failed", "deleted")]
    assert here("channel", "drop", "9", "--yes", data_dir=directory).exit_code == FAILED


def test_a_restart_needs_a_daemon(directory: Path) -> None:
    done = here("channel", "restart", "1", data_dir=directory)
    assert (done.exit_code, done.stdout) == (UNAVAILABLE, "")
    assert "no daemon runs" in done.stderr


def test_help_and_wrong_usage(tmp_path: Path) -> None:
    for words in (["channel"], *(["channel", word] for word in ("list", "restart", "move", "drop"))):
        assert len(help_of(*words)) > 200
    for words in (["move", "1"], ["drop", "0", "--yes"], ["restart", "x"]):
        assert here("channel", *words, data_dir=tmp_path).exit_code == 2


async def test_a_running_daemon_is_asked(tmp_path: Path) -> None:
    async with open_live(tmp_path / "data") as live, live.browser() as browser, live.operator() as operator:
        user, key = await live.bind(browser)
        live.sandbox.write(user, "hi")
        (one,) = live.daemon.pictures.directory.channels()
        await until(lambda: all(c.status == "active" for c in live.daemon.pictures.directory.channels()))

        async def command(*words: str, code: int = OK) -> str:
            done = await trio.to_thread.run_sync(lambda: here("channel", *words, data_dir=live.data_dir))
            assert done.exit_code == code, done.stderr
            return done.stdout

        await browser.post(f"/{key}.send", data={"title": "x", "delay": "3600"})
        listed = json.loads(await command("list", "--json"))
        assert [(c["id"], c["health"], c["queued"]) for c in listed] == [(one.id, "green", 1)]
        before = live.daemon.channels.child(one.id)
        assert before is not None
        assert await command("restart", str(one.id)) == f"channel {one.id}: started anew\n"
        after = live.daemon.channels.child(one.id)
        assert after is not None
        assert after.since > before.since
        assert await command("drop", str(one.id), "--yes") == "1 rows are dropped\n"
        assert live.daemon.pictures.outboxes.depth(one.id) == 0
        await command("restart", "9", code=FAILED)
        await command("move", str(one.id), "9", code=FAILED)
        for path in ("restart", "move", "drop"):
            assert (await browser.post(f"/operator/channels/{path}", json={"channel": 1, "to": 1})).status_code == 404
            assert (await operator.post(f"/operator/channels/{path}", json={})).status_code == 400
