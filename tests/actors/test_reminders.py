"""Reminders through journal and actor, in virtual time: each due time fires exactly once, whatever happens."""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from msgspec.structs import replace
from structlog.testing import capture_logs

from bottalk.actors.reminders import BATCH
from bottalk.messages import CreateReminder, Fired, FireReminder, Firing
from bottalk.service.reminders import BadReminder, ReminderForm, note
from bottalk.store import reminders as reminder_rows
from bottalk.store.database import transaction
from bottalk.values import Reminder, ReminderId, ReminderType, UserId
from tests.actors.reminding import (
    BERLIN,
    OWNER,
    SHANGHAI,
    Small,
    add_channel,
    add_user,
    clock_at,
    open_small,
    prepare,
    set_clock,
)
from tests.support.world import inline, open_world

R = TypeVar("R")


# --- what fires when ---


async def test_a_reminder_is_on_the_phone_at_its_minute(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, clock=clock_at("2026-11-02T07:50")) as world:
        person = await world.active()
        user = world.daemon.pictures.directory.user_of_key(person.send_key)
        assert user is not None
        form = ReminderForm(title="喝水", message="一杯", time="08:00", type="daily", max_count=1)
        made = await world.daemon.services.reminders.create(user.id, form)
        await trio.sleep(made.next_at - world.clock.now() - 1 if made.next_at else 0)
        assert world.texts(person) == []
        await trio.sleep(2)
        assert world.texts(person) == ["喝水\n\n一杯"]
        [now] = world.daemon.services.reminders.list(user.id)
        assert (now.send_count, now.enabled, now.next_at) == (1, False, None)


async def test_the_log_joins_a_firing_with_what_becomes_of_its_push(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, clock=clock_at("2026-11-02T07:50")) as world:
        person = await world.active()
        user = world.daemon.pictures.directory.user_of_key(person.send_key)
        assert user is not None
        made = await world.daemon.services.reminders.create(
            user.id, ReminderForm(title="喝水", time="08:00", type="daily")
        )
        with capture_logs() as lines:
            await trio.sleep(1200)
        [fired] = [line for line in lines if line["event"] == "reminder.fired"]
        [sent] = [line for line in lines if line["event"] == "channel.sent"]
        assert (fired["log_level"], fired["reminder"], fired["channels"]) == ("info", made.id, 1)
        assert sent["pushes"] == [fired["push"]]
        assert "喝水" not in str(lines)


async def test_daily_for_a_week(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T09:00")) as small:
        made = await small.create("daily", "08:00")
        await small.until("2026-11-09T09:00")
        assert await small.fired(made) == [f"11-0{day} 08:00" for day in range(3, 10)]
        now = small.now(made)
        assert (now.send_count, now.enabled) == (7, True)
        assert await small.rows("SELECT DISTINCT source, ip, replace_key FROM push_logs") == [
            ("reminder", "reminder", f"reminder:{made.id}")
        ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-03-27T12:00", "2026-03-30T12:00", ["03-28 02:30", "03-29 03:00", "03-30 02:30"]),
        ("2026-10-23T12:00", "2026-10-26T12:00", ["10-24 02:30", "10-25 02:30", "10-26 02:30"]),
    ],
)
async def test_through_gap_and_fold_in_berlin(
    tmp_path: Path, autojump_clock: object, start: str, end: str, expected: list[str]
) -> None:
    async with open_small(tmp_path, clock_at(start, BERLIN), tz=BERLIN) as small:
        daily, cron = await small.create("daily", "02:30"), await small.create("cron", "30 2 * * *")
        await small.until(end, BERLIN)
        assert await small.fired(daily, BERLIN) == expected
        assert await small.fired(cron, BERLIN) == expected


