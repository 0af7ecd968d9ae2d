"""The supervisor of the channels: one child per live channel. One that keeps crashing is parked.

Its mailbox takes orders about whole channels. Each is handled in a task of its own here, so that it happens whoever
hung up, and a slow one holds up no other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import structlog
import trio

from bottalk.actors.channel import STOP_S, ChannelActor
from bottalk.actors.line import Tools
from bottalk.actors.persist import persist
from bottalk.ilink.errors import IlinkError
from bottalk.messages import DeleteChannel, DeleteUser, RemoveChannel, RemoveUser, RestartChannel, UserChanged
from bottalk.values import Channel, ChannelId, UserId
from supervisors import (
    Backoff,
    Child,
    ChildSpec,
    ChildState,
    ChildStatus,
    DuplicateChild,
    Excess,
    Intensity,
    Letter,
    Mailbox,
    NotRunning,
    Restart,
    StartFailed,
    Supervisor,
    UnknownChild,
)

K = TypeVar("K")
log = structlog.get_logger()

PREFIX = "channel "
"""Before the channel's id: its child's name."""

Order = DeleteChannel | RestartChannel | RemoveUser | UserChanged

MAILBOX = 1000
"""Orders are taken at once (each gets a task): only thousands at the same moment would find it full."""

NOTIFY_STOP_S = 10.0
"""Seconds a goodbye to iLink may take. Whether it arrives matters to nobody: the token is forgotten."""

_ALIVE = (ChildState.STARTING, ChildState.RUNNING, ChildState.BACKING_OFF, ChildState.PARKED)
"""An actor that is to run does, or its policy says when again. (A finished one had its session ended.)"""

INTENSITY = Intensity(max_restarts=5, period_s=300.0)
BACKOFF = Backoff(first=0.5, factor=2.0, cap=30.0, jitter=0.2)


class Channels:
    """Starts, restarts and stops the channels' actors. `supervisor` is the branch of the tree they hang on."""

    def __init__(self, tools: Tools, supervisor: Supervisor) -> None:
        self.mailbox: Mailbox[Order] = Mailbox("channels", MAILBOX)
        self.supervisor = supervisor
        self._tools = tools
        self._leaving: Counter[ChannelId] = Counter()
        self._leaving_users: Counter[UserId] = Counter()
        """What is being deleted: no channel of it gets an actor, whatever is committed meanwhile."""

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Start an actor for each channel that should have one, keep them, and carry out the orders."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run, child)
            for channel in list(self._tools.directory.channels()):
                if child.stopping.is_set():
                    break
                await self._start(channel, at_start=True)
            task_status.started()
            async for letter in self.mailbox:
                nursery.start_soon(self._carry_out, letter, child.stopping)

    async def restart(self, channel_id: ChannelId) -> None:
        """Stop the channel's actor, if any, and start one by what is committed now (after a binding, or by hand).

        The old one is gone before the new one starts: never two pollers on one token.
        """
        while True:
            with suppress(UnknownChild):  # it had no actor
                await self.supervisor.remove_child(_name(channel_id))
            channel = self._tools.directory.channel(channel_id)
            try:
                if channel is not None:
                    await self._start(channel)
            except DuplicateChild:
                continue  # another restart came between: ours is by what is committed now
            return

    # --- orders ---

    async def _carry_out(self, letter: Letter[Order], stopping: trio.Event) -> None:
        match letter.message:
            case DeleteChannel() as m:
                await self._delete(letter, m, stopping)
            case RemoveUser(user_id):
                await self._remove_user(letter, user_id, stopping)
            case UserChanged(user_id):
                await self._adjust_all(self._tools.directory.channels_of(user_id))
                if letter.is_ask:  # the journal tells of each commit that disables or enables an account
                    letter.reply(None)
            case RestartChannel(channel_id):
                found = self._tools.directory.channel(channel_id)
                if found is not None:
                    await self.restart(channel_id)
                letter.reply(found is not None and not found.is_deleted)

    async def _delete(self, letter: Letter[Order], m: DeleteChannel, stopping: trio.Event) -> None:
        channel = self._tools.directory.channel(m.channel_id)
        if channel is None or channel.user_id != m.user_id or channel.is_deleted:
            letter.reply(False)
            return
        with _counted(self._leaving, m.channel_id):
            await self._stop((channel,))
            # a scan may have brought another token while the actor stopped
            channel = self._tools.directory.channel(m.channel_id) or channel
            is_done = await persist(self._tools.journal, RemoveChannel(m.channel_id, m.user_id))
        self._tools.heartbeats.of(m.channel_id).forget()
        await self._adjust(m.channel_id)  # the next scan may be committed already
        letter.reply(is_done)
        if is_done:
            log.info("channel.deleted", channel=m.channel_id)
            await self._say_goodbye((channel,), stopping)

    async def _remove_user(self, letter: Letter[Order], user_id: UserId, stopping: trio.Event) -> None:
        with _counted(self._leaving_users, user_id):
            await self._stop(self._tools.directory.channels_of(user_id))
            channels = [c for c in self._tools.directory.channels_of(user_id) if not c.is_deleted]
            await persist(self._tools.journal, DeleteUser(user_id))
        letter.reply(None)
        log.info("user.deleted", user=user_id)
        await self._say_goodbye(channels, stopping)

    async def _stop(self, channels: Iterable[Channel]) -> None:
        """Return when none of them has an actor; a send in hand is finished, within the actors' own stop timeout."""
        async with trio.open_nursery() as nursery:
            for channel in channels:
                nursery.start_soon(self._remove, channel.id)

    async def _remove(self, channel_id: ChannelId) -> None:
        with suppress(UnknownChild):  # it has none
            while True:
                await self.supervisor.remove_child(_name(channel_id))

    async def _adjust_all(self, channels: Iterable[Channel]) -> None:
        async with trio.open_nursery() as nursery:
            for channel in channels:
                nursery.start_soon(self._adjust, channel.id)

    async def _adjust(self, channel_id: ChannelId) -> None:
        """Give the channel the actor that it should have by what is committed, or take it away."""
        while True:
            channel, child = self._tools.directory.channel(channel_id), self.child(channel_id)
            should = channel is not None and self._should_run(channel)
            if should and (child is None or child.state not in _ALIVE):
                await self.restart(channel_id)
                return
            if should or child is None:
                return
            await self._remove(channel_id)

    async def _say_goodbye(self, channels: Iterable[Channel], stopping: trio.Event) -> None:
        """Tell iLink that nobody serves these bots any more; a stop of the daemon does not wait for it."""
        async with trio.open_nursery() as nursery:

            async def until_stop() -> None:
                await stopping.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_stop)
            with trio.move_on_after(NOTIFY_STOP_S):
                async with trio.open_nursery() as calls:
                    for channel in channels:
                        calls.start_soon(self._notify_stop, channel)
            nursery.cancel_scope.cancel()

    async def _notify_stop(self, channel: Channel) -> None:
        bot = self._tools.ilink.bot(channel.bot_token, channel.base_url)
        try:
            await bot.notify_stop()
        except IlinkError as e:
            log.debug("channel.notifystop_failed", channel=channel.id, error=str(e))
        finally:
            await bot.aclose()

    # --- seen from outside ---

    def child(self, channel_id: ChannelId) -> ChildStatus | None:
        """The tree's own account of the channel's actor; None when there is none."""
        try:
            return self.supervisor.child(_name(channel_id))
        except UnknownChild:
            return None

    def parked(self) -> frozenset[ChannelId]:
        """The channels whose actor crashed too often and rests."""
        names = self.supervisor.in_state(ChildState.PARKED)
        return frozenset(ChannelId(int(name.removeprefix(PREFIX))) for name in names)

    async def _start(self, channel: Channel, *, at_start: bool = False) -> None:
        """Start its actor, if it should have one. What stands in the way of one channel is told, and stops no other."""
        if not self._should_run(channel):
            return
        try:
            await self.supervisor.start_child(self._spec(channel.id, at_start=at_start))
        except (StartFailed, NotRunning) as e:
            log.warning("channel.not_started", channel=channel.id, why=str(e))

    def _should_run(self, channel: Channel) -> bool:
        owner = self._tools.directory.user(channel.user_id)
        if channel.id in self._leaving or channel.user_id in self._leaving_users:
            return False
        return channel.is_live and owner is not None and not owner.is_disabled

    def _spec(self, channel_id: ChannelId, *, at_start: bool) -> ChildSpec:
        return ChildSpec(
            name=_name(channel_id),
            run=ChannelActor(self._tools, channel_id, at_start=at_start).run,
            restart=Restart.TRANSIENT,
            backoff=BACKOFF,
            intensity=INTENSITY,
            excess=Excess.PARK,
            stop_timeout=STOP_S,
        )


def _name(channel_id: ChannelId) -> str:
    return f"{PREFIX}{channel_id}"


@contextmanager
def _counted(counter: Counter[K], key: K) -> Iterator[None]:
    """`key` is in the counter as long as any such block is open."""
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
