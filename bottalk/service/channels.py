"""Channels: bind one by a QR code, see how it stands."""

from dataclasses import dataclass

import structlog
import trio

from bottalk.actors.bindings import Bindings
from bottalk.actors.channels import Channels as ChannelTree
from bottalk.actors.gate import Gates
from bottalk.actors.heartbeat import Heartbeats
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import window as windows
from bottalk.health import Health, Signs, judge
from bottalk.ilink.errors import IlinkError
from bottalk.messages import AskForCode, Binding, NewCode
from bottalk.service.sessions import Visitor
from bottalk.values import Channel, ChannelId, Secret, UserId
from bottalk.verbs.draft import Pictures

log = structlog.get_logger()

CODE_TAKEN_WITHIN_S = 20.0


class TooManyChannels(Exception):
    """The account has as many live channels as it may."""


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


class Channels:
    def __init__(
        self,
        pictures: Pictures,
        bindings: Bindings,
        tree: ChannelTree,
        heartbeats: Heartbeats,
        gates: Gates,
        config: Config,
        clock: Clock,
    ) -> None:
        self._pictures = pictures
        self._bindings = bindings
        self._tree = tree
        self._heartbeats = heartbeats
        self._gates = gates
        self._config = config
        self._clock = clock

    async def new_code(self, visitor: Visitor, ip: str, *, public: bool, rebind: ChannelId | None = None) -> NewCode:
        """Ask iLink for a QR code, stored and watched. A cancel only stops the listening.

        Raises TooManyChannels, TooManyCodes, NoCode, CannotWrite, MailboxFull or NotTaken.
        """
        user_id: UserId | None = None
        if not public and visitor.user is not None:
            user_id = visitor.user.id
            own = self._pictures.directory.channels_of(user_id)
            rebinds = any(channel.id == rebind and not channel.is_deleted for channel in own)
            if not rebinds and sum(channel.is_live for channel in own) >= self._config.max_channels:
                raise TooManyChannels
        ask = AskForCode(visitor.session.id_hash, user_id, ip, rebind)
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

    def view(self, channel: Channel) -> ChannelView:
        now, settings = self._clock.now(), self._config.delivery
        return ChannelView(
            channel=channel,
            health=judge(channel, self.signs(channel), now, settings),
            queued=self._pictures.outboxes.depth(channel.id),
            window_state=windows.state(channel.window, now, settings),
            left=windows.left(channel.window, now, settings),
            closes_at=windows.closes_at(channel.window),
        )

    def signs(self, channel: Channel) -> Signs:
        """What is seen of the channel's actor now."""
        heartbeat = self._heartbeats.of(channel.id)
        child = self._tree.child(channel.id)
        parked = self._tree.is_parked(channel.id)
        return Signs(
            is_parked=parked,
            parked_since=child.since if child is not None and parked else None,
            seconds_since_poll=heartbeat.seconds_since_poll(trio.current_time()),
            retrying_since=heartbeat.retrying_since,
            host_down_since=self._gates.of(channel.base_url).down_since,
            waiting=self._pictures.outboxes.depth(channel.id),
        )
