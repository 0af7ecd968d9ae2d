"""Every message that actors take, grouped by receiver. Values only."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from msgspec import Struct

from bottalk.values import (
    Channel,
    ChannelId,
    InactiveReason,
    Outcome,
    Priority,
    PushId,
    Reminder,
    ReminderId,
    ReminderType,
    RowId,
    Secret,
    Settlement,
    User,
    UserId,
)
from supervisors import Ask

# --- journal: pushes -------------------------------------------------------------------------------------------------


class Listener(Protocol):
    """Somebody who waits for the rows of one push; dropping it changes nothing. Both are called on trio's thread."""

    def told(self, row_id: RowId, outcome: Outcome) -> None:
        """This row is settled."""
        ...

    def changed(self) -> None:
        """What was known of the rows' prospects may be different now."""
        ...


class Accepted(Struct, frozen=True):
    """A push that is committed: one row per channel asked for, in that order.

    `replay`: it is the one that was first sent with this idempotency key; nothing was added.
    """

    push_id: PushId
    readkey: Secret
    rows: tuple[tuple[ChannelId, RowId, Outcome], ...]
    replay: bool = False


class Accept(Ask[Accepted], Struct, frozen=True):
    """Keep this push: for each of `channels`, in that order, a row born `queued`, or `skipped` for those named so.

    With `unusable` (nobody waits who could be told so) each row is born `failed` with `no_context_token`.

    `ttl` and `delay` are seconds; `ttl` counts from the end of `delay`.
    """

    user_id: UserId
    title: str
    text: str
    channels: tuple[ChannelId, ...]
    skipped: frozenset[ChannelId] = frozenset()
    source: str = "api"
    ip: str = ""
    priority: Priority = Priority.NORMAL
    ttl: float | None = None
    delay: float | None = None
    replace_key: str | None = None
    idempotency_key: str | None = None
    content_hash: str | None = None
    """Of title, text and channel as asked for: the same key with another one is a mistake of the caller."""
    reminder_id: ReminderId | None = None
    unusable: bool = False
    listener: Listener | None = None


class SendEvent(Enum):
    """What a finished try of one message means for the window."""

    ACCEPTED = "accepted"
    UNCONFIRMED = "unconfirmed"
    """Accepted without a message id."""
    UNCERTAIN = "uncertain"
    """Cut or timed out: it may have arrived."""
    REFUSED = "refused"
    HALF_DEAD = "half_dead"
    NOTHING = "nothing"
    """The window is as it was (never arrived, or refused for the text)."""


class Settle(Ask[None], Struct, frozen=True):
    """One try of a message is over: its rows' ends (none when it is tried again) and the window's change, one commit.

    `bot_token` is the one the try was made with: after a rebind the try says nothing about the new window.
    """

    channel_id: ChannelId
    bot_token: Secret
    event: SendEvent
    began_epoch: int
    settlements: tuple[Settlement, ...] = ()
    tried: tuple[RowId, ...] = ()
    error: str = ""


# --- journal: channels -----------------------------------------------------------------------------------------------


class InboundMessage(Struct, frozen=True, gc=False):
    """What the journal keeps of one message of the user: enough to know it again, no more.

    `keys`: it is the same message when any of them was seen before (by id, and by what it says and when).
    """

    keys: tuple[str, ...]
    context_token: Secret | None


class Inbound(Ask[int], Struct, frozen=True):
    """Messages of the user and the new cursor, stored in one transaction. Answers how many were not seen before."""

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
    """Settle what waits for the channel, or that one row of it, as deleted. Answers how many rows that were.

    Rows whose message is under way, or may have arrived and is tried again, are past it.
    """

    channel_id: ChannelId
    row_id: RowId | None = None


# --- journal: bindings and sessions ----------------------------------------------------------------------------------


class BindingState(Enum):
    """Where an open QR code stands: the contract's words, plus the two ends that have a result."""

    WAITING = "waiting"
    SCANNED = "scanned"
    NEED_VERIFYCODE = "need_verifycode"
    VERIFY_CODE_BLOCKED = "verify_code_blocked"
    EXPIRED = "expired"
    DONE = "done"
    REFUSED = "refused"

    @property
    def is_end(self) -> bool:
        return self in (BindingState.EXPIRED, BindingState.DONE, BindingState.REFUSED, BindingState.VERIFY_CODE_BLOCKED)


