"""Outboxes: per channel, its queued rows in the order of acceptance, as committed. Only the journal changes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from msgspec.structs import replace

from bottalk.delivery import queue
from bottalk.messages import Listener
from bottalk.values import ChannelId, Outcome, Row, RowId

TEXTS = 32
"""Rows of one channel whose texts are in memory at most: more than one message takes, so that reading is rare."""

CHARACTERS = 16_384
"""Characters of them at most: eight full messages. A single text that is longer waits in the database, too."""


class Wakeup:
    """A wake-up for one task. It cannot overflow: one pending wake-up is enough, and it waits for its taker."""

    __slots__ = ("_pending", "_task")

    def __init__(self) -> None:
        self._pending = False
        self._task: trio.lowlevel.Task | None = None

    def set(self) -> None:
        if self._task is None:
            self._pending = True
        else:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> None:
        """Return at once when a wake-up is pending, else when one comes. A cancel leaves a pending one pending."""
        if self._pending:
            await trio.lowlevel.checkpoint()
            self._pending = False
            return
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._leave)

    def _leave(self, _raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


def nobody() -> None:
    """`expect` of an outbox whose channel has no actor."""


class Outbox:
    """What waits for one channel, and who waits for it. It outlives the channel's actor.

    Memory is bounded whatever waits: a few rows have their texts here, the others are light, and who sends them reads
    the texts when their turn comes.
    """

    __slots__ = ("_characters", "_listeners", "_rows", "_system", "_texts", "expect", "in_hand", "is_resting", "wakeup")

    def __init__(self) -> None:
        self.in_hand: frozenset[RowId] = frozenset()
        """Rows that the channel's actor is sending, or that may have arrived and are tried again: nobody else settles
        them. Written by the actor alone, between `Outboxes.free` and its next checkpoint; read by the journal."""
        self.expect: Callable[[], None] = nobody
        """Called when a row is about to be committed: whoever sends may get ready. Set by the channel's actor."""
        self.is_resting = False
        """The channel's actor waits for a time that a row which only joins the others cannot move."""
        self._rows: dict[RowId, Row] = {}
        self._listeners: dict[RowId, tuple[Listener, ...]] = {}
        self._texts = self._characters = 0
        """Of the rows that are not light: how many, and how long they are together."""
        self._system = 0
        self.wakeup = Wakeup()
        """Set for what may change when the next message goes; the send loop of the channel's actor waits for it."""

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row_id: RowId) -> bool:
        return row_id in self._rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, row_id: RowId) -> Row | None:
        return self._rows.get(row_id)

    @property
    def pushes(self) -> int:
        """How many of its rows are pushes, not our own words."""
        return len(self._rows) - self._system

    def oldest(self) -> Row | None:
        """The push that has waited longest."""
        return next((row for row in self._rows.values() if not row.is_system), None)

    def is_news(self, row: Row) -> bool:
        """Whether its actor must look at this new row, not added yet, before its rest is over. The first one always:
        those that it rests for may have been settled by others, and what it rests for be over."""
        return not (self.is_resting and self._rows and queue.only_joins(row))

    # --- for the journal ---

    def add(self, row: Row, listener: Listener | None) -> None:
        self._put(row)
        self._system += row.is_system
        if listener is not None:
            self._listeners[row.id] = (listener,)

    def replace(self, row: Row) -> None:
        old = self._rows.get(row.id)
        if old is not None:
            self._forget_text(old)
            self._put(row)

    def settle(self, row_id: RowId, outcome: Outcome) -> None:
        """Take a settled row out, and tell whoever waits for it."""
        row = self._rows.pop(row_id, None)
        if row is not None:
            self._forget_text(row)
            self._system -= row.is_system
        for listener in self._listeners.pop(row_id, ()):
            listener.told(row_id, outcome)

    def give(self, row_id: RowId, other: "Outbox", channel_id: ChannelId) -> None:
        """The row, and who waits for it, goes to another channel's outbox, to its place by acceptance. Nothing of it
        is out on that channel."""
        row = self._rows.pop(row_id, None)
        if row is None:
            return
        self._forget_text(row)
        self._system -= row.is_system
        other._system += row.is_system
        other._put(replace(row, channel_id=channel_id, parts_sent=0))
        other._rows = dict(sorted(other._rows.items()))
        listeners = self._listeners.pop(row_id, None)
        if listeners is not None:
            other._listeners[row_id] = listeners

    def _put(self, row: Row) -> None:
        if not row.is_light:
            characters = row.characters
            if self._texts < TEXTS and self._characters + characters <= CHARACTERS:
                self._texts += 1
                self._characters += characters
            else:
                row = row.light()
        self._rows[row.id] = row

    def _forget_text(self, row: Row) -> None:
        if not row.is_light:
            self._texts -= 1
            self._characters -= row.characters

    def changed(self) -> None:
        """Something about the channel or its rows is new: its actor and the waiting callers look again."""
        self.wakeup.set()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.changed()

    # --- for those who wait ---

    def listen(self, row_id: RowId, listener: Listener) -> bool:
        """Hear of a waiting row, beside those who do already; whether it waits here."""
        if row_id not in self._rows:
            return False
        self._listeners[row_id] = (*self._listeners.get(row_id, ()), listener)
        return True

    def forget(self, row_id: RowId, listener: Listener) -> None:
        """This listener waits no longer."""
        rest = tuple(one for one in self._listeners.pop(row_id, ()) if one is not listener)
        if rest:
            self._listeners[row_id] = rest


