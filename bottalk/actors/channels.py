"""The supervisor of the channels: one child per live channel. One that keeps crashing is parked."""

from contextlib import suppress

import structlog
import trio

from bottalk.actors.channel import STOP_S, ChannelActor
from bottalk.actors.line import Tools
from bottalk.values import Channel, ChannelId
from supervisors import (
    Backoff,
    Child,
    ChildSpec,
    ChildState,
    ChildStatus,
    DuplicateChild,
    Excess,
    Intensity,
    NotRunning,
    Restart,
    StartFailed,
    Supervisor,
    UnknownChild,
)

log = structlog.get_logger()

INTENSITY = Intensity(max_restarts=5, period_s=300.0)
BACKOFF = Backoff(first=0.5, factor=2.0, cap=30.0, jitter=0.2)


class Channels:
    """Starts, restarts and stops the channels' actors. `supervisor` is the branch of the tree they hang on."""

    def __init__(self, tools: Tools, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self._tools = tools

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Start an actor for each channel that should have one, and keep them."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run, child)
            for channel in list(self._tools.directory.channels()):
                if child.stopping.is_set():
                    break
                await self._start(channel)
            task_status.started()

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

    def child(self, channel_id: ChannelId) -> ChildStatus | None:
        """The tree's own account of the channel's actor; None when there is none."""
        try:
            return self.supervisor.child(_name(channel_id))
        except UnknownChild:
            return None

    def is_parked(self, channel_id: ChannelId) -> bool:
        child = self.child(channel_id)
        return child is not None and child.state is ChildState.PARKED

    async def _start(self, channel: Channel) -> None:
        """Start its actor, if it should have one. What stands in the way of one channel is told, and stops no other."""
        if not self._should_run(channel):
            return
        try:
            await self.supervisor.start_child(self._spec(channel.id))
        except (StartFailed, NotRunning) as e:
            log.warning("channel.not_started", channel=channel.id, why=str(e))

    def _should_run(self, channel: Channel) -> bool:
        owner = self._tools.directory.user(channel.user_id)
        return channel.is_live and owner is not None and not owner.is_disabled

    def _spec(self, channel_id: ChannelId) -> ChildSpec:
        return ChildSpec(
            name=_name(channel_id),
            run=ChannelActor(self._tools, channel_id).run,
            restart=Restart.TRANSIENT,
            backoff=BACKOFF,
            intensity=INTENSITY,
            excess=Excess.PARK,
            stop_timeout=STOP_S,
        )


def _name(channel_id: ChannelId) -> str:
    return f"channel {channel_id}"