async def test_once_disables_itself(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T09:00")) as small:
        made = await small.create("once", "08:00")
        await small.until("2026-11-06T09:00")
        assert await small.fired(made) == ["11-03 08:00"]
        assert not small.now(made).enabled
        assert await small.service.enable(OWNER, made.id, True)
        await small.until("2026-11-09T09:00")
        assert await small.fired(made) == ["11-03 08:00", "11-07 08:00"]


async def test_max_count_ends_it_and_enabling_starts_the_count_anew(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T09:00")) as small:
        made = await small.create("every2min", "10:00", max_count=3)
        await small.until("2026-11-02T12:00")
        assert await small.fired(made) == ["11-02 10:00", "11-02 10:02", "11-02 10:04"]
        assert (small.now(made).enabled, small.now(made).send_count) == (False, 3)
        assert await small.service.enable(OWNER, made.id, True)
        assert (small.now(made).enabled, small.now(made).send_count) == (True, 0)
        await small.until("2026-11-04T12:00")
        assert (await small.fired(made))[3:] == ["11-03 10:00", "11-03 10:02", "11-03 10:04"]


# --- down, killed, unable to write ---


@pytest.mark.parametrize(
    ("kind", "back", "expected"),
    [
        ("daily", "2026-11-03T08:59", ["11-03 08:59"]),
        ("daily", "2026-11-03T09:01", []),
        ("daily", "2026-11-06T08:30", ["11-06 08:30"]),
        ("once", "2026-11-03T08:59", ["11-03 08:59"]),
        ("once", "2026-11-03T09:01", []),
        ("once", "2026-11-04T08:30", []),
        ("every2min", "2026-11-03T08:31", ["11-03 08:31"]),
        ("every2min", "2026-11-05T10:31", ["11-05 10:31"]),
    ],
)
async def test_what_was_missed_while_down(
    tmp_path: Path, autojump_clock: object, kind: str, back: str, expected: list[str]
) -> None:
    clock = clock_at("2026-11-02T09:00")
    async with open_small(tmp_path, clock) as small:
        made = await small.create(kind, "08:00")
    for _ in range(3):  # and restarts change nothing
        set_clock(clock, back)
        async with open_small(tmp_path, clock) as small:
            await trio.sleep(30)
            assert await small.fired(made) == expected
            now = small.now(made)
            assert now.send_count == len(expected)
            assert now.enabled == (kind != "once")
            assert now.next_at is None or now.next_at > clock.now()


@pytest.mark.parametrize("seed", range(12))
async def test_cut_at_any_moment_each_due_time_fires_once(tmp_path: Path, autojump_clock: object, seed: int) -> None:
    rng = random.Random(seed)
    clock = clock_at("2026-11-02T07:59:59")
    made: list[Reminder] = []
    async with open_small(tmp_path, clock) as small:
        made += [await small.create("daily", "08:00") for _ in range(250)]
    for _ in range(4):
        with trio.CancelScope() as killed:
            async with open_small(tmp_path, clock, seed=seed) as small:
                await trio.sleep(max((made[0].next_at or 0) - clock.now(), 0))
                for _ in range(rng.randrange(12)):
                    await trio.lowlevel.checkpoint()
                killed.cancel()
                await trio.lowlevel.checkpoint()
    async with open_small(tmp_path, clock) as small:
        await trio.sleep(10)
        rows = await small.rows("SELECT reminder_id FROM push_logs")
        assert Counter(row[0] for row in rows) == {reminder.id: 1 for reminder in made}
        assert {small.now(reminder).send_count for reminder in made} == {1}


async def test_a_journal_that_cannot_write_only_delays(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:00")
    broken = False
    whole = inline(random.Random(1))

    async def runner(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        return await whole(function, limiter)

    async with open_small(tmp_path, clock, runner=runner) as small:
        made = await small.create("daily", "08:00")
        broken = True
        await small.until("2026-11-02T08:20")
        assert small.now(made).send_count == 0
        broken = False
        await trio.sleep(5)
        assert await small.fired(made) == ["11-02 08:20"]
        await small.until("2026-11-03T07:00")
        assert small.now(made).send_count == 1


# --- clock and zone ---


async def test_a_clock_set_back_fires_nothing_again(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:59")
    async with open_small(tmp_path, clock) as small:
        daily, often = await small.create("daily", "08:00"), await small.create("every2min", "08:00")
        await small.until("2026-11-02T08:05")
        assert (small.now(daily).send_count, small.now(often).send_count) == (1, 3)
        set_clock(clock, "2026-11-02T07:30")
        await small.until("2026-11-02T08:05")
        assert (small.now(daily).send_count, small.now(often).send_count) == (1, 3)
        assert await small.service.enable(OWNER, daily.id, False)
        set_clock(clock, "2026-11-02T07:30")
        assert await small.service.enable(OWNER, daily.id, True)
        await small.until("2026-11-03T07:00")
        assert small.now(daily).send_count == 1
        await small.until("2026-11-03T08:01")
        assert small.now(daily).send_count == 2


async def test_a_clock_set_ahead_by_mistake_is_forgiven_for_what_it_skipped(
    tmp_path: Path, autojump_clock: object
) -> None:
    clock = clock_at("2026-11-02T07:00")
    async with open_small(tmp_path, clock) as small:
        made = await small.create("daily", "08:00")
        set_clock(clock, "2037-11-02T12:00")
        await trio.sleep(120)
        assert small.now(made).send_count == 0
        set_clock(clock, "2026-11-02T07:10")
        await small.until("2026-11-02T08:01")
        assert await small.fired(made) == ["11-02 08:00"]


async def test_a_clock_set_ahead_is_noticed_within_a_minute(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T01:00")
    async with open_small(tmp_path, clock) as small:
        made = await small.create("daily", "08:00")
        set_clock(clock, "2026-11-02T07:59:50")
        await trio.sleep(61)
        assert small.now(made).send_count == 1


async def test_a_changed_zone_plans_anew(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:00")
    async with open_small(tmp_path, clock) as small:
        daily = await small.create("daily", "08:00")
        dated = await small.create("once", "2026-11-05T08:00")
        off = await small.create("daily", "08:00")
        assert await small.service.enable(OWNER, off.id, False)
        await small.until("2026-11-02T08:01")
    async with open_small(tmp_path, clock, tz=BERLIN) as small:
        await small.until("2026-11-05T09:00", BERLIN)
        berlin = ["11-02 08:00", "11-03 08:00", "11-04 08:00", "11-05 08:00"]
        assert await small.fired(daily, BERLIN) == ["11-02 01:00", *berlin]
        assert await small.fired(dated, BERLIN) == ["11-05 08:00"]
        assert await small.fired(off, BERLIN) == []
    async with open_small(tmp_path, clock, tz=SHANGHAI) as small:
        await small.until("2026-11-06T09:00")
        assert (await small.fired(daily))[-1] == "11-06 08:00"
        assert small.now(daily).send_count == 6


@pytest.mark.parametrize(("now", "count"), [("2026-11-05T08:30", 1), ("2026-11-05T10:00", 0)])
async def test_a_date_that_the_new_zone_has_behind_it(
    tmp_path: Path, autojump_clock: object, now: str, count: int
) -> None:
    clock = clock_at("2026-11-02T07:00")
    async with open_small(tmp_path, clock) as small:
        made = await small.create("once", "2026-11-05T08:00")
    set_clock(clock, now, "Pacific/Auckland")
    async with open_small(tmp_path, clock, tz="Pacific/Auckland") as small:
        await trio.sleep(86400)
        assert (small.now(made).send_count, small.now(made).enabled) == (count, False)


# --- many ---


async def test_ten_thousand_due_in_the_same_minute(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:59")
    async with open_small(tmp_path, clock) as small:
        model = await small.create("daily", "08:00")

    def fill(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            for _ in range(39):
                add_channel(connection, add_user(connection, f"{random.getrandbits(128):032x}"))
            for n in range(9_999):
                reminder_rows.insert(connection, replace(model, user_id=UserId(n % 40 + 1)))

    await prepare(tmp_path, clock, fill)
    async with open_small(tmp_path, clock) as small:
        await trio.sleep((model.next_at or 0) - clock.now())
        while (before := fired_count(small)) == 0:
            await trio.lowlevel.checkpoint()
        await small.journal.ask(CreateReminder(OWNER, "插队", "", ReminderType.DAILY, "12:00", "", 0))
        assert fired_count(small) - before <= 2 * BATCH  # others find room beside them
        await trio.sleep(5)
        rows = await small.rows("SELECT reminder_id, count(*) FROM push_logs GROUP BY reminder_id")
        assert len(rows) == 10_000
        assert {count for _, count in rows} == {1}
        [[last]] = await small.rows("SELECT max(accepted_at) FROM push_logs")
        assert last < (model.next_at or 0) + 1


def fired_count(small: Small) -> int:
    return sum(reminder.send_count for reminder in small.pictures.reminders.planned())


# --- where it goes ---


async def test_nothing_usable_is_counted_and_logged(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:59")
    async with open_small(tmp_path, clock) as small:
        without = await small.create("daily", "08:00", message="正文")

    def fill(connection: sqlite3.Connection) -> None:
        add_channel(connection, add_user(connection, "pending"), activated=False)
        add_channel(connection, add_user(connection, "disabled", is_disabled=True))

    await prepare(tmp_path, clock, fill)
    async with open_small(tmp_path, clock) as small:
        pending = await small.create("once", "08:00", UserId(2))
        disabled = await small.create("once", "08:00", UserId(3))
        await small.until("2026-11-02T08:01")
        rows = await small.rows(
            "SELECT reminder_id, channel_id, status, reason, settled_at > 0 FROM push_logs ORDER BY reminder_id"
        )
        assert rows == [
            (without.id, 0, "failed", "no_context_token", 1),
            (pending.id, 1, "failed", "no_context_token", 1),
            (disabled.id, 2, "failed", "no_context_token", 1),
        ]
        assert [small.now(r).send_count for r in (without, pending, disabled)] == [1, 1, 1]


async def test_its_own_channel_and_the_default(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:59")
    async with open_small(tmp_path, clock):
        pass

    def fill(connection: sqlite3.Connection) -> None:
        add_channel(connection)
        add_channel(connection, is_default=False)
        add_channel(connection, is_default=False, activated=False)

    await prepare(tmp_path, clock, fill)
    async with open_small(tmp_path, clock) as small:
        default = await small.create("once", "08:00")
        both = await small.create("once", "08:00", channel="3|2")
        await small.until("2026-11-02T08:01")
        rows = await small.rows(
            "SELECT reminder_id, channel_id, status, replace_key FROM push_logs ORDER BY reminder_id, id"
        )
        assert rows == [
            (default.id, 1, "queued", None),
            (both.id, 3, "skipped", None),
            (both.id, 2, "queued", None),
        ]
        assert [small.pictures.outboxes.depth(channel.id) for channel in small.pictures.directory.channels()] == [
            1,
            1,
            0,
        ]


# --- the owner's hand ---


async def test_deleting_settles_what_waits_and_takes_the_log_along(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T00:00")
    async with open_small(tmp_path, clock):
        pass
    await prepare(tmp_path, clock, add_channel)
    async with open_small(tmp_path, clock) as small:
        made, other = await small.create("every2min", "00:00"), await small.create("daily", "08:00")
        await small.until("2026-11-04T02:00")  # 780 rows, and more than one bite once they are doubled
        await prepare_rows(small.database.write, made.id, 2_500)
        [outbox] = [small.pictures.outboxes.of(channel.id) for channel in small.pictures.directory.channels()]
        assert len(outbox) > 500 - 2
        assert not await small.service.delete(UserId(2), made.id)
        assert await small.service.delete(OWNER, made.id)
        assert not await small.service.delete(OWNER, made.id)
        assert [row.replace_key for row in outbox] == [f"reminder:{other.id}"] * 2
        assert [r.id for r in small.service.list(OWNER)] == [other.id]
        await trio.sleep(1)
        assert small.pictures.reminders.gone == set()
        assert await small.rows("SELECT DISTINCT reminder_id FROM push_logs") == [(other.id,)]
        await trio.sleep(600)
        assert await small.fired(made) == []


async def prepare_rows(write: Callable[..., object], reminder_id: ReminderId, count: int) -> None:
    """Settled rows of a long past, by hand."""

    def fill(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("UPDATE sqlite_sequence SET seq = 1000000 WHERE name = 'push_logs'")
            for n in range(count):
                connection.execute(
                    "INSERT INTO push_logs (id, push_id, readkey, user_id, channel_id, title, text, status, source,"
                    " ip, priority, expires_at, accepted_at, reminder_id)"
                    " VALUES (?,0,'',1,1,'','','success','reminder','','normal',1,1,?)",
                    (500_000 + n, reminder_id),
                )

    await write(fill)  # type: ignore[misc]


async def test_a_log_left_over_by_a_crash_goes_at_the_next_start(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:59")
    async with open_small(tmp_path, clock) as small:
        made = await small.create("daily", "08:00")
        await small.until("2026-11-02T08:01")
    await prepare(tmp_path, clock, lambda c: reminder_rows.delete(c, made.id))
    async with open_small(tmp_path, clock) as small:
        await trio.sleep(1)
        assert await small.rows("SELECT * FROM push_logs") == []


async def test_changing_plans_anew_only_what_concerns_time(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T07:00")) as small:
        made = await small.create("daily", "08:00", message="旧", max_count=5)
        renamed = await small.service.change(OWNER, made.id, ReminderForm(title="新", message="", channel="all"))
        assert renamed == replace(made, title="新", message="", channel="all")
        moved = await small.service.change(OWNER, made.id, ReminderForm(time="07:30"))
        assert moved is not None
        assert moved.next_at == (made.next_at or 0) - 1800
        await small.until("2026-11-02T08:30")
        assert await small.fired(made) == ["11-02 07:30"]
        ended = await small.service.change(OWNER, made.id, ReminderForm(max_count=1))
        assert ended is not None
        assert (ended.enabled, ended.next_at) == (False, None)
        asleep = await small.service.change(OWNER, made.id, ReminderForm(type="workday", time="09:00", max_count=0))
        assert asleep is not None
        assert (asleep.type, asleep.enabled, asleep.next_at) == (ReminderType.WORKDAY, False, None)
        assert note(asleep) == "周一至周五"
        assert await small.service.change(UserId(2), made.id, ReminderForm(title="不是我的")) is None
        assert await small.service.change(OWNER, ReminderId(99), ReminderForm(title="没有")) is None
        assert not await small.service.enable(UserId(2), made.id, True)
        await small.until("2026-11-04T08:30")
        assert await small.fired(made) == ["11-02 07:30"]


async def test_a_due_time_that_is_no_longer_the_reminders_fires_nothing(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T07:00")) as small:
        made = await small.create("daily", "08:00")
        assert made.next_at is not None
        assert await small.journal.ask(FireReminder(made.id, made.next_at - 60)) == Fired(Firing.STALE)
        assert await small.journal.ask(FireReminder(ReminderId(99), made.next_at)) == Fired(Firing.STALE)
        await small.until("2026-11-02T08:01")
        assert await small.journal.ask(FireReminder(made.id, made.next_at)) == Fired(Firing.STALE)
        assert small.now(made).send_count == 1


async def test_a_stored_time_that_is_not_understood_is_disabled(tmp_path: Path, autojump_clock: object) -> None:
    clock = clock_at("2026-11-02T07:59")
    async with open_small(tmp_path, clock) as small:
        bad, good = await small.create("daily", "08:00"), await small.create("daily", "08:00")
    await prepare(tmp_path, clock, lambda c: reminder_rows.update(c, replace(bad, time="tea time")))
    async with open_small(tmp_path, clock) as small:
        await small.until("2026-11-03T08:01")
        assert not small.now(bad).enabled
        assert small.now(good).send_count == 2


@pytest.mark.parametrize(
    ("form", "word"),
    [
        (ReminderForm(time="08:00"), "title"),
        (ReminderForm(title="  ", time="08:00"), "title"),
        (ReminderForm(title="x"), "time"),
        (ReminderForm(title="x", time="later"), "time"),
        (ReminderForm(title="x", time="2026-11-02T06:59"), "time"),
        (ReminderForm(title="x", time="08:00", type="yearly"), "type"),
        (ReminderForm(title="x", time="08:00", type="cron"), "time"),
        (ReminderForm(title="x", time="08:00", max_count=-1), "max_count"),
    ],
)
async def test_what_is_wrong_is_named(tmp_path: Path, autojump_clock: object, form: ReminderForm, word: str) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T07:00")) as small:
        with pytest.raises(BadReminder) as caught:
            await small.service.create(OWNER, form)
        assert caught.value.text.startswith(word)
        assert small.service.list(OWNER) == []


async def test_a_once_whose_date_is_past_cannot_be_enabled(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path, clock_at("2026-11-02T07:00")) as small:
        made = await small.create("once", "2026-11-02T08:00")
        await small.until("2026-11-02T09:00")
        with pytest.raises(BadReminder, match=r"^time"):
            await small.service.enable(OWNER, made.id, True)
        assert [r.id for r in small.service.list(OWNER)] == [made.id]
