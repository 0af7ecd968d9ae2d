"""What leaves the file when its time is over: never a waiting row, in bites, and nothing of it stays behind."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottalk.messages import Bite, Place
from bottalk.store import logs, migrations, pushes, retention
from bottalk.store.database import connect
from bottalk.values import ChannelId, Outcome, PushId, Reason, Row, RowId, RowStatus, Secret, Settlement, UserId

QUEUED = Outcome(RowStatus.QUEUED, kept=True)
DONE = Outcome(RowStatus.SUCCESS)
SKIPPED = Outcome(RowStatus.SKIPPED, reason=Reason.NO_CONTEXT_TOKEN)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(new_file(tmp_path / "bottalk.db")) as opened:
        yield opened


def new_file(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    migrations.migrate(connection, path, now=1.0)
    connection.execute("PRAGMA synchronous=OFF")  # thousands of commits, and no power cut
    return connection


def born(connection: sqlite3.Connection, row_id: int, at: float, text: str = "文", **more: str) -> None:
    row = Row(RowId(row_id), PushId(row_id), ChannelId(1), "题", text, at, at + 1e9, readkey=Secret("r"))
    key = more.get("key")
    content_hash = None if key is None else "hash"
    birth = pushes.Birth(row, "r", UserId(1), QUEUED, "api", "192.0.2.1", key, content_hash)
    pushes.insert(connection, birth, "full")


def settled(connection: sqlite3.Connection, row_id: int, at: float, log_texts: str = "full", **more: bool) -> None:
    settlement = Settlement(RowId(row_id), DONE, {"errcode": 0}, 1, "client id", **more)
    assert pushes.settle(connection, ChannelId(1), settlement, at, log_texts)


def ids(connection: sqlite3.Connection, where: str = "1") -> list[int]:
    return [row["id"] for row in connection.execute(f"SELECT id FROM push_logs WHERE {where} ORDER BY id")]


def said(connection: sqlite3.Connection, row_id: int) -> tuple[str, str]:
    row = connection.execute("SELECT title, text FROM push_logs WHERE id = ?", (row_id,)).fetchone()
    return row["title"], row["text"]


def forget_all(connection: sqlite3.Connection, before: float, now: float) -> list[Bite]:
    bites: list[Bite] = []
    while not bites or bites[-1].end is not None:
        bites.append(retention.forget_settled(connection, before, bites[-1].end if bites else None, now))
    return bites


# --- the log's age ---


def test_old_settled_rows_go_and_waiting_ones_stay(connection: sqlite3.Connection) -> None:
    for n in range(1, 6):
        born(connection, n, at=float(n))
    settled(connection, 1, at=10.0)
    settled(connection, 2, at=200.0)
    settled(connection, 4, at=99.0)
    assert forget_all(connection, before=100.0, now=300.0) == [Bite(2, None)]
    assert ids(connection) == [2, 3, 5], "2 was settled lately, 3 and 5 wait"


def test_a_row_born_settled_goes_by_its_birth(connection: sqlite3.Connection) -> None:
    row = Row(RowId(1), PushId(1), ChannelId(1), "", "", 5.0, 9.0)
    pushes.insert(connection, pushes.Birth(row, "r", UserId(1), SKIPPED, "api", ""), "full")
    assert forget_all(connection, before=6.0, now=300.0) == [Bite(1, None)]


def test_a_text_that_was_linked_keeps_its_row_for_a_week(connection: sqlite3.Connection) -> None:
    born(connection, 1, at=1.0)
    settled(connection, 1, at=2.0, linked=True)
    assert forget_all(connection, before=1000.0, now=pushes.LINK_S) == [Bite(0, None)]
    assert forget_all(connection, before=1000.0, now=pushes.LINK_S + 2.0) == [Bite(1, None)]


def test_bites_are_small_whatever_the_order_of_times(connection: sqlite3.Connection) -> None:
    """Many rows of one moment, as a reminder's or a fast sender's: each is met once."""
    rng = random.Random(1)
    for n in range(1, 2001):
        born(connection, n, at=float(rng.randrange(3)))
        if n % 4:
            settled(connection, n, at=50.0)
    bites = forget_all(connection, before=100.0, now=300.0)
    assert sum(bite.rows for bite in bites) == 1500
    assert all(bite.rows <= retention.ROWS for bite in bites)
    assert len(bites) <= 2000 // retention.ROWS + 1
    assert ids(connection) == list(range(4, 2001, 4))


def test_long_texts_make_a_bite_of_few_rows(connection: sqlite3.Connection) -> None:
    for n in range(1, 11):
        born(connection, n, at=1.0, text="x" * 200_000)
        settled(connection, n, at=2.0)
    assert [bite.rows for bite in forget_all(connection, before=9.0, now=9.0)] == [2, 2, 2, 2, 2, 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 9), st.booleans()), max_size=40), st.data())
def test_exactly_what_is_over_goes(rows: list[tuple[int, int | None, bool]], data: st.DataObject) -> None:
    before = data.draw(st.integers(0, 10))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrations.migrate(connection, Path("memory"), now=1.0)
        expected = []
        for n, (at, waited, linked) in enumerate(rows, 1):
            born(connection, n, at=float(at))
            if waited is not None:
                settled(connection, n, at=float(at + waited), linked=linked)
            if waited is None or at + waited >= before or linked:
                expected.append(n)
        forget_all(connection, before=float(before), now=20.0)
        assert ids(connection) == expected


# --- idempotency keys ---


def test_old_keys_are_forgotten_with_what_they_stand_for(connection: sqlite3.Connection) -> None:
    for n in (1, 2, 3):
        born(connection, n, at=float(n), key=f"key {n}")
    born(connection, 4, at=1.0)
    assert retention.forget_keys(connection, before=3.0, limit=1) == 1
    assert retention.forget_keys(connection, before=3.0, limit=9) == 1
    assert retention.forget_keys(connection, before=3.0, limit=9) == 0
    assert ids(connection, "content_hash IS NOT NULL AND idempotency_key IS NOT NULL") == [3]
    assert ids(connection) == [1, 2, 3, 4]


def test_no_bite_scans_the_log(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    retention.forget_settled(connection, 5.0, Place(1.0, RowId(1)), 9.0)
    retention.forget_keys(connection, 5.0, 9)
    retention.empty_texts(connection, None, 9.0, "none")
    retention.empty_linked(connection, 9.0, "none")
    connection.set_trace_callback(None)
    for statement in statements:
        plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN") and "INDEX" not in step], plan
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


# --- what the log keeps of a text ---


@pytest.mark.parametrize(
    ("log_texts", "kept"), [("full", ("题", "文")), ("title", ("题", "")), ("none", ("", ""))], ids=lambda v: str(v)
)
def test_a_settled_row_keeps_what_the_setting_says(
    connection: sqlite3.Connection, log_texts: str, kept: tuple[str, str]
) -> None:
    for n in (1, 2, 3, 4):
        born(connection, n, at=1.0)
    settled(connection, 1, 2.0, log_texts)
    settled(connection, 2, 2.0, log_texts, linked=True)
    gone = Settlement(RowId(3), Outcome(RowStatus.FAILED, reason=Reason.DELETED))
    assert pushes.settle_untried(connection, ChannelId(1), gone, 2.0, log_texts)
    row = Row(RowId(5), PushId(5), ChannelId(1), "题", "文", 1.0, 9.0)
    pushes.insert(connection, pushes.Birth(row, "r", UserId(1), SKIPPED, "api", ""), log_texts)
    assert [said(connection, n) for n in (1, 3, 5)] == [kept] * 3
    assert said(connection, 2) == ("题", "文"), "its link was sent"
    assert said(connection, 4) == ("题", "文"), "it waits"
    assert retention.empty_linked(connection, 2.0 + pushes.LINK_S - 1, log_texts) == 0
    assert retention.empty_linked(connection, 2.0 + pushes.LINK_S, log_texts) == 1
    assert retention.empty_linked(connection, 2.0 + pushes.LINK_S, log_texts) == 0
    assert said(connection, 2) == kept


def test_texts_that_were_kept_before_are_emptied_but_those_with_a_link(connection: sqlite3.Connection) -> None:
    for n in range(1, 1204):
        born(connection, n, at=1.0)
        if n != 1202:
            settled(connection, n, 2.0, linked=n == 1203)
    bites: list[Bite] = []
    while not bites or bites[-1].end is not None:
        after = bites[-1].end if bites else None
        bites.append(retention.empty_texts(connection, after, 9.0, "none"))
    assert [bite.rows for bite in bites] == [500, 500, 201]
    assert ids(connection, "text <> '' OR title <> ''") == [1202, 1203]


def test_the_file_remembers_what_it_keeps(connection: sqlite3.Connection) -> None:
    assert retention.texts_kept(connection) == "full"
    retention.note_texts_kept(connection, "none")
    retention.note_texts_kept(connection, "title")
    assert retention.texts_kept(connection) == "title"


# --- what is left in the file ---


@pytest.mark.parametrize("log_texts", ["title", "none"])
def test_nothing_of_a_settled_text_is_left_in_the_files(tmp_path: Path, log_texts: str) -> None:
    """As pushes go: born, settled soon after; some are long."""
    rng = random.Random(7)
    with closing(new_file(tmp_path / "bottalk.db")) as connection:
        for n in range(1, 1001):
            born(connection, n, at=float(n), text=f"秘密{n:05}。" * rng.choice([1, 5, 20, 400]))
            if n > 2:
                settled(connection, n - 2, float(n), log_texts)
        before = raw(tmp_path)
        assert "秘密00999".encode() in before, "it waits"
        assert any(f"秘密{n:05}".encode() in before for n in range(990, 999)), "the write-ahead log has them still"
        assert tuple(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()) == (0, 0, 0)
        after = raw(tmp_path)
        assert [n for n in range(1, 1001) if f"秘密{n:05}".encode() in after] == [999, 1000]
        settled(connection, 999, 2000.0, log_texts)
        settled(connection, 1000, 2000.0, log_texts)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert "秘密".encode() not in raw(tmp_path)


def test_nothing_of_a_deleted_row_is_left_in_the_files(tmp_path: Path) -> None:
    with closing(new_file(tmp_path / "bottalk.db")) as connection:
        for n in range(1, 301):
            born(connection, n, at=1.0, text=f"秘密{n:05}。" * (n % 30 + 1))
            settled(connection, n, 2.0)
        forget_all(connection, before=9.0, now=9.0)
        assert logs.counts(connection, 0.0) == logs.LogCounts(0, 0, 0)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert "秘密".encode() not in raw(tmp_path)


def raw(directory: Path) -> bytes:
    """All bytes of the database's files."""
    return b"".join(path.read_bytes() for path in directory.iterdir())
