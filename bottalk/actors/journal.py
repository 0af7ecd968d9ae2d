"""The journal: the only writer of the database, and owner of what is kept in memory of it.

Group commit: one thread hop and one transaction for whatever has gathered while the last commit ran. A bad verb fails
its own ask, never its group: then the group is written again, with a savepoint around each. Commit, then tell: after
the commit, with no await between, the pictures change, channels wake and askers are answered.
"""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import structlog
import trio

from bottalk.agenda import Agenda
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.directory import Directory
from bottalk.errors import CannotWrite
from bottalk.measures import Measures
from bottalk.outbox import Outbox, Outboxes
from bottalk.store import bindings, channels, pushes, reminders, users
from bottalk.store.database import Database, transaction
from bottalk.values import Settlement, User, UserId
from bottalk.verbs.draft import Changes, Draft, Pictures
from bottalk.verbs.table import VERBS, settles
from bottalk.words import DEFAULT, Words
from supervisors import Ask, Child, Letter, Mailbox

log = structlog.get_logger()

MAILBOX = 10_000
"""A full mailbox is a typed error (50301). At 3,000 pushes a second this is three seconds of a stalled disk."""

RETRY_S = 3.0
"""Seconds between tries while the database cannot be written and nobody asks for it."""

GROUP = 500
"""Verbs per commit at most, so that the answer of the first does not wait for thousands."""


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """`last_commit_at` is wall time; `cannot_write` says why while the database refuses. `tries`: transactions that
    have ended, well or not."""

    commits: int
    verbs: int
    largest_group: int
    last_commit_at: float | None
    cannot_write: str | None
    next_row_id: int
    tries: int


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a group: answers or errors in the order of the letters, and what the pictures take over."""

    results: list[Any]
    changes: Changes
    next_row_id: int


class Journal:
    """`pictures` are read by everybody and changed here alone."""

    def __init__(
        self,
        database: Database,
        pictures: Pictures,
        config: Config,
        clock: Clock,
        *,
        next_row_id: int,
        words: Words = DEFAULT,
        turned: Callable[[UserId], None] = lambda user_id: None,
        measures: Measures | None = None,
    ) -> None:
        """`turned` is told of each account that was disabled or enabled, right after the commit. It must not raise.
        `measures`: where commits and ends of rows are counted."""
        self.mailbox: Mailbox[Ask[Any]] = Mailbox("journal", MAILBOX)
        self.pictures = pictures
        self._database = database
        self._config = config
        self._words = words
        self._clock = clock
        self._next_row_id = next_row_id
        self._turned = turned
        self._measures = measures or Measures()
        self._commits = self._verbs = self._largest = self._tries = 0
        self._last_commit_at: float | None = None
        self._cannot_write: str | None = None

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Write what arrives until a stop is asked and nothing is left."""
        task_status.started()
        is_crowded = False
        while True:
            with trio.move_on_after(inf if self._cannot_write is None else RETRY_S) as waited:
                letters = await self.mailbox.take_all(GROUP, gather=is_crowded)
            if waited.cancelled_caught:
                await self._try_again()
                continue
            is_crowded = len(letters) > 1
            # a cancel waits for the commit's end (the runner's rule), and then what was committed must be told
            with trio.CancelScope(shield=True):
                await self._write(letters)

    def status(self) -> JournalStatus:
        return JournalStatus(
            self._commits,
            self._verbs,
            self._largest,
            self._last_commit_at,
            self._cannot_write,
            self._next_row_id,
            self._tries,
        )

    async def _write(self, letters: list[Letter[Ask[Any]]]) -> None:
        if any(settles(letter.message) for letter in letters):
            with self.pictures.outboxes.held():
                await self._write_group(letters)
        else:
            await self._write_group(letters)

    async def _write_group(self, letters: list[Letter[Ask[Any]]]) -> None:
        now, began = self._clock.now(), time.perf_counter()
        try:
            # while it is known to be ill, who asks is told so at once
            is_ill = self._cannot_write is not None
            done = await self._database.write(lambda c: self._commit(c, letters, now), hurried=is_ill)
        except sqlite3.Error as e:
            self._refuse(letters, e)
            return
        finally:
            self._tries += 1
        self._measures.commit.observe(time.perf_counter() - began)
        self._measures.group.observe(len(letters))
        self._recovered()
        self._commits, self._verbs = self._commits + 1, self._verbs + len(letters)
        self._largest, self._last_commit_at = max(self._largest, len(letters)), now
        self._next_row_id = done.next_row_id
        self._adopt(done.changes)
        for letter, result in zip(letters, done.results, strict=True):
            if isinstance(result, Exception):
                letter.fail(result)
            else:
                letter.reply(result)

    async def _try_again(self) -> None:
        """Nobody writes, and the last write failed: find out whether the database has recovered."""
        with trio.CancelScope(shield=True):
            try:
                await self._database.write(_touch, hurried=True)
            except sqlite3.Error as e:
                self._cannot_write = str(e)
                return
        self._recovered()

    def _recovered(self) -> None:
        if self._cannot_write is not None:
            log.info("journal.recovered", after=self._cannot_write)
            self._cannot_write = None
            self.pictures.writable.regained()

    def _commit(self, connection: sqlite3.Connection, letters: list[Letter[Ask[Any]]], now: float) -> _Done:
        """In the writer's thread: the whole group, one transaction. Raises sqlite3.Error when the group failed."""
        try:
            return self._attempt(connection, letters, now, _plain)
        except _OneFailed:
            # once more from the start, each verb in a savepoint: the bad one fails alone
            return self._attempt(connection, letters, now, _in_savepoint)

    def _attempt(
        self,
        connection: sqlite3.Connection,
        letters: list[Letter[Ask[Any]]],
        now: float,
        one: Callable[[Draft, Ask[Any]], Any],
    ) -> _Done:
        draft = Draft(connection, self.pictures, self._config, now, self._next_row_id, self._words)
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [one(draft, letter.message) for letter in letters]
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return _Done(results, draft.done, draft.next_row_id)

    def _refuse(self, letters: list[Letter[Ask[Any]]], error: sqlite3.Error) -> None:
        if self._cannot_write is None:
            log.error("journal.cannot_write", error=str(error), what_to_do="free disk space, check the data directory")
        self._cannot_write = str(error)
        self.pictures.writable.lost()
        for letter in letters:
            letter.fail(CannotWrite(str(error)))

    def _adopt(self, changes: Changes) -> None:
        """The pictures take over what is committed. No await: nobody sees half of it."""
        directory, outboxes = self.pictures.directory, self.pictures.outboxes
        for user in changes.users.values():
            if user is not None:
                self._put_user(user)
        for channel in changes.channels.values():
            directory.put_channel(channel)
        if changes.bindings:
            now = self._last_commit_at or 0.0
            kept = {code: b for code, b in self.pictures.bindings.items() if b.expires_at > now - bindings.LATE_S}
            self.pictures.bindings.clear()
            self.pictures.bindings.update(kept | changes.bindings)
        for reminder_id, reminder in changes.reminders.items():
            if reminder is None:
                self.pictures.reminders.remove(reminder_id)
            else:
                self.pictures.reminders.put(reminder)
        self.pictures.reminders.gone.difference_update(changes.forgotten)
        if changes.reminders:
            self.pictures.reminders.wakeup.set()
        touched = {row.channel_id for row, _ in changes.born if outboxes.of(row.channel_id).is_news(row)}
        for row, listener in changes.born:
            outboxes.of(row.channel_id).add(row, listener)
        for row_id, giver, taker in changes.moved:
            outboxes.of(giver).give(row_id, outboxes.of(taker), taker)
        for row in changes.tried:
            outboxes.of(row.channel_id).replace(row)
        for channel_id, settlement in changes.settled:
            self._settle(outboxes.of(channel_id), settlement)
        for outcome in changes.ended:
            self._measures.ended(outcome, None, 0.0)
        for ip in changes.arrived:
            self.pictures.newcomers.add(ip, self._last_commit_at or 0.0)
        touched |= {row.channel_id for row in changes.tried} | {taker for _, _, taker in changes.moved}
        for channel_id in touched | changes.channels.keys():
            if outboxes.depth(channel_id):
                outboxes.of(channel_id).changed()
        for user_id, user in changes.users.items():
            if user is None:
                directory.remove_user(user_id)
        directory.gone.difference_update(changes.forgotten_users)

    def _settle(self, outbox: Outbox, settlement: Settlement) -> None:
        row = outbox.get(settlement.row_id)
        if row is not None and not row.is_system:
            began_at = row.accepted_at if row.not_before is None else row.not_before
            self._measures.ended(settlement.outcome, began_at, self._last_commit_at or 0.0)
        outbox.settle(settlement.row_id, settlement.outcome)

    def _put_user(self, user: User) -> None:
        old = self.pictures.directory.user(user.id)
        self.pictures.directory.put_user(user)
        if old is not None and old.is_disabled != user.is_disabled:
            self._turned(user.id)


