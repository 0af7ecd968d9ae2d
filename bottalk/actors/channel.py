"""One channel: a poll loop and a send loop in one nursery, sharing plain state.

The poll loop asks iLink for messages of the user for ever; the send loop takes what waits in the outbox by the delivery
policy. Both only execute what `bottalk.delivery` says. The committed picture (window, tokens, cursor) is the journal's;
what is kept here is what a restart may forget: a frozen batch, counts of failures, the heartbeat.
"""

import structlog
import trio

from bottalk.actors.line import Line, SessionEnded, Tools
from bottalk.actors.polling import Poller
from bottalk.actors.sending import Sender
from bottalk.values import ChannelId
from supervisors import Child

log = structlog.get_logger()

STOP_S = 10.0
"""Seconds a send in hand gets at a stop."""

LAST_ANSWER_S = 2.0
"""Seconds a poll whose answer has begun gets at a stop: what it brings may be the word that opens the window."""


class ChannelActor:
    """The body of one channel's child. It ends by itself when iLink ends the session."""

    __slots__ = ("_at_start", "_channel_id", "_tools")

    def __init__(self, tools: Tools, channel_id: ChannelId, *, at_start: bool = False) -> None:
        """`at_start`: it starts with the daemon, as thousands do, so its first send takes a moment of its own."""
        self._tools = tools
        self._channel_id = channel_id
        self._at_start = at_start

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        # at once: whatever fails from here on is a crash, restarted by policy and visible, never a channel forgotten
        task_status.started()
        channel = self._tools.directory.channel(self._channel_id)
        if channel is None or not channel.is_live:
            return
        line = Line(self._tools, channel)
        line.heartbeat.begin(line.token, trio.current_time())
        try:
            await self._live(line, child)
        except* SessionEnded:
            log.info("channel.ended", channel=self._channel_id)
        finally:
            line.heartbeat.started_at = None
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1.0):
                await line.bot.aclose()

    async def _live(self, line: Line, child: Child) -> None:
        poller, sender = Poller(line), Sender(line)
        if self._at_start:
            self._at_start = False
            sender.spread()
        async with trio.open_nursery() as both:
            polling = trio.CancelScope()
            both.start_soon(self._poll, poller, polling)
            both.start_soon(sender.run)
            await child.stopping.wait()
            sender.stop()
            polling.deadline = trio.current_time() + (LAST_ANSWER_S if line.bot.poll_answer_begun else 0.0)
        await poller.store_cursor()

    async def _poll(self, poller: Poller, scope: trio.CancelScope) -> None:
        with scope:
            await poller.run()