class Outboxes:
    """Every channel's outbox, made when first asked for."""

    def __init__(self) -> None:
        self._of: dict[ChannelId, Outbox] = {}
        self._held: trio.Event | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """No actor takes rows in hand meanwhile: the journal writes that some of them need not go any more."""
        released = self._held = trio.Event()
        try:
            yield
        finally:
            self._held = None
            released.set()

    async def free(self) -> None:
        """Wait until rows may be taken in hand; true until the next checkpoint."""
        while self._held is not None:
            await self._held.wait()

    def of(self, channel_id: ChannelId) -> Outbox:
        outbox = self._of.get(channel_id)
        if outbox is None:
            outbox = self._of[channel_id] = Outbox()
        return outbox

    def row(self, channel_id: ChannelId, row_id: RowId) -> Row | None:
        """The channel's row, if it waits. As everything below it makes no outbox: verbs ask from the writer's thread,
        while others look through them all."""
        outbox = self._of.get(channel_id)
        return None if outbox is None else outbox.get(row_id)

    def in_hand(self, channel_id: ChannelId) -> frozenset[RowId]:
        """The rows that the channel's actor has in hand."""
        outbox = self._of.get(channel_id)
        return frozenset() if outbox is None else outbox.in_hand

    def depth(self, channel_id: ChannelId) -> int:
        outbox = self._of.get(channel_id)
        return 0 if outbox is None else len(outbox)

    def pushes(self, channel_id: ChannelId) -> int:
        """As `depth`, without our own words."""
        outbox = self._of.get(channel_id)
        return 0 if outbox is None else outbox.pushes

    def waiting_since(self, channel_id: ChannelId) -> float | None:
        """When the channel's oldest push that waits was accepted, wall time; None when none does."""
        outbox = self._of.get(channel_id)
        oldest = None if outbox is None else outbox.oldest()
        return None if oldest is None else oldest.accepted_at

    def oldest_due(self, now: float) -> float | None:
        """When the push that has waited longest was accepted, or its delay ended, of all channels; wall time. None
        when none waits whose time has come."""
        oldest = None
        for outbox in self._of.values():
            for row in outbox._rows.values():
                if row.is_system:
                    continue
                since = row.accepted_at if row.not_before is None else row.not_before
                if since <= now and (oldest is None or since < oldest):
                    oldest = since
                if row.not_before is None:
                    break  # those behind it came later
        return oldest

    def rows_of(self, channel_id: ChannelId) -> list[Row]:
        """The channel's rows that wait, in order."""
        outbox = self._of.get(channel_id)
        return [] if outbox is None else list(outbox)

    def depths(self) -> dict[ChannelId, int]:
        """How many rows wait, for each channel that has any."""
        return {channel_id: len(outbox._rows) for channel_id, outbox in self._of.items() if outbox._rows}

    def push_depths(self) -> dict[ChannelId, int]:
        """As `depths`, without our own words."""
        return {channel_id: outbox.pushes for channel_id, outbox in self._of.items() if outbox._rows and outbox.pushes}

    def look_again(self) -> None:
        """Every waiting caller looks again at what is known (the daemon stops: nobody need wait any longer)."""
        for outbox in list(self._of.values()):
            outbox.changed()
