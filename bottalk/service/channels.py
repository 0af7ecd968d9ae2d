"""Channels: bind one by a QR code, see how it stands, change and delete it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
import trio
from msgspec import Struct

from bottalk.actors.bindings import Bindings
from bottalk.actors.channels import Order
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import window as windows
from bottalk.errors import Invalid
from bottalk.health import POLL_OVERDUE_S, Health, Level
from bottalk.ilink.errors import IlinkError
from bottalk.messages import AskForCode, Binding, ChangeChannel, DeleteChannel, DropRows, NewCode, RestartChannel
from bottalk.service.healths import Healths
from bottalk.service.invitation import NO_WORD, is_invited
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.service.sessions import Visitor
from bottalk.values import Channel, ChannelId, ChannelStatus, Secret, UserId
from bottalk.verbs.bindings import no_more_than
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox

log = structlog.get_logger()

CODE_TAKEN_WITHIN_S = 20.0

MAX_NAME = 50
"""Characters of a channel's name."""


class TooManyChannels(Exception):
    """The account has as many live channels as it may; the text says how many that are, in the contract's words."""


class NoCode(Exception):
    """iLink gave no QR code; the text says why."""


class NotYours(Exception):
    """The code was asked for by another session or account."""


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel as its owner sees it. `left` and `closes_at` (wall time) are the window's forecast."""

    channel: Channel
    health: Health
    queued: int
    window_state: windows.State
    left: int
    closes_at: float | None


class ChannelForm(Struct, frozen=True):
    """What a change is asked for, as parsed at the edge; None: not given. `is_default` and `can_login` are 0 or 1."""

    name: str | None = None
    is_default: int | None = None
    can_login: int | None = None


class CheckView(Struct, frozen=True):
    """Whether the channel's poller lives, by its heartbeat; `reason` is why not, in the contract's words."""

    alive: bool
    reason: str | None
    last_ok_seconds_ago: float | None
    status: ChannelStatus


class Overview(Struct, frozen=True):
    """Every channel that is not deleted, by id, and how many are how well."""

    channels: list[ChannelView]
    green: int
    yellow: int
    red: int


