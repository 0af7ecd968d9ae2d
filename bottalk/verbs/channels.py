"""Channels: what iLink tells of them (messages of the user, the end of a session), and what their owner changes."""

from msgspec.structs import replace

from bottalk.delivery import window as windows
from bottalk.errors import Refused
from bottalk.messages import ChangeChannel, ChannelDied, DropRows, Inbound, InboundMessage, MoveRows, RemoveChannel
from bottalk.store import channels as channel_rows
from bottalk.store import inbound as inbound_rows
from bottalk.store import pushes as push_rows
from bottalk.values import (
    Channel,
    ChannelId,
    ChannelStatus,
    Command,
    InactiveReason,
    RowId,
    Secret,
    Settlement,
    UserId,
)
from bottalk.verbs import telling
from bottalk.verbs.draft import Draft
from bottalk.verbs.pushes import DELETED

NO_CHANNEL = "Channel not found"


def inbound(draft: Draft, m: Inbound) -> int:
    """Store messages and cursor together; how many messages are new. A new one opens the window.

    A message seen before opens nothing and commands nothing, yet its context token counts as the latest.
    """
    channel = draft.channel(m.channel_id)
    if channel is None or channel.bot_token != m.bot_token:
        return 0
    if m.cursor:
        channel = replace(channel, cursor=m.cursor)
    if not m.messages:
        channel_rows.update_cursor(draft.connection, channel)
        draft.mine.channels[channel.id] = channel
        return 0
    new = [one for one in m.messages if inbound_rows.note(draft.connection, m.channel_id, one.keys, draft.now)]
    for message in m.messages:
        if message.context_token is not None:
            channel = replace(channel, context_token=message.context_token)
    if new and channel.is_live:
        _written(draft, channel, new)
    else:
        draft.put_channel(channel)
    return len(new)


def _written(draft: Draft, channel: Channel, new: list[InboundMessage]) -> None:
    """The user has written: the window opens, the first word of all is welcomed, commands are carried out."""
    window = channel.window
    for _ in new:
        window = windows.opened(window, draft.now)
    is_first = channel.activated_at is None
    channel = replace(
        channel,
        window=window,
        status=ChannelStatus.ACTIVE,
        activated_at=draft.now if is_first else channel.activated_at,
        last_inbound_at=draft.now,
    )
    draft.put_channel(channel)
    if is_first:
        telling.welcome(draft, channel)
    for command in dict.fromkeys(one.command for one in new):
        if command is Command.STATUS:
            telling.answer_status(draft, channel)
        elif command is Command.CLEAR:
            telling.answer_cleared(draft, channel, drop(draft, DropRows(channel.id)))


def died(draft: Draft, m: ChannelDied) -> None:
    """The session ended: the rows stay queued for a new scan."""
    channel = draft.channel(m.channel_id)
    if channel is not None and channel.bot_token == m.bot_token and channel.is_live:
        dead = replace(channel, status=ChannelStatus.INACTIVE, inactive_reason=m.reason, inactive_at=draft.now)
        draft.put_channel(dead)


def change(draft: Draft, m: ChangeChannel) -> Channel | None:
    """The channel as changed, None when the account has no such one. One default at most, whatever was before."""
    channel = _own(draft, m.channel_id, m.user_id)
    if channel is None:
        return None
    if m.is_default:
        make_default(draft, channel)
        channel = replace(channel, is_default=True)
    channel = replace(
        channel,
        name=channel.name if m.name is None else m.name,
        can_login=channel.can_login if m.can_login is None else m.can_login,
    )
    draft.put_channel(channel)
    return channel


def remove(draft: Draft, m: RemoveChannel) -> bool:
    """Deleted, its tokens forgotten, what waits settled. Its actor is gone: nobody has a row of it in hand."""
    channel = _own(draft, m.channel_id, m.user_id)
    if channel is None:
        return False
    mark_deleted(draft, channel)
    if channel.is_default:
        heir = next((other for other in draft.channels_of(m.user_id) if other.is_live), None)
        if heir is not None:
            draft.put_channel(replace(heir, is_default=True))
    return True


def mark_deleted(draft: Draft, channel: Channel) -> None:
    """The channel as it is kept for a later scan of the same WeChat: id, name, learned life; no token."""
    deleted = replace(
        channel,
        status=ChannelStatus.INACTIVE,
        inactive_reason=InactiveReason.DELETED,
        inactive_at=draft.now,
        is_default=False,
        bot_token=Secret(""),
        context_token=None,
        cursor="",
    )
    draft.put_channel(deleted)
    settle_waiting(draft, channel.id, push_rows.waiting(draft.connection, channel.id))


def drop(draft: Draft, m: DropRows) -> int:
    """How many rows were settled; those in the actor's hand are past it, and our own words stay unless named."""
    in_hand = draft.in_hand(m.channel_id)
    if m.row_id is None:
        rows = push_rows.waiting_pushes(draft.connection, m.channel_id)
    else:
        rows = [row for row in push_rows.waiting(draft.connection, m.channel_id) if row[0] == m.row_id]
    rows = [row for row in rows if row[0] not in in_hand]
    settle_waiting(draft, m.channel_id, rows)
    return len(rows)


def move(draft: Draft, m: MoveRows) -> int:
    """How many pushes went to the other channel; those in the actor's hand are past it. Raises Refused.

    Our own words stay: they speak of the channel they are for.

    The other queue may grow past its limit by them: nothing is lost by a move.
    """
    source, target = draft.channel(m.channel_id), draft.channel(m.to)
    if source is None or source.is_deleted or target is None or target.is_deleted:
        raise Refused(NO_CHANNEL, 404)
    if source.id == target.id or source.user_id != target.user_id:
        raise Refused("what waits can go to another channel of the same account only", 400)
    if target.is_dead:
        raise Refused("the other channel's login has ended, too", 400)
    in_hand = draft.in_hand(source.id)
    rows = [row_id for row_id, _ in push_rows.waiting_pushes(draft.connection, source.id) if row_id not in in_hand]
    for row_id in rows:
        push_rows.move(draft.connection, row_id, target.id)
        draft.mine.moved.append((row_id, source.id, target.id))
    return len(rows)


def settle_waiting(draft: Draft, channel_id: ChannelId, rows: list[tuple[RowId, bool]]) -> None:
    """Settle these waiting rows as deleted; one that may have arrived says so."""
    for row_id, maybe_duplicate in rows:
        response = {"maybe_duplicate": True} if maybe_duplicate else {}
        settlement = Settlement(row_id, DELETED, response)
        push_rows.settle_untried(draft.connection, channel_id, settlement, draft.now, draft.config.log_texts)
        draft.mine.settled.append((channel_id, settlement))


def make_default(draft: Draft, channel: Channel) -> None:
    """Take the default from whichever other channels of the account have it."""
    for other in draft.channels_of(channel.user_id):
        if other.is_default and other.id != channel.id:
            draft.put_channel(replace(other, is_default=False))


def _own(draft: Draft, channel_id: ChannelId, user_id: UserId) -> Channel | None:
    """The account's channel of that id, unless it was deleted."""
    channel = draft.channel(channel_id)
    return None if channel is None or channel.user_id != user_id or channel.is_deleted else channel
