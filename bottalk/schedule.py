"""When a reminder is due. Pure: zone and moment come in as arguments.

Times of day are in a named zone. One that a daylight saving change leaves out (a gap) comes at the first minute after
it, one that comes twice (a fold) at its first occurrence only. `every2min` counts elapsed time. `cron` follows Debian's
cron, as cronsim reads it: a fixed hour and minute as above; where minute or hour begins with `*`, what a gap leaves out
is left out, and what a fold brings twice comes twice.
"""

import re
from datetime import UTC, date, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from msgspec import Struct

from bottalk.values import Reminder, ReminderType

TWO_MINUTES_S = 120.0

LONGEST_TIME = 100
"""Characters of `time`; no cron expression that people write is longer."""

_CLOCK = re.compile(r"(?:(\d{4})-(\d{2})-(\d{2})T)?(\d{2}):(\d{2})", re.ASCII)
_YEARS = range(1970, 2200)
"""Years that a full date may name: far from the ends of the calendar, where zone arithmetic overflows."""
_WORKDAYS = frozenset(range(5))
_EVERY_DAY = frozenset(range(7))
_DAYS_AHEAD = 10
"""Days to look through for the next one: a week, one more for a gap, one for a zone that leaves a day out."""


class ScheduleError(ValueError):
    """`type` or `time` is wrong; `text` says which and why, in Chinese."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Plan(Struct, frozen=True):
    """A reminder's type and time, understood. `since` and `created_at` are wall time; `day` is a full date's, if any.

    `since` is where `every2min` without a date looks for its first `time`; `weekly` without a date goes by the weekday
    of `created_at`.
    """

    type: ReminderType
    since: float
    created_at: float
    hour: int = 0
    minute: int = 0
    day: date | None = None
    cron: str = ""


def parse_type(text: str) -> ReminderType:
    """The type that `text` names; `repeat` is an old word for `daily`. Raises ScheduleError."""
    word = text.strip().lower()
    try:
        return ReminderType.DAILY if word == "repeat" else ReminderType(word)
    except ValueError:
        names = "、".join(ReminderType)
        raise ScheduleError(f"type 无效，应为 {names} 之一") from None


def parse(kind: ReminderType, time: str, *, since: float, created_at: float) -> Plan:
    """Understand `time`: `HH:MM`, `YYYY-MM-DDTHH:MM`, or for `cron` five fields. Raises ScheduleError."""
    time = time.strip()
    if kind is ReminderType.CRON:
        return Plan(kind, since, created_at, cron=_cron(time))
    found = _CLOCK.fullmatch(time)
    if found is None:
        raise ScheduleError("time 格式无效，应为 HH:MM 或 YYYY-MM-DDTHH:MM")
    year, month, day, hour, minute = (None if part is None else int(part) for part in found.groups())
    if hour is None or minute is None or hour > 23 or minute > 59:
        raise ScheduleError("time 无效：小时应为 00 到 23，分钟应为 00 到 59")
    if year is None or month is None or day is None:
        return Plan(kind, since, created_at, hour, minute)
    if year not in _YEARS:
        raise ScheduleError(f"time 无效：年份应为 {_YEARS.start} 到 {_YEARS.stop - 1}")
    try:
        return Plan(kind, since, created_at, hour, minute, date(year, month, day))
    except ValueError:
        raise ScheduleError("time 无效：没有这一天") from None


def plan_of(reminder: Reminder) -> Plan:
    """The plan of a stored reminder. Raises ScheduleError where this version does not understand what is stored."""
    return parse(reminder.type, reminder.time, since=reminder.since, created_at=reminder.created_at)


def next_due(plan: Plan, after: float, zone: ZoneInfo) -> float | None:
    """The first moment after `after` (never `after` itself) at which the plan is due; None when there is none.

    `once` without a date is due each day here: whoever fires it ends it.
    """
    match plan.type:
        case ReminderType.CRON:
            return _next_cron(plan.cron, after, zone)
        case ReminderType.EVERY_2_MIN:
            return _next_two_minutes(_first(plan, zone), after)
        case ReminderType.ONCE if plan.day is not None:
            at = instant(plan.day, plan.hour, plan.minute, zone)
            return at if at > after else None
        case _:
            return _next_day(plan, after, zone)


def first_due(plan: Plan, after: float, zone: ZoneInfo) -> float:
    """As `next_due`, for a plan that somebody has just given. Raises ScheduleError when it would never be due."""
    due = next_due(plan, after, zone)
    if due is not None:
        return due
    if plan.type is ReminderType.CRON:
        raise ScheduleError("time 无效：这个 cron 表达式永远不会到期")
    raise ScheduleError("time 已经过去，请给出将来的时间")


def instant(day: date, hour: int, minute: int, zone: ZoneInfo) -> float:
    """When this time of day is: at the first minute after a gap, at the first occurrence in a fold."""
    local = datetime(day.year, day.month, day.day, hour, minute)
    while (there := local.replace(tzinfo=zone)).astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        local += timedelta(minutes=1)
    return there.timestamp()


def _next_day(plan: Plan, after: float, zone: ZoneInfo) -> float | None:
    weekdays = _weekdays(plan, zone)
    # a gap can carry yesterday's time past midnight
    day = _day_of(after, zone) - timedelta(days=1)
    if plan.day is not None:
        day = max(day, plan.day)
    for _ in range(_DAYS_AHEAD):
        if day.weekday() in weekdays and (at := instant(day, plan.hour, plan.minute, zone)) > after:
            return at
        day += timedelta(days=1)
    return None


def _weekdays(plan: Plan, zone: ZoneInfo) -> frozenset[int]:
    match plan.type:
        case ReminderType.WORKDAY:
            return _WORKDAYS
        case ReminderType.WEEKLY:
            return frozenset({(plan.day or _day_of(plan.created_at, zone)).weekday()})
        case _:
            return _EVERY_DAY


def _day_of(when: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(floor(when), zone).date()


def _first(plan: Plan, zone: ZoneInfo) -> float:
    if plan.day is not None:
        return instant(plan.day, plan.hour, plan.minute, zone)
    # every day has its `time`, so there is always a next
    return _next_day(plan, plan.since, zone) or plan.since


def _next_two_minutes(first: float, after: float) -> float:
    if after < first:
        return first
    return first + (floor((after - first) / TWO_MINUTES_S) + 1) * TWO_MINUTES_S


# --- cron ---


def _cron(text: str) -> str:
    """`text` with single spaces, when it is a cron expression of five fields."""
    fields = text.split()
    try:
        if len(text) > LONGEST_TIME or len(fields) != 5:
            raise CronSimError("Wrong number of fields")
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        raise ScheduleError("time 不是有效的 cron 表达式，应为 5 个字段：分 时 日 月 周") from None
    return " ".join(fields)


def _next_cron(expression: str, after: float, zone: ZoneInfo) -> float | None:
    # cronsim drops fractions; in the second pass of a fold it begins with times of the first
    for due in CronSim(expression, datetime.fromtimestamp(floor(after), zone)):
        if (at := due.timestamp()) > after:
            return at
    return None
