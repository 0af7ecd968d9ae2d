"""To the journal: accounts and logs that come from the database of BotTalk on Node.js.

Ids named `old_id` are those of the old database; they are kept where they are free here.
"""

from enum import StrEnum

from msgspec import Struct

from bottalk.values import ChannelId, ChannelStatus, Secret, UserId
from supervisors import Ask


class ComingChannel(Struct, frozen=True):
    """A channel as the old database has it, in our words. Times are wall time.

    `is_archive`: it is only the home of its log (another row of the same WeChat is newer, or it is no WeChat).
    `half_dead_at`: since when it could receive and not send.
    """

    old_id: int
    name: str
    wechat_openid: str
    bot_token: Secret
    status: ChannelStatus
    created_at: float
    bound_at: float
    base_url: str = ""
    context_token: Secret | None = None
    is_default: bool = False
    is_archive: bool = False
    activated_at: float | None = None
    last_inbound_at: float | None = None
    half_dead_at: float | None = None


class ComingReminder(Struct, frozen=True):
    """A reminder as the old database has it: `type` and `time` are not looked at yet."""

    old_id: int
    title: str
    message: str
    time: str
    type: str
    enabled: bool
    send_count: int
    max_count: int
    created_at: float


class ComingAccount(Struct, frozen=True):
    """An account with all it owns but its log. `send_key` is None where the old database has none that can be used."""

    old_id: int
    created_at: float
    send_key: Secret | None = None
    email: str | None = None
    wechat_openid: str | None = None
    nickname: str | None = None
    role: str = "user"
    is_disabled: bool = False
    rate_limit: int | None = None
    channels: tuple[ComingChannel, ...] = ()
    reminders: tuple[ComingReminder, ...] = ()


class ComingLog(Struct, frozen=True):
    """A row of the old log, of an account and a channel as they are named here. `nth`: how many rows of the same
    account, channel and time come before it in the file, so that a second import finds what the first one wrote.

    `is_first`: its account came with this import, so that none of its rows can be here."""

    user_id: UserId
    channel_id: ChannelId
    title: str
    text: str
    status: str
    ip: str
    accepted_at: float
    response: str
    nth: int = 0
    is_first: bool = False


class Kind(StrEnum):
    ACCOUNT = "account"
    CHANNEL = "channel"
    REMINDER = "reminder"


class End(StrEnum):
    """What became of something that came."""

    TAKEN = "taken"
    RENEWED = "renewed"
    """A channel that was here, with an ended login: it has the other database's token now."""
    PRESENT = "present"
    SKIPPED = "skipped"


class Fate(Struct, frozen=True):
    """`id` is its id here; None when it was skipped. `why` is empty where there is nothing to say."""

    kind: Kind
    old_id: int
    end: End
    id: int | None = None
    why: str = ""


class Arrived(Struct, frozen=True):
    """What became of one account and of all it owns."""

    old_id: int
    user_id: UserId
    fates: tuple[Fate, ...]


class ImportAccounts(Ask[tuple[Arrived, ...]], Struct, frozen=True):
    """Take over accounts with their channels and reminders, one commit. What is here already stays as it is."""

    accounts: tuple[ComingAccount, ...]


class ImportLogs(Ask[int], Struct, frozen=True):
    """Write rows of an old log, settled. Answers how many were not here already."""

    rows: tuple[ComingLog, ...]
