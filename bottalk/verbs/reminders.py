"""Reminders: made, changed, fired. A due time is recorded with its queued push, so it fires exactly once."""

from zoneinfo import ZoneInfo

from msgspec.structs import replace

from bottalk import schedule
from bottalk.directory import wanted_channels
from bottalk.errors import NoAccount
from bottalk.messages import (
    Accept,
    Accepted,
    ChangeReminder,
    CreateReminder,
    DeleteReminder,
    EnableReminder,
    Fired,
    FireReminder,
    Firing,
    ForgetReminderLog,
    ReplanReminders,
)
from bottalk.schedule import ScheduleError
from bottalk.store import pushes as push_rows
from bottalk.store import reminders as reminder_rows
from bottalk.values import ChannelId, Reminder, ReminderId, ReminderType, Settlement, UserId
from bottalk.verbs.draft import Draft
from bottalk.verbs.pushes import DELETED, accept

LATE_S = 3600.0
"""Seconds after which a due time that was missed is not sent any more."""

BITE = 1000
"""Rows of a deleted reminder's log that go in one commit: about 20 ms, so that no push waits long."""

NO_CHANNEL = ChannelId(0)
"""Whose row it is in the log when an account has no channel at all."""


def create(draft: Draft, m: CreateReminder) -> Reminder:
    """Raises ScheduleError when it would never be due, NoAccount when the account is gone by now."""
    if draft.user(m.user_id) is None:
        raise NoAccount("the account that wants a reminder is gone")
    reminder = Reminder(
        id=ReminderId(0),
        user_id=m.user_id,
        title=m.title,
        message=m.message,
        type=m.type,
        time=m.time,
        channel=m.channel,
        max_count=m.max_count,
        created_at=draft.now,
        since=draft.now,
        zone=draft.config.tz,
    )
    return draft.add_reminder(_planned_anew(draft, reminder))


def change(draft: Draft, m: ChangeReminder) -> Reminder | None:
    """The reminder as changed, None when there is none. Raises ScheduleError when it would never be due."""
    old = _own(draft, m.user_id, m.reminder_id)
    if old is None:
        return None
    new = replace(
        old,
        title=old.title if m.title is None else m.title,
        message=old.message if m.message is None else m.message,
        type=old.type if m.type is None else m.type,
        time=old.time if m.time is None else m.time,
        channel=old.channel if m.channel is None else m.channel,
        max_count=old.max_count if m.max_count is None else m.max_count,
    )
    if (new.type, new.time) != (old.type, old.time):
        planned = _planned_anew(draft, replace(new, fired_until=0.0))
        new = planned if old.enabled else replace(planned, next_at=None)
    if new.is_exhausted:
        new = _ended(new)
    draft.put_reminder(new)
    return new


def enable(draft: Draft, m: EnableReminder) -> bool:
    """Whether there is such a reminder. An exhausted one starts its count anew. Raises ScheduleError."""
    reminder = _own(draft, m.user_id, m.reminder_id)
    if reminder is None:
        return False
    if m.enabled and not reminder.enabled:
        count = 0 if reminder.is_exhausted else reminder.send_count
        draft.put_reminder(_planned_anew(draft, replace(reminder, enabled=True, send_count=count)))
    elif not m.enabled and reminder.enabled:
        draft.put_reminder(_ended(reminder))
    return True


def delete(draft: Draft, m: DeleteReminder) -> bool:
    """Whether there was such a reminder. What waits is settled first; the newest of its log goes at once."""
    if _own(draft, m.user_id, m.reminder_id) is None:
        return False
    remove(draft, m.reminder_id)
    forget_log(draft, ForgetReminderLog(m.reminder_id))
    return True


def remove(draft: Draft, reminder_id: ReminderId) -> None:
    """Settle what waits of it as deleted, and delete it; the rest of its log is left to `ForgetReminderLog`."""
    for channel_id, row_id in reminder_rows.waiting_rows(draft.connection, reminder_id):
        if row_id in draft.in_hand(channel_id):
            continue  # it is being sent
        settlement = Settlement(row_id, DELETED)
        push_rows.settle(draft.connection, channel_id, settlement, draft.now, draft.config.log_texts)
        draft.mine.settled.append((channel_id, settlement))
    draft.remove_reminder(reminder_id)


def forget_log(draft: Draft, m: ForgetReminderLog) -> int:
    """One bite of a deleted reminder's log; how many rows that were."""
    count = reminder_rows.delete_log(draft.connection, m.reminder_id, BITE)
    if count < BITE:
        draft.mine.forgotten.append(m.reminder_id)
    return count


