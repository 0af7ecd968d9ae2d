"""Channels: what iLink tells of them and what their owners change (journal), and orders to their actors (channels)."""

from msgspec import Struct

from bottalk.values import (
    Channel,
    ChannelId,
    Command,
    InactiveReason,
    RowId,
    Secret,
    UserId,
)
from supervisors import Ask


class InboundMessage(Struct, frozen=True, gc=False):
    """What the journal keeps of one message of the user: enough to know it again, no more.

    `keys`: it is the same message when any of them was seen before (by id, and by what it says and when). Its text is
    left behind: `command` is all that counts of it.
    """

    keys: tuple[str, ...]
    context_token: Secret | None
    command: Command | None = None


class Inbound(Ask[int], Struct, frozen=True):
    """Messages of the user and the new cursor, stored in one transaction. Answers how many were not seen before.

    The commands among them are carried out and answered in that transaction, and so is the welcome of a first word.
    """

    channel_id: ChannelId
    bot_token: Secret
    messages: tuple[InboundMessage, ...]
    cursor: str | None


class ChannelDied(Ask[None], Struct, frozen=True):
    """The channel's session ended for good: `inactive`, its rows stay queued, a new scan repairs it."""

    channel_id: ChannelId
    bot_token: Secret
    reason: InactiveReason


class ChangeChannel(Ask[Channel | None], Struct, frozen=True):
    """Change what is given; `is_default` makes it the account's only default.

    Answers the channel as it is then, None when the account has no such one (deleted ones too).
    """

    channel_id: ChannelId
    user_id: UserId
    name: str | None = None
    is_default: bool = False
    can_login: bool | None = None


class RemoveChannel(Ask[bool], Struct, frozen=True):
    """Delete a channel whose actor is gone: what waits settles as deleted, the oldest live one takes over as default.

    Answers whether the account had it; a second time changes nothing.
    """

    channel_id: ChannelId
    user_id: UserId


class DropRows(Ask[int], Struct, frozen=True):
    """Settle the pushes that wait for the channel, or that one row of it, as deleted. Answers how many those were.

    Rows whose message is under way, or may have arrived and is tried again, are past it.
    """

    channel_id: ChannelId
    row_id: RowId | None = None


class MoveRows(Ask[int], Struct, frozen=True):
    """What waits for a channel goes to another live one of the same account, to its place by acceptance; rows that are
    under way, or may have arrived and are tried again, are past it. Answers how many rows went. Fails with Refused.
    """

    channel_id: ChannelId
    to: ChannelId


class DeleteChannel(Ask[bool], Struct, frozen=True):
    """Stop the channel's actor, then delete the channel. Answers whether the account had it."""

    channel_id: ChannelId
    user_id: UserId


class RestartChannel(Ask[bool], Struct, frozen=True):
    """Stop the channel's actor, if any, and start it anew, parked or not. Answers whether there is such a channel."""

    channel_id: ChannelId


class RemoveUser(Ask[None], Struct, frozen=True):
    """Stop the account's actors, then delete the account (`DeleteUser`), then say goodbye to iLink."""

    user_id: UserId


class UserChanged(Ask[None], Struct, frozen=True):
    """The account was disabled or enabled: stop or start its actors by what is committed."""

    user_id: UserId