class Binding(Struct, frozen=True):
    """One QR code that was asked for. `session` (a hash) asked for it, `user_id` was logged in there."""

    code: Secret
    session: str
    user_id: UserId | None
    ip: str
    created_at: float
    expires_at: float
    rebind: ChannelId | None = None
    invited: bool = False
    """The invitation word was given: its scan may found an account where `registration` is `invite`."""
    state: BindingState = BindingState.WAITING
    result: Mapping[str, str | int | bool | None] | None = None


class OpenBinding(Ask[None], Struct, frozen=True):
    binding: Binding


class EndBinding(Ask[None], Struct, frozen=True):
    """The code came to an end that binds nothing."""

    code: Secret
    state: BindingState


class Bind(Ask[Binding], Struct, frozen=True):
    """The phone confirmed: account, channel, login of the asking session and the code's result, one commit.

    Answers the finished binding; its `result` is what the status routes show.
    """

    code: Secret
    bot_token: Secret
    bot_id: str
    wechat_openid: str
    base_url: str


class Session(Struct, frozen=True, gc=False):
    """One browser session, known by the hash of its id."""

    id_hash: str
    user_id: UserId | None
    created_at: float
    seen_at: float
    expires_at: float


class OpenSession(Ask[None], Struct, frozen=True):
    """Store a session whose id was just minted; `replaces` (hash) is gone with the same commit."""

    session: Session
    replaces: str | None = None


class TouchSession(Ask[None], Struct, frozen=True):
    id_hash: str
    seen_at: float
    expires_at: float


class CloseSession(Ask[None], Struct, frozen=True):
    """This session is over; with `user_id` all sessions of that account are."""

    id_hash: str
    user_id: UserId | None = None


# --- journal: accounts -----------------------------------------------------------------------------------------------


class Register(Ask[User], Struct, frozen=True):
    """A new account with that e-mail address, and a login: `session`, just minted, becomes its; `replaces` is gone.

    `invited`: the invitation word was given. Fails with Refused.
    """

    email: str
    ip: str
    session: Session
    replaces: str | None = None
    invited: bool = False


class ChangeUser(Ask[User], Struct, frozen=True):
    """Change what is given (an empty nickname is none). Disabling ends the account's sessions in the same commit.

    `by`: the administrator who asks; it must still be one. Fails with Refused.
    """

    user_id: UserId
    by: UserId | None = None
    nickname: str | None = None
    strict: bool | None = None
    role: str | None = None
    is_disabled: bool | None = None
    rate_limit: int | None = None


class ResetKey(Ask[User], Struct, frozen=True):
    """A new SendKey; the old one is dead with the same commit. Fails with Refused when the account is gone."""

    user_id: UserId


class DeleteUser(Ask[None], Struct, frozen=True):
    """The account and all it owns are gone, one commit; what waits settles as deleted. A second time changes nothing.

    For whoever has stopped the account's actors. The rest of a long log is left to `ForgetUserLog`.
    """

    user_id: UserId


class ForgetUserLog(Ask[int], Struct, frozen=True):
    """Delete one bite of a deleted account's log; the directory's `gone` tells whether there may be more.

    Answers how many rows that were.
    """

    user_id: UserId


# --- journal: reminders ----------------------------------------------------------------------------------------------


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


class FireReminder(Ask[Firing], Struct, frozen=True):
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


# --- bindings --------------------------------------------------------------------------------------------------------


class NewCode(Struct, frozen=True):
    """A fresh QR code: the stored binding, the text to draw, and iLink's answer as it came."""

    binding: Binding
    url: str
    raw: Mapping[str, object]


class AskForCode(Ask[NewCode], Struct, frozen=True):
    """Get a QR code of iLink, store it and watch it. Fails with TooManyCodes or an IlinkError."""

    session: str
    user_id: UserId | None
    ip: str
    rebind: ChannelId | None = None
    invited: bool = False


# --- channels --------------------------------------------------------------------------------------------------------


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


# --- ratelimit -------------------------------------------------------------------------------------------------------


class Spent(Struct, frozen=True, gc=False):
    """`resets_in`: seconds until the oldest counted push leaves the hour, and with it a place is free again."""

    granted: bool
    limit: int
    remaining: int
    resets_in: int


class Spend(Ask[Spent], Struct, frozen=True):
    """May this account push once more? `limit` is its present one, pushes per sliding hour."""

    user_id: UserId
    limit: int
