"""What a push writes: its rows when it is accepted, and what came of each try to send them."""

import sqlite3

from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.errors import NoAccount, OtherContent
from bottalk.messages import Accept, Accepted, SendEvent, Settle
from bottalk.store import pushes as push_rows
from bottalk.values import SYSTEM, ChannelId, Outcome, PushId, Reason, Row, RowId, RowStatus, Secret, UserId, Window
from bottalk.verbs.draft import Draft

REMEMBER_KEYS_S = 86400.0
"""Seconds an idempotency key stands for its push."""

QUEUED = Outcome(RowStatus.QUEUED, kept=True)
SKIPPED = Outcome(RowStatus.SKIPPED, reason=Reason.NO_CONTEXT_TOKEN)
UNUSABLE = Outcome(RowStatus.FAILED, reason=Reason.NO_CONTEXT_TOKEN)
QUEUE_FULL = Outcome(RowStatus.FAILED, reason=Reason.QUEUE_FULL)
DELETED = Outcome(RowStatus.FAILED, reason=Reason.DELETED)


def accept(draft: Draft, m: Accept) -> Accepted:
    """One row for each channel, born `queued`; it is settled at birth where nobody would ever send it.

    The same idempotency key again, within a day: the first push as it stands, nothing is added. Raises OtherContent,
    and NoAccount when the account is gone or, for a push of its own, disabled by now.
    """
    user = draft.user(m.user_id)
    if user is None or (user.is_disabled and m.source == "api"):
        raise NoAccount("no such account, or a disabled one")
    if m.idempotency_key is not None:
        first = remembered(draft.connection, m.user_id, m.idempotency_key, draft.now)
        if first is not None:
            return replay(draft.connection, first, m.content_hash)
        push_rows.forget_key(draft.connection, m.user_id, m.idempotency_key)
    outcomes = {channel_id: _birth(draft, m, channel_id) for channel_id in m.channels}
    # what was neither kept nor sent is not remembered: the caller tries again
    key = m.idempotency_key if any(o.status is RowStatus.QUEUED for o in outcomes.values()) else None
    readkey = draft.mint(16)
    secret = Secret(readkey)
    push_id = PushId(draft.next_row_id)
    not_before = draft.now + m.delay if m.delay else None
    expires_at = (not_before or draft.now) + (m.ttl or draft.config.delivery.keep)
    rows: list[tuple[ChannelId, RowId, Outcome]] = []
    for channel_id, outcome in outcomes.items():
        row_id = draft.take_row_id()
        row = Row(
            id=row_id,
            push_id=push_id,
            channel_id=channel_id,
            title=m.title,
            text=m.text,
            accepted_at=draft.now,
            expires_at=expires_at,
            priority=m.priority,
            not_before=not_before,
            replace_key=m.replace_key,
            readkey=secret,
            is_system=m.source == SYSTEM,
        )
        content_hash = m.content_hash if key else None
        birth = push_rows.Birth(
            row, readkey, m.user_id, outcome, m.source, m.ip, key, content_hash, reminder_id=m.reminder_id
        )
        push_rows.insert(draft.connection, birth, draft.config.log_texts)
        key = None  # (account, key) is unique in the journal, so the first row alone carries it
        if outcome.status is RowStatus.QUEUED:
            draft.mine.born.append((row, m.listener))
        elif not row.is_system:
            draft.mine.ended.append(outcome)
        rows.append((channel_id, row_id, outcome))
    return Accepted(push_id, secret, tuple(rows))


def remembered(
    connection: sqlite3.Connection, user_id: UserId, idempotency_key: str, now: float
) -> push_rows.Remembered | None:
    """The push of that key, if it is younger than a day."""
    first = push_rows.of_key(connection, user_id, idempotency_key)
    return first if first is not None and first.accepted_at > now - REMEMBER_KEYS_S else None


def replay(connection: sqlite3.Connection, first: push_rows.Remembered, content_hash: str | None) -> Accepted:
    """The first push of a key, its rows as the journal has them now. Raises OtherContent."""
    if first.content_hash != content_hash:
        raise OtherContent("the idempotency key was used for another message")
    rows = push_rows.of_push(connection, first.push_id, first.readkey)
    told = tuple((row.channel_id, row.row_id, row.outcome) for row in rows)
    return Accepted(first.push_id, Secret(first.readkey), told, replay=True)


