"""The daemon's own backups, one every so many hours; between two of them a restart changes nothing. And what is known
of all that lie there, whoever made them."""

from collections.abc import Callable
from typing import TypeVar

import structlog
import trio

from bottalk.actors.jobs import Job
from bottalk.clock import Clock
from bottalk.errors import BotTalkError
from bottalk.store.threads import Runner

R = TypeVar("R")

log = structlog.get_logger()

FIRST_AFTER_S = 600.0
"""Seconds after the start before one that is due is made: a start has better things to do with the disk."""

RETRY_S = 3600.0
"""Seconds after one that failed: what stands in the way (a full disk, a share that is gone) rarely goes in less."""


class Backups(Job):
    """`make` makes one now (wall time); it raises BotTalkError when it could not. `newest_at` says when the newest one
    was made, up to that moment (both wall time); what others made there counts as well. Both block: the directory may
    be on another machine, which may not answer.
    """

    name = "backups"
    period = 60.0

    def __init__(
        self,
        make: Callable[[float], object],
        newest_at: Callable[[float], float | None],
        every: float,
        clock: Clock,
        runner: Runner | None = None,
    ) -> None:
        """`every`: seconds between two; 0: none is made. `runner` runs what blocks; by default a thread that a stop
        leaves alone."""
        self._make = make
        self._newest_at = newest_at
        self._every = every
        self._clock = clock
        self._run = runner or _abandonable
        self._one = trio.CapacityLimiter(1)
        self._not_before: float | None = None
        """On trio's clock."""
        self.newest_at: float | None = None
        """When the newest one was made, wall time, as far as the last round knows; None: there is none."""
        self.failed: tuple[float, str] | None = None
        """Since when (wall time) they fail, and why; None while they do not."""

    async def round(self) -> None:
        """Look at what is there, and make one when it is due. A cancel leaves an unfinished one, which the next one
        removes."""
        at, now = trio.current_time(), self._clock.now()
        if self._not_before is None:
            self._not_before = at + FIRST_AFTER_S
        self.newest_at = await self._run(lambda: self._newest_at(now), self._one)
        if not self._every or at < self._not_before:
            return
        if self.newest_at is not None and self.newest_at + self._every > now:
            self.failed = None  # somebody else has made one
            return
        await self._make_one(at)

    async def _make_one(self, at: float) -> None:
        now = self._clock.now()
        try:
            await self._run(lambda: self._make(now), self._one)
        except BotTalkError as e:
            self._not_before = trio.current_time() + RETRY_S
            self.failed = (self._clock.now() if self.failed is None else self.failed[0], str(e))
            log.error(
                "backup.failed", error=str(e), what_to_do="free disk space, check backup_dir; next try in an hour"
            )
            return
        self.failed, self.newest_at = None, now
        self.done += 1
        log.info("backup.made", seconds=round(trio.current_time() - at, 3))


async def _abandonable(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
    return await trio.to_thread.run_sync(function, limiter=limiter, abandon_on_cancel=True)