def fire(draft: Draft, m: FireReminder) -> Fired:
    """Its rows, its count and its next due time in one commit; nothing when it is not due then (any more)."""
    reminder = draft.reminder(m.reminder_id)
    if reminder is None or reminder.next_at != m.due:
        return Fired(Firing.STALE)
    fired = Fired(Firing.TOO_LATE)
    try:
        due = _still_wanted(reminder, m.due, draft.now)
        if due is not None:
            push = _send(draft, reminder)
            fired = Fired(Firing.SENT, push.push_id, len(push.rows))
            until = max(due, draft.now)
            reminder = replace(reminder, send_count=reminder.send_count + 1, fired_until=until)
        draft.put_fired(_after(draft, reminder, m.due))
    except ScheduleError:
        # stored by a version that understood it; without a next due time it would come up again for ever
        draft.put_fired(_ended(reminder))
        return replace(fired, firing=Firing.NOT_UNDERSTOOD)
    return fired


def replan(draft: Draft, m: ReplanReminders) -> int:
    """Compute due times again that still lie ahead: in the present zone, after what has fired. How many were."""
    count = 0
    zone = ZoneInfo(draft.config.tz)
    for reminder_id in m.reminder_ids:
        reminder = draft.reminder(reminder_id)
        if reminder is None or reminder.next_at is None or reminder.next_at <= draft.now:
            continue  # what is due already fires by the zone it was planned in
        try:
            plan = schedule.plan_of(reminder)
        except ScheduleError:
            continue  # told when it is due
        due = schedule.next_due(plan, max(draft.now, reminder.fired_until), zone)
        if due is None and plan.day is not None:
            # in the new zone its one moment is past: fired all the same while it is not too late
            due = schedule.instant(plan.day, plan.hour, plan.minute, zone)
        draft.put_fired(replace(reminder, next_at=due, zone=draft.config.tz))
        count += 1
    return count


def _own(draft: Draft, user_id: UserId, reminder_id: ReminderId) -> Reminder | None:
    reminder = draft.reminder(reminder_id)
    return reminder if reminder is not None and reminder.user_id == user_id else None


def _planned_anew(draft: Draft, reminder: Reminder) -> Reminder:
    reminder = replace(reminder, since=draft.now, zone=draft.config.tz)
    after = max(draft.now, reminder.fired_until)
    due = schedule.first_due(schedule.plan_of(reminder), after, ZoneInfo(draft.config.tz))
    return replace(reminder, next_at=due)


def _ended(reminder: Reminder) -> Reminder:
    return replace(reminder, enabled=False, next_at=None)


def _still_wanted(reminder: Reminder, due: float, now: float) -> float | None:
    """The due time to send for: this one, or the first later one that was missed by under an hour; None: too late."""
    if now - due < LATE_S:
        return due
    if reminder.type is ReminderType.ONCE:
        return None
    later = schedule.next_due(schedule.plan_of(reminder), now - LATE_S, ZoneInfo(reminder.zone))
    return later if later is not None and later <= now else None


def _after(draft: Draft, reminder: Reminder, due: float) -> Reminder:
    """The reminder after `due` was sent or skipped. What was missed in between is not made up for."""
    if reminder.type is ReminderType.ONCE or reminder.is_exhausted:
        return _ended(reminder)
    after = max(draft.now, due, reminder.fired_until)
    next_at = schedule.next_due(schedule.plan_of(reminder), after, ZoneInfo(draft.config.tz))
    if next_at is None:
        return _ended(reminder)
    return replace(reminder, next_at=next_at, zone=draft.config.tz)


def _send(draft: Draft, reminder: Reminder) -> Accepted:
    """One firing on the path of every push. A repeating one replaces what still waits of it."""
    user = draft.user(reminder.user_id)
    channels = wanted_channels(reminder.channel, draft.channels_of(reminder.user_id))
    usable = user is not None and not user.is_disabled and any(channel.is_usable for channel in channels)
    return accept(
        draft,
        Accept(
            user_id=reminder.user_id,
            title=reminder.title,
            text=reminder.message,
            channels=tuple(channel.id for channel in channels) or (NO_CHANNEL,),
            skipped=frozenset(channel.id for channel in channels if not channel.is_usable),
            unusable=not usable,
            source="reminder",
            ip="reminder",
            replace_key=None if reminder.type is ReminderType.ONCE else f"reminder:{reminder.id}",
            reminder_id=reminder.id,
        ),
    )
