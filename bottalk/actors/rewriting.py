"""The database file is written anew in a quiet moment of the night, if something was removed from it.

Copies of removed texts that SQLite has left in unused parts of the file go with that. Pushes wait for as long as it
takes, so it is for files of modest size.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
import trio

from bottalk import schedule
from bottalk.actors.jobs import Job
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.errors import CannotWrite
from bottalk.store import rewriting
from bottalk.store.database import Database

log = structlog.get_logger()

NIGHT = 4
"""The hour of the zone's day from which it is time again: once until the same hour of the next day."""

PATIENCE_S = 1800.0
"""Seconds from that hour on that a busy daemon waits for a quiet minute."""

LATEST_S = 7200.0
"""Seconds after that hour from which only a quiet minute will do: people are awake."""

ROOM = 2
"""Times the file's size that must be free on the disk."""

MB = 1_000_000


class Rewriting(Job):
    """At most one try a day, and none where nothing was removed since the last."""

    name = "rewriting"
    period = 60.0

    def __init__(
        self,
        database: Database,
        config: Config,
        clock: Clock,
        commits: Callable[[], int],
        free: Callable[[], int | None],
        tried: Callable[[], None],
    ) -> None:
        """`commits` counts the journal's. `free`: bytes that the disk has left, None where that cannot be told.
        `tried` is called after each try: the write-ahead log has the size of the file then, and is to be folded in."""
        self._database = database
        self._config = config
        self._clock = clock
        self._commits = commits
        self._free = free
        self._tried = tried
        self._zone = ZoneInfo(config.tz)
        self._seen = -1
        """Commits at the last look."""
        self._told: str | None = None
        """What stood in the way at the last look, as the log says."""
        self.tries = 0

    async def round(self) -> None:
        """A rewriting, if it is time for one. A cancel waits for its end: seconds."""
        commits, now = self._commits(), self._clock.now()
        is_quiet, self._seen = commits == self._seen, commits
        standing = await self._database.read(rewriting.standing)
        is_wanted = standing.has_removed and self._config.rewrite_up_to > 0
        if not is_wanted or not is_time(now, self._zone, standing.tried_at, is_quiet=is_quiet):
            return
        obstacle = self._obstacle(standing.bytes)
        if obstacle is not None and obstacle != self._told:
            log.warning("rewriting.postponed", why=obstacle, megabytes=standing.bytes // MB)
        self._told = obstacle
        if obstacle is None:
            await self._try(now, standing.bytes)

    def _obstacle(self, size: int) -> str | None:
        if size > self._config.rewrite_up_to * MB:
            return "the database is larger than rewrite_up_to"
        free = self._free()
        if free is not None and free < ROOM * size:
            return "the disk has less than twice the database's size free"
        return None

    async def _try(self, now: float, size: int) -> None:
        try:
            await self._database.write(lambda connection: rewriting.note_try(connection, now))
        except sqlite3.Error as e:
            raise CannotWrite(str(e)) from e
        begun = trio.current_time()
        try:
            await self._database.write(rewriting.rewrite)
        except sqlite3.Error as e:
            log.error("rewriting.failed", error=str(e), what_to_do="free disk space; next try tomorrow")
        else:
            self.done += 1
            log.info("rewriting.done", seconds=round(trio.current_time() - begun, 3), megabytes=size // MB)
        finally:
            self.tries += 1
            self._tried()


def is_time(now: float, zone: ZoneInfo, tried_at: float | None, *, is_quiet: bool) -> bool:
    """Whether a rewriting may begin. `now` and `tried_at`, when the last one began (None: never), are wall time.

    Not before the first night after the last try. Then in the first quiet minute; in the small hours, after some
    patience, in any. A try from the future counts as none: the clock was set back since.
    """
    night = _last_night(now, zone)
    if tried_at is not None and night <= tried_at <= now:
        return False
    return is_quiet or PATIENCE_S <= now - night < LATEST_S


def _last_night(now: float, zone: ZoneInfo) -> float:
    """When its hour was last, at `now` or before."""
    day = datetime.fromtimestamp(now, zone).date()
    nights = (schedule.instant(day - timedelta(days=n), NIGHT, 0, zone) for n in range(3))
    return next(night for night in nights if night <= now)