def _birth(draft: Draft, m: Accept, channel_id: ChannelId) -> Outcome:
    if m.unusable:
        return UNUSABLE
    if channel_id in m.skipped:
        return SKIPPED
    channel = draft.channel(channel_id)
    if channel is None or channel.is_deleted:
        return DELETED
    is_full = m.source != SYSTEM and draft.queue_length(channel_id) >= draft.config.delivery.queue
    return QUEUE_FULL if is_full and not _replaces(draft, m.replace_key, channel_id) else QUEUED


def _replaces(draft: Draft, replace_key: str | None, channel_id: ChannelId) -> bool:
    """Whether an older row of that key waits, whose place the new one takes as soon as the channel's judge looks.

    One that is taken in hand in this very moment keeps its own: then the queue is one longer than it may be.
    """
    if replace_key is None:
        return False
    in_hand = draft.in_hand(channel_id)
    return any(
        row.replace_key == replace_key and not row.parts_sent and row.id not in in_hand
        for row in draft.waiting_rows(channel_id)
    )


def settle(draft: Draft, m: Settle) -> None:
    """The ends of a try's rows and the window's change. An accepted message told twice counts once."""
    connection, now, log_texts = draft.connection, draft.now, draft.config.log_texts
    fresh = [push_rows.settle(connection, m.channel_id, settlement, now, log_texts) for settlement in m.settlements]
    if (fresh and not any(fresh)) or _is_known_part(draft, m):
        return
    draft.mine.settled += [(m.channel_id, settlement) for settlement in m.settlements]
    uncertain = m.event is SendEvent.UNCERTAIN
    for row_id in m.tried:
        push_rows.note_try(draft.connection, row_id, m.error, maybe_duplicate=uncertain)
        row = draft.waiting_row(m.channel_id, row_id)
        if row is not None:
            tried = replace(row, attempts=row.attempts + 1, maybe_duplicate=row.maybe_duplicate or uncertain)
            draft.mine.tried.append(tried)
    if m.part is not None:
        row_id, count = m.part
        push_rows.note_part(draft.connection, row_id, count)
        row = draft.waiting_row(m.channel_id, row_id)
        if row is not None:
            draft.mine.tried.append(replace(row, parts_sent=count))
    channel = draft.channel(m.channel_id)
    if channel is None or channel.bot_token != m.bot_token:
        return  # the try belongs to a binding that is gone; its rows are settled all the same
    window = _after(m, channel.window, draft.now, draft.config.delivery)
    if window is not channel.window:
        draft.put_window(replace(channel, window=window))


def _is_known_part(draft: Draft, m: Settle) -> bool:
    if m.part is None:
        return False
    row_id, count = m.part
    row = draft.waiting_row(m.channel_id, row_id)
    return row is not None and row.parts_sent >= count


def _after(m: Settle, window: Window, now: float, settings: DeliverySettings) -> Window:
    """The window after a try that came to this."""
    if m.is_probe and m.event in (SendEvent.NOTHING, SendEvent.UNCERTAIN):
        window = windows.probed(window, now) if windows.closed_by(window, now, settings) else window
    match m.event:
        case SendEvent.ACCEPTED | SendEvent.UNCONFIRMED:
            confirmed = m.event is SendEvent.ACCEPTED
            return windows.accepted(window, now, confirmed=confirmed, settings=settings, is_probe=m.is_probe)
        case SendEvent.UNCERTAIN:
            return windows.uncertain(window, now)
        case SendEvent.REFUSED | SendEvent.BURST:
            is_burst = m.event is SendEvent.BURST
            return windows.refused(window, now, began_epoch=m.began_epoch, settings=settings, is_burst=is_burst)
        case SendEvent.HALF_DEAD:
            return windows.session_closed(window, now, began_epoch=m.began_epoch)
        case SendEvent.NOTHING:
            return window
