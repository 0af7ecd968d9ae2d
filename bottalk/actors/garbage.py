"""Garbage that has grown old is collected when nobody writes, and once a day in any case: it stops the loop."""

from collections.abc import Callable

import structlog
import trio

from bottalk.actors.jobs import Job

log = structlog.get_logger()

REST_S = 3600.0
"""Seconds between two collections at least."""

LONGEST_S = 86_400.0
"""Seconds that a busy daemon goes without."""


class Garbage(Job):
    """Young garbage is collected by the way; what this finds has lived for a while and then let go of itself."""

    name = "garbage"
    period = 60.0

    def __init__(self, collect: Callable[[], int], commits: Callable[[], int]) -> None:
        """`collect` says how many objects it found. `commits` counts the journal's."""
        self._collect = collect
        self._commits = commits
        self._seen = -1
        """Commits at the last look."""
        self._collected_at = trio.current_time()

    async def round(self) -> None:
        """A collection, if it is time for one and nobody has written for a minute."""
        commits = self._commits()
        is_quiet, self._seen = commits == self._seen, commits
        age = trio.current_time() - self._collected_at
        if age < REST_S or not (is_quiet or age >= LONGEST_S):
            return
        began = trio.current_time()
        found = self._collect()
        self._collected_at = trio.current_time()
        self.done += found
        log.debug("garbage.collected", objects=found, seconds=round(self._collected_at - began, 3))
