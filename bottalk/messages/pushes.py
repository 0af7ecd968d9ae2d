"""To the journal: a push, and what came of each try to send it."""

from enum import Enum
from typing import Protocol

from msgspec import Struct

from bottalk.values import (
    ChannelId,
    Outcome,
    Priority,
    PushId,
    ReminderId,
    RowId,
    Secret,
    Settlement,
    UserId,
)
from supervisors import Ask


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
    BURST = "burst"
    """Refused by a rate limit that says so."""
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
    is_probe: bool = False
    """The try began while the window was closed."""
    part: tuple[RowId, int] | None = None
    """Of this row so many parts are out by now; the rest follows."""
