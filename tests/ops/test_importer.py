"""Files of BotTalk on Node.js, of every age, read in our words."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottalk.clock import utc_text
from bottalk.messages import ComingAccount, ComingChannel
from bottalk.ops import importer, old_file
from bottalk.ops.importer import OldData, OldLog
from bottalk.ops.old_file import OldFileError, moment, number, text
from bottalk.values import ChannelStatus, Secret
from tests.support.old_bottalk import FIRST, LATER, TOKENS_OF_USERS, add, write
from tests.support.old_bottalk import old_file as new_file

AT = "2026-05-01 10:00:00"
WHEN = 1_777_629_600.0
A = {"id": 1, "send_key": "a" * 32, "wechat_openid": "a@im.wechat", "created_at": AT}
B = {"id": 2, "send_key": "b" * 32, "created_at": AT}
CHANNEL = {"user_id": 1, "wechat_openid": "a@im.wechat", "bot_token": "1@im.bot:t", "created_at": AT}

Tables = Mapping[str, Sequence[Mapping[str, object]]]


def read(path: Path, tables: Tables, schema: str = FIRST + LATER) -> OldData:
    with old_file.opened(write(path / "old.db", tables, schema)) as file:
        return importer.read(file)


def logs(path: Path, tables: Tables, schema: str = FIRST + LATER) -> list[OldLog]:
    with old_file.opened(write(path / "old.db", tables, schema)) as file:
        return list(importer.logs(file))


def channels(path: Path, *rows: Mapping[str, object]) -> list[ComingChannel]:
    return [c for account in read(path, {"users": [A, B], "channels": rows}).accounts for c in account.channels]


# --- accounts ---


def test_an_account(tmp_path: Path) -> None:
    row = A | {"send_key": "Any_Shape-1", "email": " Ann@Example.org", "nickname": " 安 ", "role": "admin"}
    (account,) = read(tmp_path, {"users": [row | {"is_disabled": 1, "rate_limit": 7}]}).accounts
    assert account == ComingAccount(
        old_id=1,
        created_at=WHEN,
        send_key=Secret("Any_Shape-1"),
        email="ann@example.org",
        wechat_openid="a@im.wechat",
        nickname="安",
        role="admin",
        is_disabled=True,
        rate_limit=7,
    )
    assert "Any_Shape" not in repr(account)


def test_the_oldest_schema_has_neither_addresses_nor_channels(tmp_path: Path) -> None:
    data = read(tmp_path, {"users": [A]}, FIRST)
    assert data.accounts == [ComingAccount(1, WHEN, Secret("a" * 32), wechat_openid="a@im.wechat")]
    assert (data.notes, data.found["channel"]) == ([], 0)


def test_the_limit_of_everybody_is_nobodys_own(tmp_path: Path) -> None:
    rows = [{"id": n, "rate_limit": limit} for n, limit in enumerate((100, None, 0, -5, 10**9), 1)]
    assert [a.rate_limit for a in read(tmp_path, {"users": rows}).accounts] == [None, None, 0, 0, 100_000]


@pytest.mark.parametrize("key", [None, "", "空", "a b", "x" * 257, "a/b"])
def test_a_key_that_nobody_can_send_is_none(tmp_path: Path, key: str | None) -> None:
    (account,) = read(tmp_path, {"users": [A | {"send_key": key}]}).accounts
    assert account.send_key is None


def test_addresses_that_differ_by_case_are_one_here(tmp_path: Path) -> None:
    data = read(tmp_path, {"users": [A | {"email": "x@y.org"}, B | {"email": "X@Y.org"}]})
    assert [a.email for a in data.accounts] == ["x@y.org", None]
    assert [(note.kind, note.old_id, note.skipped) for note in data.notes] == [("account", 2, False)]


# --- channels ---


def test_an_active_channel(tmp_path: Path) -> None:
    (channel,) = channels(
        tmp_path,
        CHANNEL | {
            "id": 7, "name": "手机", "context_token": "c", "status": "active", "is_default": 1,
            "bot_token_updated_at": "2026-05-02 10:00:00", "last_inbound_at": "2026-05-03 10:00:00",
        },
    )  # fmt: skip
    assert channel == ComingChannel(
        old_id=7,
        name="手机",
        wechat_openid="a@im.wechat",
        bot_token=Secret("1@im.bot:t"),
        status=ChannelStatus.ACTIVE,
        created_at=WHEN,
        bound_at=WHEN + 86400,
        context_token=Secret("c"),
        is_default=True,
        activated_at=WHEN + 2 * 86400,
        last_inbound_at=WHEN + 2 * 86400,
    )


@pytest.mark.parametrize(
    ("row", "status", "has_written"),
    [
        ({"status": "pending"}, ChannelStatus.PENDING, False),
        ({"status": "pending", "context_token": "c"}, ChannelStatus.ACTIVE, True),
        ({"status": "pending", "last_inbound_at": AT}, ChannelStatus.PENDING, True),
        ({"status": "active"}, ChannelStatus.ACTIVE, True),
        ({"status": "inactive", "context_token": "c"}, ChannelStatus.INACTIVE, True),
        ({"status": "inactive"}, ChannelStatus.INACTIVE, False),
    ],
)
def test_the_status(tmp_path: Path, row: dict[str, object], status: ChannelStatus, has_written: bool) -> None:
    (channel,) = channels(tmp_path, CHANNEL | row)
    assert (channel.status, channel.activated_at is not None, channel.is_archive) == (status, has_written, False)


def test_half_dead(tmp_path: Path) -> None:
    first, second = channels(
        tmp_path,
        CHANNEL | {"status": "active", "send_disabled": 1, "send_disabled_at": AT},
        CHANNEL | {"status": "active", "send_disabled": 0, "send_disabled_at": AT, "wechat_openid": "b@im.wechat"},
    )
    assert (first.half_dead_at, second.half_dead_at) == (WHEN, None)


@pytest.mark.parametrize(
    ("states", "wins"),
    [
        (("active", "active", "active"), 3),
        (("active", "pending", "inactive"), 2),
        (("active", "inactive", "inactive"), 1),
        (("inactive", "inactive", "inactive"), 3),
    ],
)
def test_of_one_wechat_the_newest_live_row_counts(tmp_path: Path, states: tuple[str, ...], wins: int) -> None:
    """Also across accounts. The others keep their log, and no token."""
    rows = [CHANNEL | {"id": n, "status": s, "user_id": 1 + n % 2} for n, s in enumerate(states, 1)]
    found = {c.old_id: c for c in channels(tmp_path, *rows)}
    assert [n for n, c in found.items() if not c.is_archive] == [wins]
    assert all(not c.bot_token and c.context_token is None for c in found.values() if c.is_archive)


def test_the_mark_of_the_default_goes_to_the_row_that_counts(tmp_path: Path) -> None:
    first, second = channels(
        tmp_path,
        CHANNEL | {"id": 1, "status": "inactive", "is_default": 1},
        CHANNEL | {"id": 2, "status": "active"},
    )
    assert (first.is_archive, second.is_archive, second.is_default) == (True, False, True)


@pytest.mark.parametrize("row", [{"wechat_openid": None}, {"wechat_openid": ""}, {"channel_type": "feishu"}])
def test_what_is_no_wechat_keeps_its_log(tmp_path: Path, row: dict[str, object]) -> None:
    (channel,) = channels(tmp_path, CHANNEL | row)
    assert channel.is_archive


@pytest.mark.parametrize("token", [None, "", "two words", "line\nbreak", "空"])
def test_a_token_that_cannot_be_sent_is_none(tmp_path: Path, token: str | None) -> None:
    (channel,) = channels(tmp_path, CHANNEL | {"status": "active", "bot_token": token})
    assert (channel.bot_token, channel.is_archive) == (Secret(""), False)


def test_the_channel_of_nobody_is_skipped(tmp_path: Path) -> None:
    data = read(tmp_path, {"users": [A], "channels": [CHANNEL | {"id": 3, "user_id": 9}]})
    assert data.accounts[0].channels == ()
    assert [(note.kind, note.old_id, note.skipped) for note in data.notes] == [("channel", 3, True)]


def test_before_there_were_channels_an_account_had_a_token(tmp_path: Path) -> None:
    row = A | {"bot_token": "1@im.bot:t", "context_token": "c"}
    for schema in (FIRST + TOKENS_OF_USERS, FIRST + TOKENS_OF_USERS + LATER):
        (account,) = read(tmp_path / str(len(schema)), {"users": [row]}, schema).accounts
        (channel,) = account.channels
        assert (channel.wechat_openid, channel.bot_token, channel.is_default) == (
            "a@im.wechat", Secret("1@im.bot:t"), True,
        )  # fmt: skip
    later = {"users": [row], "channels": [CHANNEL | {"id": 4, "status": "active"}]}
    (account,) = read(tmp_path / "moved", later, FIRST + TOKENS_OF_USERS + LATER).accounts
    assert [c.old_id for c in account.channels] == [4], "its migration had moved the token"


# --- reminders ---


def test_reminders_of_an_id_or_of_a_wechat(tmp_path: Path) -> None:
    rows = [
        {"id": n, "user_id": owner, "title": "t", "message": "", "time": "09:00", "created_at": AT}
        for n, owner in enumerate((2, "2", "a@im.wechat", 77, "nobody@im.wechat", None), 1)
    ]
    data = read(tmp_path, {"users": [A, B], "reminders": rows})
    assert [[r.old_id for r in account.reminders] for account in data.accounts] == [[3], [1, 2]]
    assert [(note.old_id, note.skipped) for note in data.notes] == [(4, True), (5, True), (6, True)]
    assert data.found["reminder"] == 6


# --- the log ---


def test_log_rows_are_settled_whatever_they_were(tmp_path: Path) -> None:
    rows = [
        {"user_id": 1, "title": "t", "status": status, "created_at": AT, "ip": "192.0.2.1", "channel_id": 4}
        for status in ("success", "failed", "skipped", "pending", "queued", None)
    ]
    found = logs(tmp_path, {"users": [A], "push_logs": rows})
    assert [row.status for row in found] == ["success", "failed", "skipped", "failed", "failed", "failed"]
    assert (found[0].text, found[0].channel_id, found[0].accepted_at, found[0].ip) == ("", 4, WHEN, "192.0.2.1")


@pytest.mark.parametrize(
    ("response", "shown"),
    [(None, "{}"), ("", "{}"), ('{"errcode": 0}', '{"errcode": 0}'), ("Error: 空", '{"text": "Error: 空"}')],
)
def test_a_response_is_json(tmp_path: Path, response: str | None, shown: str) -> None:
    (row,) = logs(tmp_path, {"push_logs": [{"user_id": 1, "response": response}]})
    assert row.response == shown


def test_the_oldest_log_has_no_channels(tmp_path: Path) -> None:
    (row,) = logs(tmp_path, {"push_logs": [{"user_id": 1, "title": "t", "created_at": AT}]}, FIRST)
    assert (row.channel_id, row.response) == (0, "{}")


def test_what_is_left_out_is_told_where_it_matters(tmp_path: Path) -> None:
    tables: Tables = {
        "sessions": [{"sid": "1", "sess": "{}", "expire": 1}],
        "push_retry_queue": [{"title": "q"}, {"title": "r"}],
        "schema_version": [{"version": 1}],
    }
    path = write(tmp_path / "old.db", tables, FIRST + LATER + "CREATE TABLE extra (a); INSERT INTO extra VALUES (1);")
    with old_file.opened(path) as file:
        told = [(table, count) for table, count, _ in importer.left_out(file)]
    assert told == [("extra", 1), ("push_retry_queue", 2), ("sessions", 1)]


# --- the file ---


def test_the_file_is_found_in_its_directory(tmp_path: Path) -> None:
    path = write(tmp_path / "data" / "bottalk.db", {})
    for named in (path, path.parent, tmp_path):
        assert old_file.find(named) == path
    with pytest.raises(OldFileError, match="there is no file"):
        old_file.find(tmp_path / "elsewhere")


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    path = write(tmp_path / "bottalk.db", {"users": [A]})
    before = path.read_bytes()
    with old_file.opened(path) as file:
        importer.read(file)
    assert [one.name for one in tmp_path.iterdir()] == ["bottalk.db"]
    assert path.read_bytes() == before


def test_what_is_not_folded_in_yet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bottalk.db"
    with new_file(path) as connection:
        connection.commit()
        add(connection, "users", A)
        connection.commit()
        with old_file.opened(path) as file:
            assert len(importer.read(file).accounts) == 1


@pytest.mark.parametrize("content", [b"", b"junk" * 999, None])
def test_other_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.db"
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE users (id)")
        connection.execute("CREATE TABLE meta (key)")
        connection.close()
    else:
        path.write_bytes(content)
    with pytest.raises(OldFileError), old_file.opened(path):
        pass


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM users").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux who holds a lock")
def test_a_process_that_has_it_open_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "bottalk.db", {})
    assert old_file.holder(path) is None
    words = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        assert old_file.holder(path) == other.pid
        other.communicate()
    assert old_file.holder(path) is None
    assert os.getpid() != other.pid


# --- values ---


@pytest.mark.parametrize(
    ("value", "when"),
    [
        (AT, WHEN),
        ("2026-05-01T10:00:00Z", WHEN),
        ("2026-05-01T18:00:00+08:00", WHEN),
        ("2026-05-01 10:00:00.500", WHEN + 0.5),
        (WHEN, WHEN),
        (int(WHEN), WHEN),
        (int(WHEN * 1000), WHEN),
        (str(int(WHEN)), WHEN),
        (b"2026-05-01 10:00:00", WHEN),
        (None, None),
        ("", None),
        ("yesterday", None),
        (0, None),
        (-5, None),
        (1e30, None),
        ("9999-12-31T23:59:59-12:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1969-12-31 23:59:59", None),
    ],
)
def test_times_in_every_form(value: object, when: float | None) -> None:
    assert moment({"at": value}, "at") == when


values = st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary())


@given(value=values)
def test_no_value_of_sqlite_stops_it(value: object) -> None:
    row = {"x": value}
    assert isinstance(number(row, "x"), int)
    text(row, "x").encode()
    when = moment(row, "x")
    assert when is None or utc_text(when)
