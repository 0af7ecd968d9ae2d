"""The log's queries: what they find, what they cost, and that a search is literal."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bottalk.store import logs, migrations, pushes, users
from bottalk.store.database import connect
from bottalk.store.logs import LogFilter
from bottalk.values import (
    ChannelId,
    Outcome,
    PushId,
    Reason,
    Row,
    RowId,
    RowStatus,
    Secret,
    Settlement,
    User,
    UserId,
)

QUEUED = Outcome(RowStatus.QUEUED, kept=True)
FAILED = Outcome(RowStatus.FAILED, reason=Reason.QUEUE_FULL)
OWNER, OTHER = UserId(1), UserId(2)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect(tmp_path / "bottalk.db")
    migrations.migrate(opened, tmp_path / "bottalk.db", now=1.0)
    for n in (1, 2):
        users.insert(opened, User(UserId(0), Secret(f"key{n}"), created_at=1.0))
    yield opened
    opened.close()


def add(connection: sqlite3.Connection, row_id: int, text: str = "", **more: object) -> None:
    user_id = UserId(int(str(more.get("user", OWNER))))
    outcome = more.get("outcome", QUEUED)
    assert isinstance(outcome, Outcome)
    row = Row(
        id=RowId(row_id),
        push_id=PushId(int(str(more.get("push", row_id)))),
        channel_id=ChannelId(int(str(more.get("channel", 1)))),
        title="",
        text=text,
        accepted_at=float(row_id),
        expires_at=100.0,
    )
    pushes.insert(connection, pushes.Birth(row, "readkey", user_id, outcome, "api", "192.0.2.1"), "full")


def ids(connection: sqlite3.Connection, **wanted: object) -> list[int]:
    return [row.id for row in logs.of_user(connection, OWNER, LogFilter(**wanted))]  # type: ignore[arg-type] # by name


def test_filters_narrow_and_page(connection: sqlite3.Connection) -> None:
    for row_id in range(1, 9):
        add(connection, row_id, channel=row_id % 2, outcome=FAILED if row_id > 6 else QUEUED)
    add(connection, 9, user=OTHER)
    assert ids(connection) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert ids(connection, limit=3) == [8, 7, 6]
    assert ids(connection, limit=3, before=RowId(6)) == [5, 4, 3]
    assert ids(connection, status=RowStatus.FAILED) == [8, 7]
    assert ids(connection, channel=ChannelId(1)) == [7, 5, 3, 1]
    assert ids(connection, channel=ChannelId(1), status=RowStatus.QUEUED, before=RowId(5)) == [3, 1]
    assert [row.id for row in logs.every(connection, LogFilter(limit=2), texts=True)] == [9, 8]


@pytest.mark.parametrize(
    ("q", "found"), [("100%", [1]), ("a_b", [2]), ("\\", [3]), ("'", [4]), ("%", [1]), ("_", [2]), ("还", [5])]
)
def test_a_search_is_literal(connection: sqlite3.Connection, q: str, found: list[int]) -> None:
    for row_id, text in enumerate(["满 100%", "a_b", "C:\\x", "it's", "还有"], 1):
        add(connection, row_id, text)
    add(connection, 6, "axb 1000")
    assert ids(connection, q=q) == found


def test_rows_of_a_deleted_account_are_hidden(connection: sqlite3.Connection) -> None:
    add(connection, 1, user=UserId(77))
    add(connection, 2)
    assert [row.id for row in logs.every(connection, LogFilter(), texts=False)] == [2]


def test_what_is_not_asked_for_is_not_read(connection: sqlite3.Connection) -> None:
    add(connection, 1, "秘密")
    [row] = logs.every(connection, LogFilter(), texts=False)
    assert (row.title, row.text) == (None, None)


def test_pushes_are_counted_once_whatever_their_channels(connection: sqlite3.Connection) -> None:
    add(connection, 1)
    add(connection, 2)
    add(connection, 3, push=2, outcome=FAILED)
    assert logs.counts(connection, since=2.0) == logs.LogCounts(pushes=1, failed=1, queued=2)


def test_a_settlement_without_a_try_keeps_the_count_of_tries(connection: sqlite3.Connection) -> None:
    add(connection, 1)
    pushes.note_try(connection, RowId(1), "cut", maybe_duplicate=True)
    assert pushes.waiting(connection, ChannelId(1)) == [(RowId(1), True)]
    deleted = Outcome(RowStatus.FAILED, reason=Reason.DELETED)
    settlement = Settlement(RowId(1), deleted, {"maybe_duplicate": True})
    assert not pushes.settle_untried(connection, ChannelId(2), settlement, 9.0, "full"), "it waits elsewhere"
    assert pushes.settle_untried(connection, ChannelId(1), settlement, 9.0, "full")
    story = logs.one(connection, OWNER, RowId(1))
    assert story is not None
    assert (story.attempts, story.last_error, story.maybe_duplicate) == (1, "cut", True)
    assert (story.row.status, story.row.reason, story.row.settled_at) == (RowStatus.FAILED, Reason.DELETED, 9.0)
    assert story.row.response == '{"maybe_duplicate":true}'
    assert pushes.waiting(connection, ChannelId(1)) == []


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(),
        LogFilter(before=RowId(5)),
        LogFilter(status=RowStatus.FAILED, channel=ChannelId(1), q="x"),
        LogFilter(status=RowStatus.QUEUED),
    ],
)
def test_the_owners_list_never_scans_the_log(connection: sqlite3.Connection, wanted: LogFilter) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    logs.of_user(connection, OWNER, wanted)
    logs.one(connection, OWNER, RowId(1))
    logs.counts(connection, since=2.0)
    pushes.waiting(connection, ChannelId(1))
    connection.set_trace_callback(None)
    for statement in statements:
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step], plan
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_the_administrators_list_reads_from_the_newest_end(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    logs.every(connection, LogFilter(limit=200), texts=False)
    connection.set_trace_callback(None)
    [statement] = statements
    plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert plan[0] == "SCAN l"
    assert not [step for step in plan if "TEMP B-TREE" in step], plan
