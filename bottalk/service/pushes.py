"""A push: from a form to the truth about each of its rows."""

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import trio
from msgspec import Struct
from msgspec.structs import replace

from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import window as windows
from bottalk.directory import wanted_channels
from bottalk.errors import CannotWrite, NoAccount, OtherContent, Refusal
from bottalk.measures import Measures
from bottalk.messages import Accept, Accepted, Spend, Spent
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.service.waiting import Slot, Waiting
from bottalk.store import pushes as push_rows
from bottalk.store.database import Database
from bottalk.values import (
    Channel,
    ChannelId,
    Outcome,
    Priority,
    PushId,
    Reason,
    RowStatus,
    RowStory,
    Secret,
    User,
    UserId,
)
from bottalk.verbs.draft import Pictures
from bottalk.verbs.pushes import remembered, replay
from supervisors import Mailbox, MailboxFull, NotTaken

STRICTEST = (Reason.CHANNEL_DEAD, Reason.ACCOUNT_RESTRICTED, Reason.CONTEXT_EXPIRED)
"""Of the reasons of several rows, the first of these is the push's; `transient` where there is none of them."""


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
    idempotency_key: str | None = None
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
    """What came of a push: a refusal (nothing kept), or an id and the truth about each row. `rate`: if asked."""

    strict: bool
    refusal: Refusal | None = None
    push_id: PushId | None = None
    readkey: Secret | None = None
    rows: tuple[RowAnswer, ...] = ()
    rate: Spent | None = None

    @property
    def told(self) -> tuple[str, str]:
        """What the caller is told in sum: `success`, `queued`, `failed`, `refused`; and why, where it is no success."""
        if self.refusal is not None:
            return "refused", self.refusal.constant.lower()
        states = {row.outcome.status for row in self.rows}
        if RowStatus.SUCCESS in states:
            return "success", ""
        if RowStatus.QUEUED in states:
            return "queued", ""
        reasons = {row.outcome.reason for row in self.rows}
        return "failed", next((why.value for why in STRICTEST if why in reasons), "transient")


