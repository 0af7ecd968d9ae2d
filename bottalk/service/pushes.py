"""A push: from a form to the truth about each of its rows."""

from collections.abc import Callable, Sequence
from typing import Any

import trio
from msgspec import Struct

from bottalk.actors.gate import Gates
from bottalk.actors.heartbeat import Heartbeats
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import pacing
from bottalk.delivery import window as windows
from bottalk.delivery.outlook import Prospect, prospect
from bottalk.directory import wanted_channels
from bottalk.errors import CannotWrite, Refusal
from bottalk.messages import Accept, Accepted
from bottalk.store import pushes as push_rows
from bottalk.store.database import Database
from bottalk.values import Channel, ChannelId, Outcome, Priority, PushId, RowId, RowStatus, RowStory, Secret, User
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox, MailboxFull, NotTaken

TAKEN_WITHIN_S = 10.0
"""Seconds a push may wait for the journal to take it; then nothing was kept and the caller is told so (50301)."""


class PushForm(Struct, frozen=True):
    """One push as parsed at the edge. `wait`, `ttl`, `delay` are seconds."""

    key: Secret
    title: str
    text: str
    channel: str = ""
    wait: float = 3.0
    strict: bool | None = None
    ttl: float | None = None
    delay: float | None = None
    replace_key: str | None = None
    priority: Priority = Priority.NORMAL
    ip: str = ""


class WindowView(Struct, frozen=True):
    """How many messages may still go, and when the window closes (wall time)."""

    left: int
    closes_at: float


class RowAnswer(Struct, frozen=True):
    channel_id: ChannelId
    outcome: Outcome
    window: WindowView | None = None


class PushAnswer(Struct, frozen=True):
    """What came of a push: a refusal (nothing kept), or an id and the truth about each row."""

    strict: bool
    refusal: Refusal | None = None
    push_id: PushId | None = None
    readkey: Secret | None = None
    rows: tuple[RowAnswer, ...] = ()


class _Slot:
    """A caller's reply slot: the rows that it still waits for."""

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
        """Wait for the next news; what came before is taken as known."""
        await self._news.wait()

    def look(self) -> None:
        """From here on only later news counts."""
        if self._news.is_set():
            self._news = trio.Event()


