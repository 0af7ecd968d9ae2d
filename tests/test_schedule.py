"""When reminders are due: types, zones, gaps and folds."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottalk.schedule import Plan, ScheduleError, first_due, instant, next_due, parse, parse_type
from bottalk.values import ReminderType

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str, zone: ZoneInfo, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def plan(kind: str, time: str, since: str = "2026-01-01T00:00", zone: ZoneInfo = SHANGHAI) -> Plan:
    moment = at(since, zone)
    return parse(ReminderType(kind), time, since=moment, created_at=moment)


def dues(p: Plan, after: str, zone: ZoneInfo, count: int, fold: int = 0) -> list[str]:
    """The next due times, as local time with offset."""
    found: list[str] = []
    moment: float | None = at(after, zone, fold)
    while moment is not None and len(found) < count:
        moment = next_due(p, moment, zone)
        if moment is not None:
            found.append(datetime.fromtimestamp(moment, zone).isoformat(timespec="minutes"))
    return found


# --- types ---


@pytest.mark.parametrize(
    ("kind", "time", "after", "expected"),
    [
        ("once", "08:00", "2026-11-02T07:59", ["2026-11-02T08:00+08:00"]),
        ("once", "08:00", "2026-11-02T08:00", ["2026-11-03T08:00+08:00"]),
        ("once", "2026-11-05T08:00", "2026-11-02T08:00", ["2026-11-05T08:00+08:00"]),
        ("daily", "23:59", "2026-11-02T23:58", ["2026-11-02T23:59+08:00", "2026-11-03T23:59+08:00"]),
        ("daily", "2026-11-05T08:00", "2026-11-02T09:00", ["2026-11-05T08:00+08:00", "2026-11-06T08:00+08:00"]),
        ("daily", "2020-01-01T08:00", "2026-11-02T09:00", ["2026-11-03T08:00+08:00"]),
        ("workday", "08:00", "2026-11-05T09:00", ["2026-11-06T08:00+08:00", "2026-11-09T08:00+08:00"]),
        ("workday", "2026-11-07T08:00", "2026-11-02T09:00", ["2026-11-09T08:00+08:00"]),
        # 2026-01-01 was a Thursday
        ("weekly", "08:00", "2026-11-02T09:00", ["2026-11-05T08:00+08:00", "2026-11-12T08:00+08:00"]),
        ("weekly", "2026-11-10T08:00", "2026-11-02T09:00", ["2026-11-10T08:00+08:00", "2026-11-17T08:00+08:00"]),
        ("weekly", "2020-11-10T08:00", "2026-11-02T09:00", ["2026-11-03T08:00+08:00"]),
        ("cron", "30 7 * * 1-5", "2026-11-06T07:30", ["2026-11-09T07:30+08:00", "2026-11-10T07:30+08:00"]),
        ("cron", "*/20 9 1 * *", "2026-11-02T00:00", ["2026-12-01T09:00+08:00", "2026-12-01T09:20+08:00"]),
        ("cron", "0 0 29 2 *", "2026-11-02T00:00", ["2028-02-29T00:00+08:00"]),
    ],
)
def test_each_type(kind: str, time: str, after: str, expected: list[str]) -> None:
    assert dues(plan(kind, time), after, SHANGHAI, len(expected)) == expected


def test_once_with_a_full_date_is_due_once() -> None:
    assert dues(plan("once", "2026-11-05T08:00"), "2026-11-02T08:00", SHANGHAI, 5) == ["2026-11-05T08:00+08:00"]


def test_every_two_minutes_begins_at_its_time_and_goes_by_elapsed_time() -> None:
    p = plan("every2min", "08:01", since="2026-11-02T07:00")
    assert dues(p, "2026-11-02T07:00", SHANGHAI, 3) == [f"2026-11-02T08:0{n}+08:00" for n in (1, 3, 5)]
    assert dues(p, "2026-11-04T12:00", SHANGHAI, 1) == ["2026-11-04T12:01+08:00"]
    dated = plan("every2min", "2026-12-01T08:00", since="2026-11-02T07:00")
    assert dues(dated, "2026-11-02T07:00", SHANGHAI, 2) == ["2026-12-01T08:00+08:00", "2026-12-01T08:02+08:00"]


@pytest.mark.parametrize(
    ("kind", "time", "word"),
    [
        ("once", "", "time"),
        ("once", "8:00", "HH:MM"),
        ("once", "24:00", "小时"),
        ("once", "08:60", "分钟"),
        ("once", "2026-02-30T08:00", "没有这一天"),
        ("once", "2026-11-02 08:00", "HH:MM"),
        ("once", "9999-12-31T23:59", "年份"),
        ("daily", "0001-01-01T00:00", "年份"),
        ("daily", "0 8 * * *", "HH:MM"),
        ("once", "٠٨:٠٠", "HH:MM"),
        ("cron", "08:00", "cron"),
        ("cron", "0 8 * *", "cron"),
        ("cron", "0 0 8 * * *", "cron"),
        ("cron", "61 8 * * *", "cron"),
        ("cron", "0 0 31 2 *", "cron"),
        ("cron", "1," * 60 + "1 8 * * *", "cron"),
        ("cron", "0 8 * * ²L", "cron"),
    ],
)
def test_what_is_malformed_names_the_field(kind: str, time: str, word: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        plan(kind, time)
    assert caught.value.text.startswith("time")
    assert word in caught.value.text


def test_a_past_date_and_a_day_that_never_comes_are_refused() -> None:
    now = at("2026-11-02T08:00", SHANGHAI)
    with pytest.raises(ScheduleError, match="time 已经过去"):
        first_due(plan("once", "2026-11-02T08:00"), now, SHANGHAI)
    with pytest.raises(ScheduleError, match="永远不会到期"):
        first_due(plan("cron", "0 0 */29 2 1#2"), now, SHANGHAI)


def test_types_by_name() -> None:
    assert parse_type("repeat") is ReminderType.DAILY
    assert parse_type(" every2min ") is ReminderType.EVERY_2_MIN
    with pytest.raises(ScheduleError, match=r"^type .*once.*cron"):
        parse_type("yearly")


@given(text=st.text(max_size=30), kind=st.sampled_from(ReminderType))
def test_any_text_is_understood_or_refused_in_words(text: str, kind: ReminderType) -> None:
    try:
        parse(kind, text, since=1.8e9, created_at=1.8e9)
        problem = "time"
    except ScheduleError as e:
        problem = e.text
    assert problem.startswith("time")


@given(fields=st.lists(st.text("0123456789*/-,L#MONW", min_size=1, max_size=8), min_size=5, max_size=5))
def test_any_cron_is_due_later_or_refused(fields: list[str]) -> None:
    try:
        p = parse(ReminderType.CRON, " ".join(fields), since=1.8e9, created_at=1.8e9)
    except ScheduleError:
        return
    due = next_due(p, 1.8e9, BERLIN)
    assert due is None or due > 1.8e9


# --- gaps and folds ---


@pytest.mark.parametrize("kind_time", [("daily", "02:30"), ("cron", "30 2 * * *")])
def test_in_a_gap_at_the_first_minute_after_it(kind_time: tuple[str, str]) -> None:
    p = plan(*kind_time, zone=BERLIN)
    assert dues(p, "2026-03-28T02:00", BERLIN, 3) == [
        "2026-03-28T02:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]


@pytest.mark.parametrize("kind_time", [("daily", "02:30"), ("cron", "30 2 * * *"), ("cron", "30 0-4/2 * * *")])
def test_in_a_fold_at_the_first_occurrence_only(kind_time: tuple[str, str]) -> None:
    p = plan(*kind_time, zone=BERLIN)
    found = [due for due in dues(p, "2026-10-24T12:00", BERLIN, 8) if due.startswith("2026-10-25T02")]
    assert found == ["2026-10-25T02:30+02:00"]


@pytest.mark.parametrize("kind_time", [("daily", "02:30"), ("cron", "30 2 * * *")])
def test_within_the_second_pass_of_a_fold_the_next_day_is_next(kind_time: tuple[str, str]) -> None:
    p = plan(*kind_time, zone=BERLIN)
    assert dues(p, "2026-10-25T02:10", BERLIN, 1, fold=1) == ["2026-10-26T02:30+01:00"]


def test_once_and_weekly_in_a_gap() -> None:
    assert dues(plan("once", "2026-03-29T02:00", zone=BERLIN), "2026-03-28T00:00", BERLIN, 1) == [
        "2026-03-29T03:00+02:00"
    ]
    weekly = plan("weekly", "2026-03-22T02:59", zone=BERLIN)
    assert dues(weekly, "2026-03-22T03:00", BERLIN, 2) == ["2026-03-29T03:00+02:00", "2026-04-05T02:59+02:00"]


@pytest.mark.parametrize(("after", "minutes"), [("2026-03-29T00:00", 180), ("2026-10-25T00:00", 180)])
def test_two_minutes_stay_two_minutes_through_a_change(after: str, minutes: int) -> None:
    p = plan("every2min", "00:00", since="2026-01-01T00:00", zone=BERLIN)
    moment = at(after, BERLIN)
    for n in range(1, minutes):
        assert next_due(p, moment + (n - 1) * 120 + 7, BERLIN) == moment + n * 120


def test_cron_with_wildcards_goes_by_its_library_in_a_change() -> None:
    hourly = plan("cron", "0 * * * *", zone=BERLIN)
    assert dues(hourly, "2026-10-25T01:30", BERLIN, 3) == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T03:00+01:00",
    ]
    assert dues(hourly, "2026-03-29T01:30", BERLIN, 1) == ["2026-03-29T03:00+02:00"]
    halves = plan("cron", "*/30 2 * * *", zone=BERLIN)
    assert dues(halves, "2026-03-29T01:30", BERLIN, 1) == ["2026-03-30T02:00+02:00"]
    assert dues(halves, "2026-10-25T01:30", BERLIN, 4) == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T02:30+01:00",
    ]


def test_a_zone_that_leaves_a_whole_day_out() -> None:
    apia = ZoneInfo("Pacific/Apia")
    p = plan("daily", "08:00", zone=apia)
    assert dues(p, "2011-12-29T09:00", apia, 2) == ["2011-12-31T00:00+14:00", "2011-12-31T08:00+14:00"]


def test_fractions_of_a_second_skip_nothing() -> None:
    due = at("2026-11-02T08:00", SHANGHAI)
    for kind, time in (("daily", "08:00"), ("cron", "0 8 * * *"), ("every2min", "08:00")):
        p = plan(kind, time, since="2026-11-01T09:00")
        assert next_due(p, due - 1e-6, SHANGHAI) == due
        assert next_due(p, due, SHANGHAI) != due


@given(
    seconds=st.floats(1.6e9, 2.2e9),
    zone=st.sampled_from(
        [BERLIN, SHANGHAI, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]
    ),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
)
def test_daily_is_once_a_day_and_agrees_with_cron(seconds: float, zone: ZoneInfo, hour: int, minute: int) -> None:
    daily = parse(ReminderType.DAILY, f"{hour:02}:{minute:02}", since=0, created_at=0)
    cron = parse(ReminderType.CRON, f"{minute} {hour} * * *", since=0, created_at=0)
    due = next_due(daily, seconds, zone)
    assert due is not None
    assert 0 < due - seconds <= 25 * 3600 + 1
    assert due == next_due(cron, seconds, zone)
    assert due == instant(datetime.fromtimestamp(due, UTC).astimezone(zone).date(), hour, minute, zone)
