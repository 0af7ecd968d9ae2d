"""`bottalk import`: everybody goes on as before, and a second time changes nothing."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.cli.exits import CANNOT_OPEN, OK, UNAVAILABLE
from bottalk.ops import old_file
from bottalk.values import ChannelStatus, Closed, UserId
from bottalk.verbs.imports import ELSEWHERE, EMAIL_TAKEN, KEY_OF_OTHER, NEW_KEY
from tests.cli.commands import help_of, here
from tests.cli.test_admin import KEYS, seeded
from tests.ops.test_importer import HOLD, Tables
from tests.support.old_bottalk import write
from tests.support.sockets import open_live, until

AT, LATER_AT = "2026-05-01 10:00:00", "2026-05-02 10:00:00"
RECENT = "2126-11-01 10:00:00"
"""Rows of the log that no retention reaches."""

OLD: Tables = {
    "users": [
        {"id": 3, "send_key": "Old_Key-3", "wechat_openid": "a@im.wechat", "created_at": AT, "nickname": "\x1b[31m"},
        {"id": 5, "send_key": "5" * 32, "email": "five@example.org", "created_at": AT, "role": "admin"},
        {"id": 6, "send_key": None, "wechat_openid": "c@im.wechat", "created_at": AT, "is_disabled": 1},
    ],
    "channels": [
        {"id": 10, "user_id": 3, "wechat_openid": "a@im.wechat", "bot_token": "1@im.bot:x", "status": "inactive",
         "is_default": 1, "created_at": AT},
        {"id": 11, "user_id": 3, "wechat_openid": "a@im.wechat", "bot_token": "2@im.bot:x", "context_token": "c",
         "status": "active", "created_at": LATER_AT, "last_inbound_at": LATER_AT, "name": "手机"},
        {"id": 12, "user_id": 5, "wechat_openid": "b@im.wechat", "bot_token": "3@im.bot:x", "status": "pending",
         "is_default": 1, "created_at": AT},
        {"id": 13, "user_id": 5, "wechat_openid": "d@im.wechat", "bot_token": "4@im.bot:x", "status": "inactive",
         "context_token": "c", "created_at": AT},
        {"id": 14, "user_id": 5, "wechat_openid": "e@im.wechat", "bot_token": "5@im.bot:x", "status": "active",
         "context_token": "c", "send_disabled": 1, "send_disabled_at": LATER_AT, "created_at": AT},
    ],
    "reminders": [
        {"id": 1, "user_id": "a@im.wechat", "title": "喝水", "message": "", "time": "09:30", "type": "repeat",
         "send_count": 4, "created_at": AT},
        {"id": 2, "user_id": 5, "title": "once", "message": "m", "time": "2026-05-03T10:00", "created_at": AT},
        {"id": 3, "user_id": 5, "title": "off", "message": "m", "time": "10:00", "enabled": 0, "created_at": AT},
        {"id": 4, "user_id": 5, "title": "bad", "message": "m", "time": "9:30", "created_at": AT},
        {"id": 5, "user_id": 5, "title": "every", "message": "m", "time": "00:00", "type": "every2min",
         "max_count": 9, "created_at": AT},
        {"id": 6, "user_id": 5, "title": "over", "message": "m", "time": "00:00", "type": "daily", "max_count": 2,
         "send_count": 2, "created_at": AT},
    ],
    "push_logs": [
        {"id": 1, "user_id": 3, "title": "甲", "content": "文", "status": "success", "channel_id": 10,
         "created_at": RECENT, "response": '{"errcode":0}', "ip": "192.0.2.1"},
        {"id": 2, "user_id": 3, "title": "甲", "content": "文", "status": "success", "channel_id": 10,
         "created_at": RECENT},
        {"id": 3, "user_id": 3, "title": "乙", "status": "pending", "channel_id": 11, "created_at": RECENT},
        {"id": 4, "user_id": 9, "title": "nobody's", "created_at": RECENT},
        {"id": 5, "user_id": 5, "title": "old", "status": "failed", "channel_id": 12,
         "created_at": "2020-01-01 00:00:00"},
    ],
}  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "node" / "bottalk.db", OLD)


def take(old: Path, data_dir: Path, *words: str, **settings: str) -> dict[str, Any]:
    done = here("import", str(old), "--json", *words, data_dir=data_dir, **settings)
    assert (done.exit_code, done.stderr) == (OK, ""), done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lines(report: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Found, taken, renewed, present, skipped."""
    return {line.pop("kind"): tuple(line.values()) for line in report["lines"]}


def remarks(report: dict[str, Any]) -> dict[str, list[int]]:
    return {remark["why"]: remark["ids"] for remark in report["remarks"]}


def rows(data_dir: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data_dir / "bottalk.db")) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()


