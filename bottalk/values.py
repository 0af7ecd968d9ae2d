"""Frozen values that every layer may use: ids that cannot be mixed up, and secrets that do not print."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NewType

import msgspec
from msgspec import Struct

UserId = NewType("UserId", int)
ChannelId = NewType("ChannelId", int)
RowId = NewType("RowId", int)
"""One `push_logs` row: one push for one channel. Ids grow in the order of acceptance."""
PushId = NewType("PushId", int)
"""One push, whatever the number of its channels. Clients see it as a string of digits."""
ReminderId = NewType("ReminderId", int)


SYSTEM = "system"
"""The source of a row with our own words (welcome, answers, nudges, notices); others are `api` and `reminder`."""


class Secret:
    """A text that must not reach a log, an error or a metric: SendKey, tokens, cookie, readkey, pending qrcode.

    `str` and `repr` hide it; `reveal()` is the one way to the text, easy to search for. Two secrets are equal when
    their texts are; they hash like their texts.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def masked(self) -> str:
        """The first 6 characters and `…`: what the API shows of a token."""
        return self._text[:6] + "…"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "…"


class Priority(StrEnum):
    """How a push stands among the others that wait for its channel."""

    URGENT = "urgent"
    NORMAL = "normal"
    LOW = "low"


class RowStatus(StrEnum):
    """`queued` until settled, then one of the others for ever."""

    QUEUED = "queued"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a row failed or was skipped, or why it cannot go now: the contract's words."""

    CONTEXT_EXPIRED = "context_expired"
    CHANNEL_DEAD = "channel_dead"
    ACCOUNT_RESTRICTED = "account_restricted"
    QUEUE_FULL = "queue_full"
    ILINK_OTHER = "ilink_other"
    NO_CONTEXT_TOKEN = "no_context_token"
    EXPIRED = "expired"
    REPLACED = "replaced"
    DELETED = "deleted"
    RESTORED = "restored"


class ChannelStatus(StrEnum):
    """`pending` until its user has written since the last binding, then `active`; `inactive`: dead or deleted."""

    PENDING = "pending"
    ACTIVE = "active"
    INACTIVE = "inactive"


class InactiveReason(StrEnum):
    SESSION_EXPIRED = "session_expired"
    AUTH = "auth"
    DELETED = "deleted"


class Closed(StrEnum):
    """Why iLink takes nothing more until the user writes again."""

    QUOTA = "quota"
    AGE = "age"
    REJECTED = "rejected"
    SESSION = "session"


class Command(StrEnum):
    """What the user can ask for by writing a word to the bot."""

    STATUS = "status"
    CLEAR = "clear"


class Window(Struct, frozen=True, gc=False):
    """What a user's last message allows: our forecast of iLink's books. Times are wall time, seconds since 1970.

    `epoch` counts the inbound messages since the binding (0: never opened). `life` is this channel's learned life of a
    window and `worked_age` the greatest age at which a send has worked, both in seconds.
    """

    life: float
    epoch: int = 0
    opened_at: float | None = None
    spent: int = 0
    closed: Closed | None = None
    closed_at: float | None = None
    """When iLink closed it; None while `closed` is."""
    worked_age: float = 0.0
    last_send_at: float | None = None
    penalty_step: int = 0
    penalty_until: float | None = None
    probed_at: float | None = None
    unconfirmed: int = 0
    """Sends in a row that were accepted without a message id although this channel used to get ids."""
    gives_ids: bool = False


class User(Struct, frozen=True):
    """One account. `wechat_openid` is that of the WeChat that founded it by a scan; e-mail accounts have none."""

    id: UserId
    send_key: Secret
    created_at: float
    email: str | None = None
    wechat_openid: str | None = None
    nickname: str | None = None
    role: str = "user"
    is_disabled: bool = False
    rate_limit: int | None = None
    strict: bool = False


class Channel(Struct, frozen=True):
    """One WeChat user's bot, as committed. `wechat_openid` is case-sensitive and never normalised."""

    id: ChannelId
    user_id: UserId
    name: str
    wechat_openid: str
    bot_id: str
    bot_token: Secret
    base_url: str
    status: ChannelStatus
    window: Window
    created_at: float
    bound_at: float
    is_default: bool = False
    can_login: bool = False
    inactive_reason: InactiveReason | None = None
    inactive_at: float | None = None
    """When it became `inactive`; None while it is not."""
    context_token: Secret | None = None
    cursor: str = ""
    activated_at: float | None = None
    """When its user first wrote, since the channel was first bound; a rebind leaves it."""
    last_inbound_at: float | None = None
    nudged_epoch: int = 0
    """The window whose nearing end its user was told of, by its epoch; 0: none since the last binding."""
    noticed: str = ""
    """The closing or end that the account's other channels were told of (`telling.closing`)."""

    @property
    def is_dead(self) -> bool:
        return self.status is ChannelStatus.INACTIVE and self.inactive_reason is not InactiveReason.DELETED

    @property
    def is_deleted(self) -> bool:
        return self.inactive_reason is InactiveReason.DELETED

    @property
    def is_live(self) -> bool:
        return self.status is not ChannelStatus.INACTIVE

    @property
    def is_usable(self) -> bool:
        """Activated and not deleted (the owner's state is judged with the owner)."""
        return self.activated_at is not None and not self.is_deleted


