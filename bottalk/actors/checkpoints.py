"""The write-ahead log is folded into the database file when nobody writes, and once an hour in any case."""

import sqlite3
from collections.abc import Callable
from math import inf

import structlog
import trio

from bottalk.actors.jobs import Job
from bottalk.errors import CannotWrite
from bottalk.outbox import Wakeup
from bottalk.store.database import Database

log = structlog.get_logger()

LONGEST_S = 3600.0
"""Seconds that a busy daemon goes without."""


class Checkpoints(Job):
    """So that the file beside the database stays small, and holds nothing for long that was removed."""

    name = "checkpoint"
    period = 60.0

    def __init__(self, database: Database, commits: Callable[[], int]) -> None:
        """`commits` counts what was written, the journal's groups above all."""
        self.news = self._news = Wakeup()
        self._database = database
        self._commits = commits
        self._is_wanted = False
        self._seen = self._folded = -1
        """Commits at the last look, and at the last checkpoint."""
        self._folded_at = -inf
        """When that was, trio's clock."""

    def soon(self) -> None:
        """Much was removed: do not wait for a quiet minute."""
        self._is_wanted = True
        self._news.set()

    async def round(self) -> None:
        """A checkpoint, if one is due. A reader in its way postpones it; writers wait a few milliseconds."""
        commits = self._commits()
        is_quiet, self._seen = commits == self._seen, commits
        is_due = is_quiet or self._is_wanted or trio.current_time() - self._folded_at >= LONGEST_S
        if commits == self._folded or not is_due:
            return
        try:
            is_whole = await self._database.checkpoint()
        except sqlite3.Error as e:
            raise CannotWrite(str(e)) from e
        if is_whole:
            self.done += 1
            self._folded, self._folded_at, self._is_wanted = commits, trio.current_time(), False
        else:
            log.debug("checkpoint.postponed", why="somebody reads")
