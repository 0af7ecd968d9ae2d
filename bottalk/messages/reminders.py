"""To the journal: reminders."""

from enum import Enum

from msgspec import Struct

from bottalk.values import (
    PushId,
    Reminder,
    ReminderId,
    ReminderType,
    UserId,
)
from supervisors import Ask


class CreateReminder(Ask[Reminder], Struct, frozen=True):
    """Store a reminder, enabled. Fails with ScheduleError when it would never be due."""

    user_id: UserId
    title: str
    message: str
    type: ReminderType
    time: str
    channel: str
    max_count: int


class ChangeReminder(Ask[Reminder | None], Struct, frozen=True):
    """Change what is given; another type or time makes a new plan. Answers None when the account has no such one.

    Fails with ScheduleError when it would never be due.
    """

    user_id: UserId
    reminder_id: ReminderId
    title: str | None = None
    message: str | None = None
    type: ReminderType | None = None
    time: str | None = None
    channel: str | None = None
    max_count: int | None = None


class EnableReminder(Ask[bool], Struct, frozen=True):
    """Answers whether the account has such a reminder. Fails with ScheduleError when it would never be due."""

    user_id: UserId
    reminder_id: ReminderId
    enabled: bool


class DeleteReminder(Ask[bool], Struct, frozen=True):
    """Delete it with its log; what waits is settled first. Answers whether the account had such a reminder."""

    user_id: UserId
    reminder_id: ReminderId


class Firing(Enum):
    """What came of a due time."""

    SENT = "sent"
    """Its rows are committed (queued, or settled at birth where nobody would send them)."""
    TOO_LATE = "too_late"
    """It was missed by an hour or more: nothing was sent."""
    STALE = "stale"
    """The reminder is not due then: it was changed, deleted or fired meanwhile."""
    NOT_UNDERSTOOD = "not_understood"
    """Its stored time cannot be read by this version: it is disabled."""


class Fired(Struct, frozen=True):
    """What came of a due time; of a push that was born of it, its id and how many channels it has a row for."""

    firing: Firing
    push_id: PushId | None = None
    channels: int = 0


class FireReminder(Ask[Fired], Struct, frozen=True):
    """`due` has come: rows, count and next due time in one commit, or nothing when that is not its due time."""

    reminder_id: ReminderId
    due: float


class ReplanReminders(Ask[int], Struct, frozen=True):
    """Compute the due times ahead of these again: the zone changed, or the clock was set back. Answers how many."""

    reminder_ids: tuple[ReminderId, ...]


class ForgetReminderLog(Ask[int], Struct, frozen=True):
    """Delete one bite of a deleted reminder's log; the agenda's `gone` tells whether there may be more.

    Answers how many rows that were.
    """

    reminder_id: ReminderId