class Channels:
    def __init__(
        self,
        pictures: Pictures,
        bindings: Bindings,
        healths: Healths,
        config: Config,
        clock: Clock,
        journal: Mailbox[Any],
        orders: Mailbox[Order],
    ) -> None:
        self._pictures = pictures
        self._bindings = bindings
        self._healths = healths
        self._config = config
        self._clock = clock
        self._journal = journal
        self._orders = orders

    async def new_code(
        self,
        visitor: Visitor,
        ip: str,
        *,
        public: bool,
        rebind: ChannelId | None = None,
        invite: Secret = NO_WORD,
    ) -> NewCode:
        """Ask iLink for a QR code, stored and watched, with the visitor's session where that is new.

        `invite`: the word a newcomer may have to give.

        A cancel only stops the listening. Raises TooManyChannels, TooManyCodes, NoCode, NoAccount, CannotWrite,
        MailboxFull or NotTaken.
        """
        user_id: UserId | None = None
        if not public and visitor.user is not None:
            user_id = visitor.user.id
            own = self._pictures.directory.channels_of(user_id)
            rebinds = any(channel.id == rebind and not channel.is_deleted for channel in own)
            if not rebinds and sum(channel.is_live for channel in own) >= self._config.max_channels:
                raise TooManyChannels(no_more_than(self._config.max_channels))
        ask = AskForCode(
            visitor.session.id_hash,
            user_id,
            ip,
            rebind,
            is_invited(self._config, invite),
            visitor.session if visitor.is_new else None,
        )
        try:
            return await self._bindings.mailbox.ask(ask, timeout=CODE_TAKEN_WITHIN_S)
        except IlinkError as e:
            log.warning("channels.no_code", error=str(e))
            raise NoCode(str(e)) from e

    def binding(self, code: str, visitor: Visitor | None, *, public: bool, digits: Secret | None) -> Binding | None:
        """How the code stands; None when it is unknown or over. `digits` are handed to its watcher.

        Raises NotYours: public codes belong to the session that asked, an account's to the account.
        """
        binding = self._bindings.state(code)
        if binding is None or binding.expires_at <= self._clock.now():
            return None
        if public:
            mine = visitor is not None and visitor.session.id_hash == binding.session
        else:
            mine = visitor is not None and visitor.user is not None and visitor.user.id == binding.user_id
        if not mine:
            raise NotYours
        if digits is not None:
            self._bindings.enter(code, digits)
        return binding

    def of(self, user_id: UserId, *, dead_too: bool = False) -> list[ChannelView]:
        """The account's live channels, newest first; with `dead_too` also those that a new scan would repair."""
        own = self._pictures.directory.channels_of(user_id)
        return [self.view(c) for c in reversed(own) if c.is_live or (dead_too and c.is_dead)]

    def one(self, user_id: UserId, channel_id: ChannelId) -> ChannelView | None:
        """An own channel that was not deleted."""
        channel = self._pictures.directory.channel(channel_id)
        if channel is None or channel.user_id != user_id or channel.is_deleted:
            return None
        return self.view(channel)

    async def change(self, user_id: UserId, channel_id: ChannelId, form: ChannelForm) -> ChannelView | None:
        """The channel with what is given changed; None when the account has no such one.

        Raises Invalid, and CannotWrite, MailboxFull or NotTaken: then nothing was changed. So do the next ones.
        """
        if self.one(user_id, channel_id) is None:
            return None
        ask = ChangeChannel(
            channel_id,
            user_id,
            name=_name(form.name),
            is_default=_is_default(form.is_default),
            can_login=_flag("can_login", form.can_login),
        )
        if ask.name is None and not ask.is_default and ask.can_login is None:
            raise Invalid("没有可更新的字段")
        changed = await self._journal.ask(ask, timeout=TAKEN_WITHIN_S)
        return None if changed is None else self.view(changed)

    async def delete(self, user_id: UserId, channel_id: ChannelId) -> bool:
        """Delete it for good, a send in hand first finished; whether the account had it. A cancel stops nothing."""
        return await self._orders.ask(DeleteChannel(channel_id, user_id), timeout=TAKEN_WITHIN_S)

    async def drop_queue(self, user_id: UserId, channel_id: ChannelId) -> int | None:
        """Settle what waits as deleted, but for what is being sent; how many rows. None: the account has no such."""
        if self.one(user_id, channel_id) is None:
            return None
        return await self._journal.ask(DropRows(channel_id), timeout=TAKEN_WITHIN_S)

    async def restart(self, channel_id: ChannelId) -> bool:
        """Start the channel's actor anew, parked or not; whether there is such a channel. For administrators."""
        return await self._orders.ask(RestartChannel(channel_id), timeout=TAKEN_WITHIN_S)

    def check(self, user_id: UserId, channel_id: ChannelId) -> CheckView | None:
        """How its poller stands, without calling iLink; deleted channels too. None: the account never had such."""
        channel = self._pictures.directory.channel(channel_id)
        if channel is None or channel.user_id != user_id:
            return None
        heartbeat, now = self._healths.heartbeat(channel_id), trio.current_time()
        since_poll = heartbeat.seconds_since_poll(now)
        reason = None
        if channel.is_deleted:
            reason = "stopped"
        elif channel.is_dead:
            reason = "session_expired"
        elif since_poll is None:
            reason = "no_poller"
        elif since_poll >= POLL_OVERDUE_S:
            reason = "heartbeat_timeout"
        last_ok = None if heartbeat.polled_at is None else round(now - heartbeat.polled_at, 1)
        return CheckView(reason is None, reason, last_ok, channel.status)

    def overview(self) -> Overview:
        """All accounts' channels, for administrators."""
        views = [self._view(channel, health) for channel, health in self._healths.every()]
        levels = Counter(view.health.level for view in views)
        return Overview(views, levels[Level.GREEN], levels[Level.YELLOW], levels[Level.RED])

    def view(self, channel: Channel) -> ChannelView:
        return self._view(channel, self._healths.of(channel))

    def _view(self, channel: Channel, health: Health) -> ChannelView:
        now, settings = self._clock.now(), self._config.delivery
        return ChannelView(
            channel=channel,
            health=health,
            queued=self._pictures.outboxes.pushes(channel.id),
            window_state=windows.state(channel.window, now, settings),
            left=windows.left(channel.window, now, settings),
            closes_at=windows.closes_at(channel.window),
        )


def _name(name: str | None) -> str | None:
    if name is None:
        return None
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise Invalid(f"name 应为 1 到 {MAX_NAME} 个字符")
    return name


def _is_default(value: int | None) -> bool:
    """A default gives way only to another one, so it cannot be taken away."""
    if value not in (None, 1):
        raise Invalid("is_default 只能为 1：请把另一个通道设为默认")
    return value == 1


def _flag(name: str, value: int | None) -> bool | None:
    if value not in (None, 0, 1):
        raise Invalid(f"{name} 应为 0 或 1")
    return None if value is None else bool(value)
