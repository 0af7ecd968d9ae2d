"""What iLink tells of a channel: messages of its user, and the end of its session."""

from msgspec.structs import replace

from bottalk.delivery import window as windows
from bottalk.messages import ChannelDied, Inbound
from bottalk.store import channels as channel_rows
from bottalk.store import inbound as inbound_rows
from bottalk.values import ChannelStatus
from bottalk.verbs.draft import Draft


def inbound(draft: Draft, m: Inbound) -> int:
    """Store messages and cursor together; how many messages are new. A new one opens the window.

    A message seen before opens nothing, yet its context token counts as the latest.
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
    new = sum(inbound_rows.note(draft.connection, m.channel_id, message.keys, draft.now) for message in m.messages)
    for message in m.messages:
        if message.context_token is not None:
            channel = replace(channel, context_token=message.context_token)
    if new and channel.is_live:
        window = channel.window
        for _ in range(new):
            window = windows.opened(window, draft.now)
        channel = replace(
            channel,
            window=window,
            status=ChannelStatus.ACTIVE,
            activated_at=channel.activated_at or draft.now,
            last_inbound_at=draft.now,
        )
    draft.put_channel(channel)
    return new


def died(draft: Draft, m: ChannelDied) -> None:
    """The session ended: the rows stay queued for a new scan."""
    channel = draft.channel(m.channel_id)
    if channel is not None and channel.bot_token == m.bot_token and channel.is_live:
        draft.put_channel(replace(channel, status=ChannelStatus.INACTIVE, inactive_reason=m.reason))
