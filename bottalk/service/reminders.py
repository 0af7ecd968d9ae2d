"""Reminders: an account's own ones. What is wrong with a form is said in Chinese, naming the field."""

from typing import Any, TypeVar

from msgspec import Struct

from bottalk import schedule
from bottalk.clock import Clock
from bottalk.errors import BotTalkError
from bottalk.messages import ChangeReminder, CreateReminder, DeleteReminder, EnableReminder
from bottalk.schedule import ScheduleError
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.values import Reminder, ReminderId, ReminderType, UserId
from bottalk.verbs.draft import Pictures
from supervisors import Ask, Mailbox

R = TypeVar("R")


LARGEST_COUNT = 1_000_000_000

NOT_FOUND = "提醒不存在"

NOTES = {ReminderType.WORKDAY: "周一至周五"}
"""What the answer adds to a type whose name does not say it."""


class BadReminder(BotTalkError):
    """A form is wrong; `text` says which field and why, in Chinese."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ReminderForm(Struct, frozen=True):
    """A reminder as parsed at the edge; None: not given. `max_count` 0 is no limit, `channel` is as on a push."""

    title: str | None = None
    time: str | None = None
    message: str | None = None
    type: str | None = None
    max_count: int | None = None
    channel: str | None = None


def note(reminder: Reminder) -> str | None:
    """What an answer says beside the reminder, if anything."""
    return NOTES.get(reminder.type)


class Reminders:
    """The use cases of the reminder routes. All but `list` raise CannotWrite, MailboxFull or NotTaken when the journal
    takes nothing: then nothing was changed. A cancel stops the listening only."""

    def __init__(self, pictures: Pictures, journal: Mailbox[Any], clock: Clock) -> None:
        self._pictures = pictures
        self._journal = journal
        self._clock = clock

    def list(self, user_id: UserId) -> list[Reminder]:
        """The account's reminders, newest first."""
        return self._pictures.reminders.of(user_id)

    async def create(self, user_id: UserId, form: ReminderForm) -> Reminder:
        """Store a new one, enabled. `title` and `time` must be given. Raises BadReminder."""
        kind = _type(form) or ReminderType.ONCE
        title, time = _title(form.title or ""), self._time(kind, form.time or "")
        ask = CreateReminder(user_id, title, form.message or "", kind, time, form.channel or "", _count(form) or 0)
        return await self._ask(ask)

    async def change(self, user_id: UserId, reminder_id: ReminderId, form: ReminderForm) -> Reminder | None:
        """The reminder with what is given changed; None when the account has no such one. Raises BadReminder."""
        old = self._pictures.reminders.get(reminder_id)
        if old is None or old.user_id != user_id:
            return None
        kind = _type(form)
        time = None if form.time is None else self._time(kind or old.type, form.time)
        title = None if form.title is None else _title(form.title)
        ask = ChangeReminder(user_id, reminder_id, title, form.message, kind, time, form.channel, _count(form))
        return await self._ask(ask)

    async def enable(self, user_id: UserId, reminder_id: ReminderId, enabled: bool) -> bool:
        """Whether the account has such a reminder, now enabled or not; an exhausted one counts anew.

        Raises BadReminder when its one time is past.
        """
        return await self._ask(EnableReminder(user_id, reminder_id, enabled))

    async def delete(self, user_id: UserId, reminder_id: ReminderId) -> bool:
        """Delete it with its log, what waits settled first. Whether the account had such a reminder."""
        return await self._ask(DeleteReminder(user_id, reminder_id))

    def _time(self, kind: ReminderType, text: str) -> str:
        """`text` as it is stored. What is malformed is found here; whether it is past, the journal judges."""
        time = " ".join(text.split())
        if not time:
            raise BadReminder("time 不能为空")
        now = self._clock.now()
        try:
            schedule.parse(kind, time, since=now, created_at=now)
        except ScheduleError as e:
            raise BadReminder(e.text) from e
        return time

    async def _ask(self, message: Ask[R]) -> R:
        try:
            return await self._journal.ask(message, timeout=TAKEN_WITHIN_S)
        except ScheduleError as e:
            raise BadReminder(e.text) from e


def _type(form: ReminderForm) -> ReminderType | None:
    if form.type is None or not form.type.strip():
        return None
    try:
        return schedule.parse_type(form.type)
    except ScheduleError as e:
        raise BadReminder(e.text) from e


def _title(text: str) -> str:
    if not text.strip():
        raise BadReminder("title 不能为空")
    return text


def _count(form: ReminderForm) -> int | None:
    if form.max_count is not None and not 0 <= form.max_count <= LARGEST_COUNT:
        raise BadReminder(f"max_count 应为 0 到 {LARGEST_COUNT} 的整数（0 表示不限次数）")
    return form.max_count
