"""Reminders of an imported account: planned anew from now on; what the old BotTalk has sent is not sent again."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from bottalk import schedule
from bottalk.messages import ComingReminder, End, Fate, Kind
from bottalk.schedule import ScheduleError
from bottalk.values import Reminder, ReminderId, ReminderType, User
from bottalk.verbs.draft import Draft

PAST = "its time is past: taken, but disabled"


def take_reminders(draft: Draft, user: User, coming: Sequence[ComingReminder]) -> list[Fate]:
    """What became of each."""
    before = draft.reminders_of(user.id)
    fates = []
    for reminder in coming:
        here = next((old for old in before if _is_same(old, reminder)), None)
        if here is not None:
            before.remove(here)  # two that are alike are two
            fates.append(Fate(Kind.REMINDER, reminder.old_id, End.PRESENT, here.id))
        else:
            fates.append(_take(draft, user, reminder))
    return fates


def _is_same(here: Reminder, coming: ComingReminder) -> bool:
    """Taken by an earlier import, and perhaps changed in one of its words since."""
    same_words = here.title == coming.title or (here.message, here.time) == (coming.message, coming.time.strip())
    return here.created_at == coming.created_at and same_words


def _take(draft: Draft, user: User, coming: ComingReminder) -> Fate:
    try:
        kind = schedule.parse_type(coming.type)
        # the old BotTalk went on every two minutes, whatever `time` said
        since = coming.created_at if kind is ReminderType.EVERY_2_MIN else draft.now
        reminder = Reminder(
            id=_free_id(draft, coming.old_id),
            user_id=user.id,
            title=coming.title,
            message=coming.message,
            type=kind,
            time=coming.time.strip(),
            channel="",
            max_count=coming.max_count,
            created_at=coming.created_at,
            since=since,
            zone=draft.config.tz,
            send_count=coming.send_count,
            fired_until=draft.now,
        )
        due = schedule.next_due(schedule.plan_of(reminder), draft.now, ZoneInfo(draft.config.tz))
    except ScheduleError as e:
        return Fate(Kind.REMINDER, coming.old_id, End.SKIPPED, why=e.text)
    if not coming.enabled or reminder.is_exhausted:
        due = None
    reminder = draft.add_reminder(replace(reminder, enabled=due is not None, next_at=due))
    is_past = coming.enabled and due is None and not reminder.is_exhausted
    return Fate(Kind.REMINDER, coming.old_id, End.TAKEN, reminder.id, PAST if is_past else "")


def _free_id(draft: Draft, old_id: int) -> ReminderId:
    """Its old id, if nobody has or had it; 0: one is made."""
    wanted = ReminderId(old_id)
    return wanted if old_id > 0 and draft.is_free_reminder(wanted) else ReminderId(0)