def everything(data_dir: Path) -> list[str]:
    with closing(sqlite3.connect(data_dir / "bottalk.db")) as connection:
        return [line for line in connection.iterdump() if "sqlite_sequence" not in line]


def test_everybody_goes_on_as_before(old: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    report = take(old, data)
    assert lines(report) == {
        "account": (3, 3, 0, 0, 0),
        "channel": (5, 5, 0, 0, 0),
        "reminder": (6, 5, 0, 0, 1),
        "log row": (5, 3, 0, 0, 2),
    }
    assert (report["by_daemon"], report["admins"], report["old_log_rows"]) == (False, 1, 1)
    assert remarks(report)[NEW_KEY] == [6]
    users = rows(data, "users", "id, send_key, email, wechat_openid, role, is_disabled, rate_limit")
    assert users[:2] == [
        (3, "Old_Key-3", None, "a@im.wechat", "user", 0, None),
        (5, "5" * 32, "five@example.org", None, "admin", 0, None),
    ]
    assert len(users[2][1]) == 32
    assert rows(data, "channels", "id, user_id, name, status, inactive_reason, is_default, can_login, bot_token") == [
        (10, 3, "-", "inactive", "deleted", 0, 0, ""),
        (11, 3, "手机", "active", None, 1, 1, "2@im.bot:x"),
        (12, 5, "默认通道", "pending", None, 1, 1, "3@im.bot:x"),
        (13, 5, "Channel 2", "inactive", "session_expired", 0, 0, "4@im.bot:x"),
        (14, 5, "Channel 3", "active", None, 0, 0, "5@im.bot:x"),
    ]
    assert rows(data, "channels", "bot_id, base_url, context_token")[1] == (
        "2@im.bot", "https://ilinkai.weixin.qq.com", "c",
    )  # fmt: skip
    assert [row[0] for row in rows(data, "channels", "window_closed")] == [None, "age", None, "age", "session"]
    assert [row[0] for row in rows(data, "channels", "window_epoch")] == [0, 1, 0, 1, 1]
    reminders = rows(data, "reminders", "id, user_id, title, type, enabled, send_count, next_at IS NULL")
    assert reminders == [
        (1, 3, "喝水", "daily", 1, 4, 0),
        (2, 5, "once", "once", 0, 0, 1),
        (3, 5, "off", "once", 0, 0, 1),
        (5, 5, "every", "every2min", 1, 0, 0),
        (6, 5, "over", "daily", 0, 2, 1),
    ]
    logs = rows(data, "push_logs", "user_id, channel_id, title, text, status, source, ip, response")
    assert logs == [
        (3, 10, "甲", "文", "success", "import", "192.0.2.1", '{"errcode":0}'),
        (3, 10, "甲", "文", "success", "import", "", "{}"),
        (3, 11, "乙", "", "failed", "import", "", "{}"),
    ]


def test_a_second_time_changes_nothing(old: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    take(old, data)
    before = everything(data)
    report = take(old, data)
    assert everything(data) == before
    assert lines(report) == {
        "account": (3, 0, 0, 3, 0),
        "channel": (5, 0, 0, 5, 0),
        "reminder": (6, 0, 0, 5, 1),
        "log row": (5, 0, 0, 3, 2),
    }


def test_what_came_since_is_added(old: Path, tmp_path: Path) -> None:
    """The other BotTalk went on for a while after a first import."""
    data = tmp_path / "data"
    take(old, data)
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(
            f"INSERT INTO push_logs (user_id, title, channel_id, created_at) VALUES (3, '甲', 10, '{RECENT}')"
        )
        connection.execute(f"INSERT INTO users (id, send_key, created_at) VALUES (8, 'new-one', '{AT}')")
        connection.commit()
    report = take(old, data)
    assert lines(report)["account"] == (4, 1, 0, 3, 0)
    assert lines(take(old, data))["log row"] == (6, 0, 0, 4, 2)
    assert len(rows(data, "push_logs", "id")) == 4


def test_a_dry_run_says_the_same_and_changes_nothing(old: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    dry = take(old, data, "--dry-run")
    assert not data.exists()
    with seeded(data):
        before = everything(data)
        again = take(old, data, "--dry-run")
        assert everything(data) == before
        assert sorted(path.name for path in data.iterdir()) == ["bottalk.db"]
        real = take(old, data)
        assert lines(again) == lines(real) == lines(dry)
        assert (dry["dry_run"], real["dry_run"]) == (True, False)


def test_without_the_log(old: Path, tmp_path: Path) -> None:
    assert lines(take(old, tmp_path / "data", "--no-log"))["log row"] == (0, 0, 0, 0, 0)
    assert lines(take(old, tmp_path / "data"))["log row"] == (5, 3, 0, 0, 2)


def test_the_log_keeps_of_texts_what_the_settings_say(old: Path, tmp_path: Path) -> None:
    for kept, first in (("title", ("甲", "")), ("none", ("", ""))):
        take(old, tmp_path / kept, BOTTALK_LOG_TEXTS=kept)
        assert rows(tmp_path / kept, "push_logs", "title, text")[0] == first
        assert lines(take(old, tmp_path / kept, BOTTALK_LOG_TEXTS=kept))["log row"] == (5, 0, 0, 3, 2)


def test_as_text(old: Path, tmp_path: Path) -> None:
    done = here("import", str(old.parent), data_dir=tmp_path / "data")
    assert done.exit_code == OK
    for part in (
        "accounts   3            3",
        "1 x reminder: time",
        "1 x channel: another row of its WeChat is newer; only its log was taken\n  ids there: 10",
        "1 x log row: older than the log is kept",
        "Do not start the other BotTalk again",
    ):
        assert part in done.stdout
    assert "Old_Key" not in done.stdout
    assert "\x1b" not in done.stdout


# --- into a database that is in use already ---


def test_ids_are_kept_where_they_are_free(old: Path, tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as data:
        with closing(sqlite3.connect(data / "bottalk.db")) as connection:
            connection.execute("UPDATE users SET id = 3 WHERE id = 2")
            connection.commit()
        take(old, data)
        assert [row[:2] for row in rows(data, "users", "id, send_key")][:3] == [
            (1, KEYS["ann"]), (3, KEYS["bob"]), (4, "Old_Key-3"),
        ]  # fmt: skip
        assert [row[0] for row in rows(data, "users", "id")] == [1, 3, 4, 5, 6]
        assert {row[0] for row in rows(data, "push_logs", "user_id")} == {4}
        assert set(rows(data, "channels", "id, user_id")) == {(10, 4), (11, 4), (12, 5), (13, 5), (14, 5)}


def test_an_address_alone_makes_nobody_the_owner(tmp_path: Path) -> None:
    """Anybody may have registered it here: the account of the file is another one."""
    with seeded(tmp_path / "data") as data:
        old = write(
            tmp_path / "o.db", {"users": [{"id": 7, "send_key": "k", "email": "ANN@example.org", "created_at": AT}]}
        )
        report = take(old, data)
        assert remarks(report) == {EMAIL_TAKEN: [7]}
        assert rows(data, "users", "id, send_key, email")[2] == (7, "k", None)
        assert lines(take(old, data))["account"] == (1, 0, 0, 1, 0)


def test_who_scanned_here_already_is_one_account(tmp_path: Path) -> None:
    """Bob founded an account here by his WeChat: his old channel's log comes to it, the key of here stays."""
    with seeded(tmp_path / "data") as data:
        tables: Tables = {
            "users": [{"id": 7, "send_key": "k", "wechat_openid": "o-bob@im.wechat", "created_at": AT}],
            "push_logs": [{"user_id": 7, "title": "t", "created_at": RECENT}],
        }
        report = take(write(tmp_path / "old.db", tables), data)
        assert remarks(report) == {KEY_OF_OTHER: [7]}
        assert lines(report)["account"] == (1, 0, 0, 1, 0)
        assert rows(data, "push_logs", "user_id, channel_id") == [(2, 0)]
        assert len(rows(data, "users", "id")) == 2


def test_a_key_reset_here_stays_dead(old: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    take(old, data)
    for who in ("3", "5"):
        assert here("user", "reset-key", who, data_dir=data).exit_code == OK
    before = everything(data)
    report = take(old, data)
    assert everything(data) == before
    assert remarks(report)[KEY_OF_OTHER] == [3, 5]


def test_a_wechat_of_another_account_here_stays_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    mine: Tables = {
        "users": [{"id": 1, "send_key": "one", "created_at": AT}],
        "channels": [{"id": 1, "user_id": 1, "wechat_openid": "a@im.wechat", "bot_token": "1:x", "status": "active",
                      "created_at": AT}],
    }  # fmt: skip
    take(write(tmp_path / "1.db", mine), data)
    theirs: Tables = {
        "users": [{"id": 1, "send_key": "two", "created_at": LATER_AT}],
        "channels": [{"id": 1, "user_id": 1, "wechat_openid": "a@im.wechat", "bot_token": "2:x", "status": "active",
                      "created_at": LATER_AT}],
    }  # fmt: skip
    second = write(tmp_path / "2.db", theirs)
    assert remarks(take(second, data)) == {ELSEWHERE: [1]}
    channels = rows(data, "channels", "id, user_id, bot_token, inactive_reason, is_default")
    assert channels == [(1, 1, "1:x", None, 1), (2, 2, "", "deleted", 0)]
    assert lines(take(second, data))["channel"] == (1, 0, 0, 1, 0)


def test_a_login_that_ended_here_gets_the_newer_token(old: Path, tmp_path: Path) -> None:
    """The other BotTalk went on, and its user scanned there."""
    data = tmp_path / "data"
    take(old, data)
    with closing(sqlite3.connect(data / "bottalk.db")) as connection:
        connection.execute(
            "UPDATE channels SET status = 'inactive', inactive_reason = 'session_expired', name = 'mine',"
            " can_login = 0, window_life = 40000 WHERE id = 11"
        )
        connection.commit()
    assert lines(take(old, data))["channel"] == (5, 0, 0, 5, 0), "the same token is no news"
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("UPDATE channels SET bot_token = '9@im.bot:new', context_token = 'd' WHERE id = 11")
        connection.commit()
    assert lines(take(old, data))["channel"] == (5, 0, 1, 4, 0)
    columns = "id, name, status, inactive_reason, bot_token, context_token, can_login, window_life, window_closed"
    assert rows(data, "channels", columns)[1] == (
        11, "mine", "active", None, "9@im.bot:new", "d", 0, 40000.0, "age",
    )  # fmt: skip
    assert lines(take(old, data))["channel"] == (5, 0, 0, 5, 0)


def test_what_was_deleted_here_stays_deleted(old: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    take(old, data)
    with closing(sqlite3.connect(data / "bottalk.db")) as connection:
        connection.execute("UPDATE channels SET status = 'inactive', inactive_reason = 'deleted' WHERE id = 11")
        connection.commit()
    before = everything(data)
    take(old, data)
    assert everything(data) == before


# --- what stands in the way ---


def test_other_files_are_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"junk" * 2000)
    with seeded(tmp_path / "ours") as ours:
        for path in (junk, ours, tmp_path / "missing"):
            done = here("import", str(path), data_dir=tmp_path / "data")
            assert (done.exit_code, done.stdout) == (CANNOT_OPEN, "")
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux who holds a lock")
def test_while_the_other_one_runs_only_a_dry_run_is_made(old: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(old)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = here("import", str(old), data_dir=tmp_path / "data")
        assert (done.exit_code, done.stdout) == (UNAVAILABLE, "")
        assert f"process {other.pid}" in done.stderr
        dry = here("import", str(old), "--dry-run", data_dir=tmp_path / "data")
        assert dry.exit_code == OK
        assert "The other BotTalk is running: stop it first" in dry.stdout
        other.communicate()
    assert old_file.holder(old) is None


def test_the_daemon_says_what_a_file_of_the_other_one_is(old: Path) -> None:
    """Both call it data/bottalk.db."""
    before = old.read_bytes()
    done = here("user", "list", data_dir=old.parent)
    assert done.exit_code == CANNOT_OPEN
    assert "bottalk import" in done.stderr
    assert sqlite3.connect(old).execute("SELECT count(*) FROM users").fetchone() == (3,)
    assert len(old.read_bytes()) == len(before)


def test_help() -> None:
    assert "Exit codes: 0 done" in help_of("import")
    assert "--dry-run" in help_of("import")


# --- a running daemon ---


async def test_a_running_daemon_takes_it_and_starts_the_channels(old: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_live(data, max_body=4096) as live, live.browser() as browser, live.operator() as operator:

        async def run() -> dict[str, Any]:
            return await trio.to_thread.run_sync(lambda: take(old, data, BOTTALK_MAX_BODY="4096"))

        report = await run()
        assert report["by_daemon"]
        assert lines(report)["log row"] == (5, 3, 0, 0, 2)
        directory = live.daemon.pictures.directory
        assert directory.user_of_key("Old_Key-3") is directory.user(UserId(3))
        (archive, phone) = directory.channels_of(UserId(3))
        assert archive.is_deleted
        # the sandbox does not know the token: that its actor ran is seen by what it found out
        await until(lambda: all(channel.status is ChannelStatus.INACTIVE for channel in directory.channels()))
        assert phone.window.closed is Closed.AGE
        assert (await browser.post("/Old_Key-3.send", data={"title": "x"})).json()["code"] == 50001
        assert (await browser.post("/old_key-3.send", data={"title": "x"})).json()["code"] == 40001
        before = everything(data)
        assert lines(await run())["account"] == (3, 0, 0, 3, 0)
        assert everything(data) == before
        for path in ("accounts", "logs"):
            assert (await browser.post(f"/operator/import/{path}", json={"batch": "[]"})).status_code == 404
            assert (await operator.post(f"/operator/import/{path}", json={"batch": "[{}]"})).status_code == 400
