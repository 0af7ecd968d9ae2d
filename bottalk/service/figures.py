"""Figures of all channels together that only `/metrics` asks for. Loops without calls: there may be ten thousand."""

from collections.abc import Callable

import trio
from msgspec import Struct

from bottalk.actors.heartbeat import Heartbeats
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.measures import Measures
from bottalk.verbs.draft import Pictures

WINDOWS = ("never_opened", "open", "quota", "age", "rejected", "session")
"""How the window of a live channel stands: open, or by what it is closed."""


class Gauges(Struct, frozen=True):
    """Ages are seconds; 0 where nothing waits or nobody polls. `poll_age` is the greatest of all running channels.
    `newest_backup_at` is wall time, 0 when there is none."""

    windows: dict[str, int]
    oldest_row_age: float
    poll_age: float
    newest_backup_at: float
    backups_fail: bool


class Figures:
    """`measures` counts what happens; `gauges` looks at how things stand."""

    def __init__(
        self,
        measures: Measures,
        pictures: Pictures,
        heartbeats: Heartbeats,
        config: Config,
        clock: Clock,
        newest_backup_at: Callable[[], float | None],
        backup_failed: Callable[[], tuple[float, str] | None],
    ) -> None:
        """`newest_backup_at`: of whoever made it, wall time. `backup_failed`: since when the daemon's own fail, and
        why; None while they do not."""
        self.measures = measures
        self._pictures = pictures
        self._heartbeats = heartbeats
        self._config = config
        self._clock = clock
        self._newest_backup_at = newest_backup_at
        self._backup_failed = backup_failed

    def gauges(self) -> Gauges:
        now = self._clock.now()
        oldest = self._pictures.outboxes.oldest_due(now)
        return Gauges(
            self._windows(now),
            0.0 if oldest is None else max(0.0, now - oldest),
            self._heartbeats.greatest_age(trio.current_time()),
            self._newest_backup_at() or 0.0,
            self._backup_failed() is not None,
        )

    def _windows(self, now: float) -> dict[str, int]:
        """As `delivery.window.closed_by` says of each."""
        found = dict.fromkeys(WINDOWS, 0)
        quota, begun = self._config.delivery.quota, now - self._config.delivery.life
        for channel in self._pictures.directory.channels():
            if channel.inactive_reason is not None:
                continue
            window = channel.window
            if window.epoch == 0:
                found["never_opened"] += 1
            elif window.closed is not None:
                found[window.closed] += 1
            elif window.spent >= quota:
                found["quota"] += 1
            elif window.opened_at is not None and window.opened_at <= begun:
                found["age"] += 1
            else:
                found["open"] += 1
        return found
