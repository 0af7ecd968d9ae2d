"""Waiting for what becomes of a push's rows, as long as waiting can help. A waiting caller is only a listener."""

from collections.abc import Callable, Sequence

import trio

from bottalk.actors.gate import Gates
from bottalk.actors.heartbeat import Heartbeats
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import queue
from bottalk.delivery.digest import Style
from bottalk.delivery.outlook import Prospect, prospect
from bottalk.values import Channel, ChannelId, Outcome, Priority, RowId
from bottalk.verbs.draft import Pictures

Kept = tuple[ChannelId, RowId]


class Slot:
    """A caller's reply slot: what it has been told of its rows."""

    __slots__ = ("_news", "outcomes")

    def __init__(self) -> None:
        self.outcomes: dict[RowId, Outcome] = {}
        self._news = trio.Event()

    def told(self, row_id: RowId, outcome: Outcome) -> None:
        self.outcomes[row_id] = outcome
        self._news.set()

    def changed(self) -> None:
        self._news.set()

    async def news(self) -> None:
        """Wait for the next news after the last `look`."""
        await self._news.wait()

    def look(self) -> None:
        """What came before is known: from here on only later news counts."""
        if self._news.is_set():
            self._news = trio.Event()


class Waiting:
    """Knows when a row may go, as far as the policy knows it."""

    def __init__(
        self,
        pictures: Pictures,
        heartbeats: Heartbeats,
        gates: Gates,
        config: Config,
        style: Style,
        clock: Clock,
        *,
        is_running: Callable[[ChannelId], bool],
        stopping: trio.Event,
    ) -> None:
        self._pictures = pictures
        self._heartbeats = heartbeats
        self._gates = gates
        self._config = config
        self._style = style
        self._clock = clock
        self._is_running = is_running
        self._stopping = stopping

    async def wait(self, rows: Sequence[Kept], slot: Slot, seconds: float) -> dict[RowId, Outcome]:
        """The outcome of each row: settled, or its standing when waiting could not help any longer.

        A cancel changes nothing; the slot hears no more afterwards.
        """
        deadline = trio.current_time() + seconds
        pending = [row for row in rows if row[1] not in slot.outcomes]
        try:
            while pending and self._can_help(pending, deadline):
                slot.look()
                with trio.move_on_at(deadline) as timeout:
                    await slot.news()
                pending = [row for row in pending if row[1] not in slot.outcomes]
                if timeout.cancelled_caught:
                    break
        finally:
            for channel_id, row_id in pending:
                self._pictures.outboxes.of(channel_id).forget(row_id, slot)
        return {row_id: self.prospect(channel_id, row_id).outcome for channel_id, row_id in pending} | slot.outcomes

    def prospect(self, channel_id: ChannelId, row_id: RowId) -> Prospect:
        """How a waiting row stands now."""
        channel = self._pictures.directory.channel(channel_id)
        if channel is None:
            raise LookupError(f"channel {channel_id} has a row and is not in the directory")
        outbox = self._pictures.outboxes.of(channel_id)
        now = self._clock.now()
        row = outbox.get(row_id)
        return prospect(
            channel,
            lambda: queue.waiting(queue.ready(outbox, now), channel.window, now, self._style),
            now,
            self._config.delivery,
            row.not_before if row else None,
        )

    def _can_help(self, pending: Sequence[Kept], deadline: float) -> bool:
        """Whether one of the rows may still go before `deadline` (trio's clock), as far as the policy knows."""
        now, at = self._clock.now(), trio.current_time()
        if self._stopping.is_set() or deadline <= at:
            return False
        for channel_id, row_id in pending:
            channel = self._pictures.directory.channel(channel_id)
            due = self.prospect(channel_id, row_id).due
            if channel is None or due is None or due - now > deadline - at:
                continue
            if self._is_running(channel_id) and not self._is_held(channel, row_id, deadline):
                return True
        return False

    def _is_held(self, channel: Channel, row_id: RowId, deadline: float) -> bool:
        """Whether something other than the window keeps the channel from sending this row before `deadline`."""
        row, heartbeat = self._pictures.outboxes.of(channel.id).get(row_id), self._heartbeats.of(channel.id)
        is_urgent = row is not None and row.priority is Priority.URGENT
        next_try_at = heartbeat.next_urgent_at if is_urgent else heartbeat.next_try_at
        return (
            max(next_try_at, heartbeat.rest_until) > deadline
            or self._gates.of(channel.base_url).is_down
            or not self._pictures.writable.is_ok
        )