class Pushes:
    """The use cases of the push API."""

    def __init__(
        self,
        pictures: Pictures,
        journal: Mailbox[Any],
        ratelimit: Mailbox[Spend],
        database: Database,
        waiting: Waiting,
        config: Config,
        clock: Clock,
        measures: Measures,
    ) -> None:
        self._pictures = pictures
        self._journal = journal
        self._ratelimit = ratelimit
        self._database = database
        self._waiting = waiting
        self._config = config
        self._clock = clock
        self._measures = measures
        self._underway: dict[tuple[UserId, str], trio.Event] = {}
        """Idempotency keys whose first push is being accepted; set when that is decided."""

    async def push(self, form: PushForm) -> PushAnswer:
        """Accept the push and wait, as long as waiting can help, for what becomes of it. A cancel changes nothing."""
        answer = await self._push(form)
        self._measures.pushes[answer.told] += 1
        return answer

    async def _push(self, form: PushForm) -> PushAnswer:
        user = self._pictures.directory.user_of_key(form.key.reveal())
        if user is None or user.is_disabled:
            return PushAnswer(bool(form.strict), Refusal.BAD_KEY if form.key else Refusal.NO_KEY)
        strict = user.strict if form.strict is None else form.strict
        try:
            if form.idempotency_key is None:
                return await self._new(form, user, strict)
            return await self._once(form, user, strict, form.idempotency_key)
        except OtherContent:
            return PushAnswer(strict, Refusal.CONFLICT)
        except NoAccount:
            return PushAnswer(strict, Refusal.BAD_KEY)
        except (CannotWrite, MailboxFull, NotTaken, sqlite3.OperationalError):  # the last: the key could not be read
            return PushAnswer(strict, Refusal.BUSY)

    async def story(self, push_id: PushId, readkey: Secret) -> list[RowStory]:
        """The present state of each row of a push; none when id and readkey do not belong together."""
        return await self._database.read(lambda c: push_rows.of_push(c, push_id, readkey.reveal()))

    async def _once(self, form: PushForm, user: User, strict: bool, key: str) -> PushAnswer:
        """The first push of this key, or a new one. While one is being accepted, the others wait for that."""
        while (underway := self._underway.get((user.id, key))) is not None:
            await underway.wait()
        decided = self._underway[user.id, key] = trio.Event()
        try:
            now = self._clock.now()
            first = await self._database.read(lambda c: _first(c, user.id, key, form, now))
            if first is None:
                return await self._new(form, user, strict, decided)
        finally:
            self._decide(user.id, key, decided)
        slot = Slot()
        return await self._told(await self._as_it_stands(first, slot), slot, form.wait, strict, None)

    async def _as_it_stands(self, first: Accepted, slot: Slot) -> Accepted:
        """The first push of a key, read anew until it is known of each row that it is settled, or the slot hears of it.

        Raises NoAccount when its account is deleted by now.
        """
        outboxes = self._pictures.outboxes
        while first.rows:
            waiting = [(channel, row) for channel, row, outcome in first.rows if outcome.status is RowStatus.QUEUED]
            if all(outboxes.of(channel_id).listen(row_id, slot) for channel_id, row_id in waiting):
                return first
            # one was settled or moved since
            rows = await self.story(first.push_id, first.readkey)
            first = replace(first, rows=tuple((row.channel_id, row.row_id, row.outcome) for row in rows))
        raise NoAccount("the account of this push is gone")

    def _decide(self, user_id: UserId, key: str, decided: trio.Event) -> None:
        """The first push of the key is accepted or refused: who waited for that may go on."""
        if self._underway.get((user_id, key)) is decided:
            del self._underway[user_id, key]
        decided.set()

    async def _new(self, form: PushForm, user: User, strict: bool, decided: trio.Event | None = None) -> PushAnswer:
        limit = self._config.rate_limit if user.rate_limit is None else user.rate_limit
        rate = await self._ratelimit.ask(Spend(user.id, limit), timeout=TAKEN_WITHIN_S)
        if not rate.granted:
            return PushAnswer(strict, Refusal.RATE_LIMIT, rate=rate)
        if not form.title.strip() and not form.text.strip():
            return PushAnswer(strict, Refusal.EMPTY, rate=rate)
        wanted = wanted_channels(form.channel, self._pictures.directory.channels_of(user.id))
        if not any(channel.is_usable for channel in wanted):
            return PushAnswer(strict, Refusal.NO_CHANNEL, rate=rate)
        slot = Slot()
        for channel in wanted:
            self._pictures.outboxes.of(channel.id).expect()
        accepted = await self._journal.ask(_accept(form, user, wanted, slot), timeout=TAKEN_WITHIN_S)
        if decided is not None and form.idempotency_key is not None:
            self._decide(user.id, form.idempotency_key, decided)
        if accepted.replay:  # its first caller hung up before it was committed
            accepted = await self._as_it_stands(accepted, slot)
        return await self._told(accepted, slot, form.wait, strict, rate)

    async def _told(self, accepted: Accepted, slot: Slot, wait: float, strict: bool, rate: Spent | None) -> PushAnswer:
        """Wait for the rows, and answer with what is known of each."""
        for _, row_id, outcome in accepted.rows:
            if outcome.status is not RowStatus.QUEUED:
                slot.outcomes[row_id] = outcome
        outcomes = await self._waiting.wait([(channel, row) for channel, row, _ in accepted.rows], slot, wait)
        rows = tuple(self._row(channel_id, outcomes[row_id]) for channel_id, row_id, _ in accepted.rows)
        return PushAnswer(strict, None, accepted.push_id, accepted.readkey, rows, rate)

    def _row(self, channel_id: ChannelId, outcome: Outcome) -> RowAnswer:
        channel = self._pictures.directory.channel(channel_id)
        if channel is None or channel.window.opened_at is None or outcome.status is not RowStatus.SUCCESS:
            return RowAnswer(channel_id, outcome)
        left = windows.left(channel.window, self._clock.now(), self._config.delivery)
        return RowAnswer(channel_id, outcome, WindowView(left, windows.closes_at(channel.window) or 0.0))


def _accept(form: PushForm, user: User, wanted: Sequence[Channel], slot: Slot) -> Accept:
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
        idempotency_key=form.idempotency_key,
        content_hash=content_hash(form) if form.idempotency_key is not None else None,
        listener=slot,
    )


def _first(connection: sqlite3.Connection, user_id: UserId, key: str, form: PushForm, now: float) -> Accepted | None:
    found = remembered(connection, user_id, key, now)
    return None if found is None else replay(connection, found, content_hash(form))


def content_hash(form: PushForm) -> str:
    """What an idempotency key stands for: title, text and channel as asked for."""
    return hashlib.sha256("\0".join((form.title, form.text, form.channel.strip())).encode()).hexdigest()