class Pushes:
    """The use cases of the push API."""

    def __init__(
        self,
        pictures: Pictures,
        journal: Mailbox[Any],
        database: Database,
        heartbeats: Heartbeats,
        gates: Gates,
        config: Config,
        clock: Clock,
        *,
        is_running: Callable[[ChannelId], bool],
        stopping: trio.Event,
    ) -> None:
        self._pictures = pictures
        self._journal = journal
        self._database = database
        self._heartbeats = heartbeats
        self._gates = gates
        self._config = config
        self._clock = clock
        self._is_running = is_running
        self._stopping = stopping

    async def push(self, form: PushForm) -> PushAnswer:
        """Accept the push and wait, as long as waiting can help, for what becomes of it. A cancel changes nothing."""
        directory = self._pictures.directory
        user = directory.user_of_key(form.key.reveal())
        if user is None or user.is_disabled:
            return PushAnswer(bool(form.strict), Refusal.BAD_KEY if form.key else Refusal.NO_KEY)
        strict = user.strict if form.strict is None else form.strict
        if not form.title.strip() and not form.text.strip():
            return PushAnswer(strict, Refusal.EMPTY)
        wanted = wanted_channels(form.channel, directory.channels_of(user.id))
        if not any(channel.is_usable for channel in wanted):
            return PushAnswer(strict, Refusal.NO_CHANNEL)
        slot = _Slot()
        try:
            accepted = await self._journal.ask(self._accept(form, user, wanted, slot), timeout=TAKEN_WITHIN_S)
        except (CannotWrite, MailboxFull, NotTaken):
            return PushAnswer(strict, Refusal.BUSY)
        outcomes = await self._wait(accepted, slot, form.wait)
        rows = tuple(self._row(channel_id, outcomes[row_id]) for channel_id, row_id, _ in accepted.rows)
        return PushAnswer(strict, None, accepted.push_id, accepted.readkey, rows)

    async def story(self, push_id: PushId, readkey: Secret) -> list[RowStory]:
        """The present state of each row of a push; none when id and readkey do not belong together."""
        return await self._database.read(lambda c: push_rows.of_push(c, push_id, readkey.reveal()))

    def _accept(self, form: PushForm, user: User, wanted: Sequence[Channel], slot: _Slot) -> Accept:
        return Accept(
            user_id=user.id,
            title=form.title,
            text=form.text,
            channels=tuple(channel.id for channel in wanted),
            skipped=frozenset(channel.id for channel in wanted if not channel.is_usable),
            ip=form.ip,
            priority=form.priority,
            ttl=form.ttl,
            delay=form.delay,
            replace_key=form.replace_key,
            listener=slot,
        )

    async def _wait(self, accepted: Accepted, slot: _Slot, wait: float) -> dict[RowId, Outcome]:
        """The outcome of each row: settled, or its standing when waiting could not help any longer."""
        for _, row_id, outcome in accepted.rows:
            if outcome.status is not RowStatus.QUEUED:
                slot.outcomes[row_id] = outcome
        deadline = trio.current_time() + wait
        pending = [(channel_id, row_id) for channel_id, row_id, _ in accepted.rows if row_id not in slot.outcomes]
        try:
            while pending and self._can_help(pending, deadline):
                slot.look()
                with trio.move_on_at(deadline) as timeout:
                    await slot.news()
                pending = [(channel_id, row_id) for channel_id, row_id in pending if row_id not in slot.outcomes]
                if timeout.cancelled_caught:
                    break
        finally:
            for channel_id, row_id in pending:
                self._pictures.outboxes.of(channel_id).forget((row_id,))
        standing = {row_id: self._prospect(channel_id, row_id).outcome for channel_id, row_id in pending}
        return standing | slot.outcomes

    def _can_help(self, pending: Sequence[tuple[ChannelId, RowId]], deadline: float) -> bool:
        """Whether one of the rows may still go before `deadline` (trio's clock), as far as the policy knows."""
        now, at = self._clock.now(), trio.current_time()
        if self._stopping.is_set() or deadline <= at:
            return False
        for channel_id, row_id in pending:
            channel = self._pictures.directory.channel(channel_id)
            due = self._prospect(channel_id, row_id).due
            if channel is None or due is None or due - now > deadline - at:
                continue
            held = self._heartbeats.of(channel_id).next_try_at > deadline or self._gates.of(channel.base_url).is_down
            if self._is_running(channel_id) and not held:
                return True
        return False

    def _prospect(self, channel_id: ChannelId, row_id: RowId) -> Prospect:
        channel = self._pictures.directory.channel(channel_id)
        if channel is None:
            raise LookupError(f"channel {channel_id} has a row and is not in the directory")
        outbox = self._pictures.outboxes.of(channel_id)
        now = self._clock.now()
        row, oldest = outbox.get(row_id), outbox.oldest()
        waiting = pacing.Waiting(
            oldest_at=oldest.accepted_at if oldest else now,
            urgent=row is not None and row.priority is Priority.URGENT,
        )
        not_before = row.not_before if row else None
        return prospect(channel, waiting, now, self._config.delivery, not_before)

    def _row(self, channel_id: ChannelId, outcome: Outcome) -> RowAnswer:
        channel = self._pictures.directory.channel(channel_id)
        if channel is None or channel.window.opened_at is None or outcome.status is not RowStatus.SUCCESS:
            return RowAnswer(channel_id, outcome)
        left = windows.left(channel.window, self._clock.now(), self._config.delivery)
        return RowAnswer(channel_id, outcome, WindowView(left, windows.closes_at(channel.window) or 0.0))