def _touch(connection: sqlite3.Connection) -> None:
    """The smallest write there is."""
    with transaction(connection):
        connection.execute("UPDATE meta SET value = value WHERE key = 'least_reader'")


class _OneFailed(Exception):
    """A verb of the group failed for its own values."""


def _plain(draft: Draft, message: Ask[Any]) -> Any:  # noqa: ANN401 - the answer's type is the ask's
    """Run a verb without a savepoint: two statements less for each, as long as none fails."""
    draft.begin()
    try:
        result = VERBS[type(message)](draft, message)
    except Exception as e:
        if _is_the_databases(e):
            raise
        raise _OneFailed from e
    draft.keep()
    return result


def _in_savepoint(draft: Draft, message: Ask[Any]) -> Any:  # noqa: ANN401 - the answer's type is the ask's
    """Run a verb in a savepoint; one that fails is undone, and its error is its answer."""
    connection = draft.connection
    connection.execute("SAVEPOINT verb")
    draft.begin()
    try:
        result = VERBS[type(message)](draft, message)
    except Exception as e:
        # disk full and I/O errors roll the whole transaction back: then the group has failed, not this verb
        if not connection.in_transaction or _is_the_databases(e):
            raise
        connection.execute("ROLLBACK TO verb")
        connection.execute("RELEASE verb")
        return e
    connection.execute("RELEASE verb")
    draft.keep()
    return result


def _is_the_databases(error: Exception) -> bool:
    """Whether the database itself is ill (full, locked, read-only, I/O, damaged), rather than this verb's values."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


async def load_pictures(database: Database, now: float) -> tuple[Pictures, int]:
    """What is committed, and the next row id. Read once at start, before the journal runs."""

    def read(connection: sqlite3.Connection) -> tuple[Pictures, int]:
        directory = Directory(users.every(connection), channels.every(connection), users.gone(connection))
        pictures = Pictures(directory, Outboxes())
        for row in pushes.queued(connection):
            pictures.outboxes.of(row.channel_id).add(row, None)
        pictures.reminders = Agenda(reminders.every(connection), reminders.gone(connection))
        for binding in bindings.current(connection, now):
            pictures.bindings[binding.code.reveal()] = binding
        return pictures, pushes.next_id(connection)

    return await database.read(read)
