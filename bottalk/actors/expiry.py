"""Rows whose channel has no running actor: those past their time, or replaced, are settled all the same."""

from collections.abc import Callable
from typing import Any

import structlog
import trio

from bottalk.actors.jobs import BREATH_S, Job
from bottalk.clock import Clock
from bottalk.delivery import queue
from bottalk.messages import SettleOver
from bottalk.outbox import Outboxes
from bottalk.values import ChannelId
from supervisors import Mailbox

log = structlog.get_logger()


class Expiry(Job):
    """The actor of a parked or dead channel, or of a disabled account, judges nothing. Who runs judges for itself."""

    name = "expiry"
    period = 60.0

    def __init__(
        self, outboxes: Outboxes, is_running: Callable[[ChannelId], bool], journal: Mailbox[Any], clock: Clock
    ) -> None:
        self._outboxes = outboxes
        self._is_running = is_running
        self._journal = journal
        self._clock = clock

    async def round(self) -> None:
        """Look at what waits for each channel; the journal settles what is over, and has the last word."""
        for channel_id in self._outboxes.depths():
            while not self._is_running(channel_id) and self._is_over(channel_id):
                count = await self._journal.ask(SettleOver(channel_id))
                self.done += count
                if count == 0:
                    break  # all of it is in somebody's hand by now
                log.info("expiry.settled", channel=channel_id, rows=count)
                await trio.sleep(BREATH_S)
            await trio.lowlevel.checkpoint()

    def _is_over(self, channel_id: ChannelId) -> bool:
        outbox = self._outboxes.of(channel_id)
        return bool(queue.over(outbox, outbox.in_hand, self._clock.now()))
