"""What a restored copy is changed to, before a daemon goes on from it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import pacing
from bottalk.delivery import window as windows
from bottalk.store import channels, pushes, reminders, restored, runs, users
from bottalk.store.database import connect, transaction
from bottalk.store.migrations import migrate
from bottalk.store.restored import SPARE_IDS, Adjusted
from bottalk.values import (
    Channel,
    ChannelId,
    ChannelStatus,
    Closed,
    Outcome,
    PushId,
    Reason,
    Reminder,
    ReminderId,
    ReminderType,
    Row,
    RowId,
    RowStatus,
    Secret,
    User,
    UserId,
    Window,
)

NOW = 1_790_000_000.0
DAY = 86400.0
ZONE = "Asia/Shanghai"
SETTINGS = DeliverySettings()
WAITING = pacing.Waiting(oldest_at=NOW)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """One account with a channel whose window is open, one never opened and one half-dead; two rows wait."""
    path = tmp_path / "copy.db"
    with closing(connect(path)) as connection:
        migrate(connection, path, NOW - DAY)
        with transaction(connection):
            user_id = users.insert(connection, User(UserId(0), Secret("key"), NOW - DAY))
            opened = windows.opened(Window(life=DAY), NOW - 60)
            shut = windows.session_closed(opened, NOW - 30, began_epoch=1)
            for n, window in enumerate((opened, Window(life=DAY), shut)):
                channels.insert(connection, channel(user_id, n, window))
            for row_id, is_suspect in ((1, False), (2, True)):
                pushes.insert(connection, birth(user_id, RowId(row_id)), "full")
                if is_suspect:
                    pushes.note_try(connection, RowId(row_id), "cut", maybe_duplicate=True)
            connection.execute("INSERT INTO sessions VALUES ('hash', 1, 0, 0, 9e9)")
            runs.begin(connection)
        yield connection


def channel(user_id: UserId, n: int, window: Window) -> Channel:
    return Channel(
        id=ChannelId(0),
        user_id=user_id,
        name="n",
        wechat_openid=f"{n}@im.wechat",
        bot_id="b@im.bot",
        bot_token=Secret("t"),
        base_url="",
        status=ChannelStatus.ACTIVE,
        window=window,
        created_at=1.0,
        bound_at=1.0,
    )


def birth(user_id: UserId, row_id: RowId) -> pushes.Birth:
    row = Row(row_id, PushId(row_id), ChannelId(1), "t", "x", NOW - 100, NOW + DAY)
    return pushes.Birth(row, "read", user_id, Outcome(RowStatus.QUEUED, kept=True), "api", "")


def reminder(kind: ReminderType, time: str, next_at: float | None) -> Reminder:
    return Reminder(
        ReminderId(0),
        UserId(1),
        "t",
        "m",
        kind,
        time,
        "",
        0,
        NOW - DAY,
        NOW - DAY,
        ZONE,
        next_at is not None,
        3,
        next_at,
    )


def rows(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute("SELECT status, reason, settled_at, response FROM push_logs")]


def test_what_waited_may_have_been_delivered_and_is_settled(copy: sqlite3.Connection) -> None:
    adjusted = restored.adjust(copy, NOW, ZONE, resend=False)
    assert adjusted == Adjusted(settled=2, kept=0, windows=2, reminders=0, sessions=1)
    assert rows(copy) == [
        (RowStatus.FAILED, Reason.RESTORED, NOW, "{}"),
        (RowStatus.FAILED, Reason.RESTORED, NOW, '{"maybe_duplicate":true}'),
    ]
    assert copy.execute("SELECT count(*) FROM sessions").fetchone()[0] == 0


def test_what_is_sent_again_says_that_it_may_come_twice(copy: sqlite3.Connection) -> None:
    adjusted = restored.adjust(copy, NOW, ZONE, resend=True)
    assert (adjusted.settled, adjusted.kept) == (0, 2)
    assert [(row.id, row.maybe_duplicate) for row in pushes.queued(copy)] == [(1, True), (2, True)]


def test_no_window_is_believed_open_and_a_probe_may_go_at_once(copy: sqlite3.Connection) -> None:
    restored.adjust(copy, NOW, ZONE, resend=True)
    was_open, never, half_dead = channels.every(copy)
    assert (was_open.window.closed, was_open.window.closed_at, was_open.window.epoch) == (Closed.REJECTED, NOW, 1)
    due = pacing.probe_at(was_open.window, WAITING, NOW, SETTINGS)
    assert due is not None
    assert due <= NOW
    assert never.window == Window(life=DAY)
    assert (half_dead.window.closed, half_dead.window.closed_at) == (Closed.SESSION, NOW - 30)
    assert pacing.probe_at(half_dead.window, WAITING, NOW, SETTINGS) is None
    inbound = windows.opened(was_open.window, NOW + 1)
    assert windows.left(inbound, NOW + 1, SETTINGS) == SETTINGS.quota


def test_what_reminders_missed_is_skipped(copy: sqlite3.Connection) -> None:
    with transaction(copy):
        for one in (
            reminder(ReminderType.DAILY, "09:30", NOW - 120),
            reminder(ReminderType.ONCE, "09:30", NOW - 120),
            reminder(ReminderType.CRON, "no cron", NOW - 120),
            reminder(ReminderType.DAILY, "09:30", NOW + 120),
            reminder(ReminderType.DAILY, "09:30", None),
        ):
            reminders.insert(copy, one)
    assert restored.adjust(copy, NOW, ZONE, resend=False).reminders == 3
    daily, once, bad, ahead, disabled = reminders.every(copy)
    assert daily.next_at is not None
    assert NOW < daily.next_at <= NOW + DAY
    assert (daily.enabled, daily.fired_until, daily.send_count) == (True, NOW, 3)
    assert [(r.enabled, r.next_at) for r in (once, bad)] == [(False, None)] * 2
    assert ahead == replace(reminder(ReminderType.DAILY, "09:30", NOW + 120), id=ahead.id)
    assert not disabled.enabled


def test_ids_given_since_are_not_given_again(copy: sqlite3.Connection) -> None:
    restored.adjust(copy, NOW, ZONE, resend=False, last_ids={"push_logs": 5000, "channels": 12, "reminders": 4})
    assert pushes.next_id(copy) == 5000 + SPARE_IDS + 1
    assert restored.last_ids(copy) == {"users": 1, "channels": 12, "reminders": 4, "push_logs": 5000 + SPARE_IDS}
    with transaction(copy):
        assert channels.insert(copy, channel(UserId(1), 9, Window(life=DAY))) == 13


def test_its_last_run_counts_as_ended(copy: sqlite3.Connection) -> None:
    """Nothing of it is in flight: the rows that may have arrived say so."""
    restored.adjust(copy, NOW, ZONE, resend=True)
    with transaction(copy):
        assert not runs.begin(copy)
