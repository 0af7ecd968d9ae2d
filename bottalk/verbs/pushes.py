"""What a push writes: its rows when it is accepted, and what came of each try to send them."""

from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.messages import Accept, Accepted, SendEvent, Settle
from bottalk.store import pushes as push_rows
from bottalk.values import ChannelId, Outcome, PushId, Reason, Row, RowId, RowStatus, Secret, Window
from bottalk.verbs.draft import Draft

QUEUED = Outcome(RowStatus.QUEUED, kept=True)
SKIPPED = Outcome(RowStatus.SKIPPED, reason=Reason.NO_CONTEXT_TOKEN)
QUEUE_FULL = Outcome(RowStatus.FAILED, reason=Reason.QUEUE_FULL)
DELETED = Outcome(RowStatus.FAILED, reason=Reason.DELETED)


def accept(draft: Draft, m: Accept) -> Accepted:
    """One row for each channel, born `queued`; it is settled at birth where nobody would ever send it."""
    readkey = draft.mint(16)
    push_id = PushId(draft.next_row_id)
    not_before = draft.now + m.delay if m.delay else None
    expires_at = (not_before or draft.now) + (m.ttl or draft.config.delivery.keep)
    rows: list[tuple[ChannelId, RowId, Outcome]] = []
    for channel_id in m.channels:
        row_id = draft.take_row_id()
        outcome = SKIPPED if channel_id in m.skipped else _birth(draft, channel_id)
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
        )
        # (account, key) is unique in the journal, so the first row alone carries it
        key = None if rows else m.idempotency_key
        push_rows.insert(draft.connection, push_rows.Birth(row, readkey, m.user_id, outcome, m.source, m.ip, key))
        if outcome.status is RowStatus.QUEUED:
            draft.mine.born.append((row, m.listener))
        rows.append((channel_id, row_id, outcome))
    return Accepted(push_id, Secret(readkey), tuple(rows))


def _birth(draft: Draft, channel_id: ChannelId) -> Outcome:
    channel = draft.channel(channel_id)
    if channel is None or channel.is_deleted:
        return DELETED
    return QUEUE_FULL if draft.queue_length(channel_id) >= draft.config.delivery.queue else QUEUED


def settle(draft: Draft, m: Settle) -> None:
    """The ends of a try's rows and the window's change."""
    for settlement in m.settlements:
        push_rows.settle(draft.connection, settlement, draft.now)
        draft.mine.settled.append((m.channel_id, settlement))
    uncertain = m.event is SendEvent.UNCERTAIN
    for row_id in m.tried:
        push_rows.note_try(draft.connection, row_id, m.error, maybe_duplicate=uncertain)
        row = draft.waiting_row(m.channel_id, row_id)
        if row is not None:
            tried = replace(row, attempts=row.attempts + 1, maybe_duplicate=row.maybe_duplicate or uncertain)
            draft.mine.tried.append(tried)
    channel = draft.channel(m.channel_id)
    if channel is None or channel.bot_token != m.bot_token:
        return  # the try belongs to a binding that is gone; its rows are settled all the same
    window = _after(m, channel.window, draft.now, draft.config.delivery)
    if window is not channel.window:
        draft.put_window(replace(channel, window=window))


def _after(m: Settle, window: Window, now: float, settings: DeliverySettings) -> Window:
    match m.event:
        case SendEvent.ACCEPTED | SendEvent.UNCONFIRMED:
            confirmed = m.event is SendEvent.ACCEPTED
            return windows.accepted(window, now, confirmed=confirmed, settings=settings)
        case SendEvent.UNCERTAIN:
            return windows.uncertain(window, now)
        case SendEvent.REFUSED:
            return windows.refused(window, now, began_epoch=m.began_epoch, settings=settings)
        case SendEvent.HALF_DEAD:
            return windows.session_closed(window, now)
        case SendEvent.NOTHING:
            return window
