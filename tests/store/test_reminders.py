"""Reminders in the database: round trips, the log of one reminder, the step from schema 1."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils
from msgspec.structs import replace

from bottalk.store import migrations, pushes, reminders, users
from bottalk.store.database import connect
from bottalk.values import (
    ChannelId,
    Outcome,
    PushId,
    Reminder,
    ReminderId,
    ReminderType,
    Row,
    RowId,
    RowStatus,
    Secret,
    User,
    UserId,
)

OWNER = User(UserId(0), Secret("0" * 32), created_at=1.0)
SUCCESS, QUEUED = Outcome(RowStatus.SUCCESS), Outcome(RowStatus.QUEUED, kept=True)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect(tmp_path / "bottalk.db")
    migrations.migrate(opened, tmp_path / "bottalk.db", now=1.0)
    yield opened
    opened.close()


def reminder(connection: sqlite3.Connection) -> Reminder:
    """A stored one, of a new account."""
    user_id = users.insert(connection, replace(OWNER, send_key=Secret(f"key{connection.total_changes}")))
    made = Reminder(
        id=ReminderId(0),
        user_id=user_id,
        title="喝水",
        message="一杯",
        type=ReminderType.CRON,
        time="0 8 * * *",
        channel="all",
        max_count=3,
        created_at=10.0,
        since=11.0,
        zone="Europe/Berlin",
        next_at=12.5,
    )
    return replace(made, id=reminders.insert(connection, made))


def add_row(connection: sqlite3.Connection, row_id: int, outcome: Outcome, reminder_id: ReminderId | None) -> None:
    row = Row(RowId(row_id), PushId(row_id), ChannelId(1), "t", "", accepted_at=1.0, expires_at=2.0)
    birth = pushes.Birth(row, "r", UserId(1), outcome, "reminder", "reminder", reminder_id=reminder_id)
    pushes.insert(connection, birth, "full")


def test_what_is_stored_comes_back(connection: sqlite3.Connection) -> None:
    made = reminder(connection)
    assert reminders.every(connection) == [made]
    changed = replace(made, title="起床", enabled=False, next_at=None, send_count=3, zone="UTC", fired_until=12.5)
    reminders.update(connection, changed)
    assert reminders.every(connection) == [changed]
    fired = replace(changed, enabled=True, next_at=99.0, send_count=4)
    reminders.update_fired(connection, fired)
    assert reminders.every(connection) == [fired]
    reminders.delete(connection, made.id)
    assert reminders.every(connection) == []


def test_ids_are_never_given_again(connection: sqlite3.Connection) -> None:
    first = reminder(connection)
    reminders.delete(connection, first.id)
    assert reminder(connection).id > first.id


def test_the_log_of_one_reminder_goes_newest_first_and_what_waits_stays(connection: sqlite3.Connection) -> None:
    mine, other = reminder(connection), reminder(connection)
    for row_id in range(1, 6):
        add_row(connection, row_id, SUCCESS, mine.id)
    add_row(connection, 6, QUEUED, mine.id)
    add_row(connection, 7, SUCCESS, other.id)
    add_row(connection, 8, SUCCESS, None)
    assert reminders.waiting_rows(connection, mine.id) == [(ChannelId(1), RowId(6))]
    assert reminders.delete_log(connection, mine.id, limit=2) == 2
    assert ids(connection) == [1, 2, 3, 6, 7, 8]
    assert reminders.gone(connection) == []
    reminders.delete(connection, mine.id)
    assert reminders.gone(connection) == [mine.id]
    assert reminders.delete_log(connection, mine.id, limit=10) == 3
    assert ids(connection) == [6, 7, 8]


def ids(connection: sqlite3.Connection) -> list[int]:
    return [row["id"] for row in connection.execute("SELECT id FROM push_logs ORDER BY id")]


def test_a_new_file_is_migrated_without_backups(connection: sqlite3.Connection, tmp_path: Path) -> None:
    assert [path.name for path in tmp_path.iterdir() if "before" in path.name] == []


def test_a_file_of_schema_1_gets_reminders_and_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "bottalk.db"
    opened = connect(path)
    step, _ = migrations.STEPS[0]
    step(sqlite_utils.Database(opened, execute_plugins=False))
    opened.execute("INSERT INTO meta (key, value) VALUES ('least_reader', '1')")
    opened.execute("PRAGMA user_version=1")
    users.insert(opened, OWNER)
    migrations.migrate(opened, path, now=5.0)
    made = reminder(opened)
    assert reminders.every(opened) == [made]
    assert len(users.every(opened)) == 2
    opened.close()
    backup = connect(tmp_path / "bottalk.db.before-2-5")
    assert len(users.every(backup)) == 1
    backup.close()


def test_the_log_of_a_reminder_is_found_by_its_index(connection: sqlite3.Connection) -> None:
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM push_logs WHERE reminder_id = ? AND status <> 'queued'"
        " ORDER BY id DESC LIMIT 10",
        (1,),
    ).fetchall()
    assert any("push_logs_reminder" in row["detail"] for row in plan)
