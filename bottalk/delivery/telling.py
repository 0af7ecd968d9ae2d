"""When BotTalk speaks of its own accord: the nudge before a window closes, and the closings others are told of.

A nudge goes some hours before the forecast end of a window, because a word of the user then renews it. It goes in
waking hours only: one that would be due at night is brought forward to the evening.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from bottalk import schedule
from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.values import Channel, Reminder, ReminderType, Window

DAY_MIN = 1440

EVENING_S = 600.0
"""Seconds before the night that a nudge brought forward is due at the latest: time for a queue to be sent first."""

WORTH_S = 3600.0
"""Seconds. A nudge brought forward must come so long after the window opened: a word then gains at least as much."""

SPARE = 2
"""Messages that must be left when we speak unasked: the last of a window belongs to a push."""

SHORTEST_S = 60.0
"""Seconds before the closing under which a nudge helps nobody any more."""


class Waking(Struct, frozen=True):
    """Waking hours: from `start` until before `end`, in minutes of the zone's day. They may pass midnight."""

    start: int
    end: int
    zone: ZoneInfo

    def has(self, when: float) -> bool:
        """Whether people are awake at that wall time."""
        local = datetime.fromtimestamp(when, self.zone)
        return (local.hour * 60 + local.minute - self.start) % DAY_MIN < self.minutes

    @property
    def minutes(self) -> int:
        """How many of a day's; all of them where start and end are the same."""
        return (self.end - self.start) % DAY_MIN or DAY_MIN

    def ends_before(self, when: float) -> float:
        """The last evening that began before `when`: the wall time at which its waking hours ended."""
        day = datetime.fromtimestamp(when, self.zone).date()
        ends = (schedule.instant(day - timedelta(days=n), *divmod(self.end, 60), self.zone) for n in range(3))
        return next(end for end in ends if end <= when)

    def next_change(self, when: float, minute: int) -> float:
        """The first moment after `when` that is this minute of the zone's day."""
        day = datetime.fromtimestamp(when, self.zone).date()
        moments = (schedule.instant(day + timedelta(days=n), *divmod(minute, 60), self.zone) for n in range(-1, 3))
        return next(moment for moment in moments if moment > when)


def waking_of(settings: DeliverySettings, zone: ZoneInfo) -> Waking:
    start, end = (_minutes(text) for text in (settings.waking_from, settings.waking_to))
    return Waking(start, end, zone)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def nudge_at(window: Window, waking: Waking, settings: DeliverySettings, spread: float = 0.0) -> float | None:
    """The wall time at which this window's nudge is due, always in waking hours and before the window closes.

    None where there is no such moment, or the window was never opened. `spread` (seconds, up to an hour) brings a
    nudge of the evening forward a little more, so that not all channels are told in the same minute.
    """
    closes_at = windows.closes_at(window)
    if closes_at is None or window.opened_at is None:
        return None
    # a short window is not renewed in its first half
    due = max(closes_at - settings.nudge_before, window.opened_at + window.life / 2)
    if waking.has(due):
        return due
    night = waking.ends_before(due)
    evening = night - min(EVENING_S + spread, waking.minutes * 60 / 2)
    if evening >= window.opened_at + WORTH_S and waking.has(evening):
        return evening
    morning = waking.next_change(due, waking.start)
    return morning if morning < closes_at and waking.has(morning) else None


def is_nudge_due(channel: Channel, now: float, waking: Waking, settings: DeliverySettings) -> bool:
    """Whether the nudge of this channel's window may go now. Whether it has a use is another question.

    Never for a window that was nudged, at night, during a penalty, or where hardly anything is left.
    """
    window = channel.window
    if not settings.nudge or not channel.is_live or channel.nudged_epoch == window.epoch:
        return False
    closes_at = windows.closes_at(window)
    if closes_at is None or not SHORTEST_S <= closes_at - now <= _longest_lead(waking, settings):
        return False
    if windows.left(window, now, settings) < SPARE or (window.penalty_until or 0.0) > now:
        return False
    due = nudge_at(window, waking, settings, spread=channel.id % 30 * 60.0)
    return due is not None and due <= now and waking.has(now) and waking.has(now + SHORTEST_S)


def _longest_lead(waking: Waking, settings: DeliverySettings) -> float:
    """Seconds before its closing that no nudge is due yet: a night, the margin before it, and a clock change."""
    return settings.nudge_before + (DAY_MIN - waking.minutes) * 60.0 + 3 * 3600.0


def has_use(channel: Channel, reminders: Iterable[Reminder], *, is_welcomed: bool) -> bool:
    """Whether a renewed window would be of use: this one carried something, or a reminder comes after it.

    `reminders`: those that go to this channel. `is_welcomed`: the first word of all is answered, which says nothing of
    a use.
    """
    window = channel.window
    welcome = 1 if is_welcomed and channel.activated_at == window.opened_at else 0
    if window.spent > welcome:
        return True
    closes_at = windows.closes_at(window)
    return closes_at is not None and any(_comes_after(one, closes_at, window.life) for one in reminders)


def _comes_after(reminder: Reminder, closes_at: float, life: float) -> bool:
    """Whether it is due after the closing, and soon enough for a word written before that to carry it."""
    if reminder.next_at is None:
        return False
    if reminder.next_at < closes_at:
        is_last = reminder.send_count + 1 >= reminder.max_count > 0
        return reminder.type is not ReminderType.ONCE and not is_last
    return reminder.next_at < closes_at + life


def nudge_ttl(window: Window, now: float, waking: Waking) -> float:
    """Seconds that a nudge is worth delivering: until the window closes, or the night begins."""
    closes_at = windows.closes_at(window)
    left = 0.0 if closes_at is None else closes_at - now
    return left if waking.minutes == DAY_MIN else min(left, waking.next_change(now, waking.end) - now)


def closing(channel: Channel, now: float, settings: DeliverySettings) -> str:
    """What keeps pushes from this channel until its user acts, as a name of this one closing or end; else empty.

    A window that was never opened is not closed.
    """
    if channel.is_dead:
        return f"dead:{channel.window.epoch}"
    if channel.is_live and windows.closed_by(channel.window, now, settings) is not None:
        return f"closed:{channel.window.epoch}"
    return ""


def can_carry_notice(channel: Channel, now: float, settings: DeliverySettings) -> bool:
    """Whether this channel may be told of another one."""
    return channel.is_live and windows.left(channel.window, now, settings) >= SPARE