class Row(Struct, frozen=True, gc=False):
    """One waiting `push_logs` row, as its channel's outbox holds it. Times are wall time.

    A light one has neither title, text nor readkey: they are left in the database until the row's turn comes. All that
    the delivery policy needs of a waiting row it has.
    """

    id: RowId
    push_id: PushId
    channel_id: ChannelId
    title: str
    text: str
    accepted_at: float
    expires_at: float
    priority: Priority = Priority.NORMAL
    not_before: float | None = None
    replace_key: str | None = None
    attempts: int = 0
    maybe_duplicate: bool = False
    readkey: Secret | None = None
    """Opens the page that shows the whole text."""
    parts_sent: int = 0
    """Of a text that goes in several messages: how many of them iLink has accepted."""
    is_system: bool = False
    """Our own words: they take no place of a full queue, and nobody's figures count them."""
    left_out: int | None = None
    """Of a light row: how many characters title and text have together."""

    @property
    def is_light(self) -> bool:
        return self.left_out is not None

    @property
    def characters(self) -> int:
        """Of title and text together, light or not."""
        return len(self.title) + len(self.text) if self.left_out is None else self.left_out

    def light(self) -> "Row":
        return msgspec.structs.replace(self, title="", text="", readkey=None, left_out=self.characters)

    def filled(self, title: str, text: str, readkey: Secret) -> "Row":
        """A light row with what was left out."""
        return msgspec.structs.replace(self, title=title, text=text, readkey=readkey, left_out=None)


class Outcome(Struct, frozen=True, gc=False):
    """What is known of one row: the truth a caller is told (delivery's outcome table).

    `kept` says that the text stays in the queue and will be delivered later; `ret` is iLink's own number, if any.
    """

    status: RowStatus
    kept: bool = False
    reason: Reason | None = None
    ret: int | None = None
    token_invalid: bool = False


class Settlement(Struct, frozen=True):
    """How one row ended. `response` is what `/api/push-logs` shows as JSON text."""

    row_id: RowId
    outcome: Outcome
    response: Mapping[str, str | int | bool | None] = msgspec.field(default_factory=dict)
    attempts: int = 0
    client_id: str | None = None
    linked: bool = False
    """The message held a link to the page with the whole text: that is kept for a week, whatever the log keeps."""


class RowStory(Struct, frozen=True):
    """One row as `/push` tells it. Times are wall time, seconds since 1970."""

    row_id: RowId
    channel_id: ChannelId
    outcome: Outcome
    accepted_at: float
    settled_at: float | None
    attempts: int
    response: str


class LogRow(Struct, frozen=True):
    """One `push_logs` row as the log shows it. Times are wall time; `response` is JSON text, `{}` until settled.

    `title` and `text` are None where the reader may not see them.
    """

    id: RowId
    user_id: UserId
    channel_id: ChannelId
    channel_name: str
    push_id: PushId
    title: str | None
    text: str | None
    status: RowStatus
    reason: Reason | None
    source: str
    ip: str
    accepted_at: float
    settled_at: float | None
    response: str


class LogStory(Struct, frozen=True):
    """A row and what has become of it so far. Times are wall time; `ret` is iLink's own number, if any."""

    row: LogRow
    attempts: int
    priority: Priority
    not_before: float | None
    expires_at: float
    ret: int | None
    last_error: str
    maybe_duplicate: bool


class ReminderType(StrEnum):
    """When a reminder comes due: the contract's words."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"
    WORKDAY = "workday"
    EVERY_2_MIN = "every2min"
    CRON = "cron"


class Reminder(Struct, frozen=True, gc=False):
    """One reminder, as committed. Times are wall time, seconds since 1970; `time` is as given by its owner.

    `next_at` is None while it is disabled; it was computed in the zone named `zone`. `channel` is asked for as on a
    push. `since` is when its plan was last set: creation, another time or type, enabling.
    """

    id: ReminderId
    user_id: UserId
    title: str
    message: str
    type: ReminderType
    time: str
    channel: str
    max_count: int
    created_at: float
    since: float
    zone: str
    enabled: bool = True
    send_count: int = 0
    next_at: float | None = None
    fired_until: float = 0.0
    """Whatever was due up to here is over, so that a clock set back fires nothing again."""

    @property
    def is_exhausted(self) -> bool:
        return 0 < self.max_count <= self.send_count
