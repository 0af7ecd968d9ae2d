"""What is wrong with the daemon as a whole, for the alarms: each source gives its signs as long as it is so."""

from collections.abc import Callable, Iterable

from bottalk.actors.gate import Gates
from bottalk.actors.journal import JournalStatus
from bottalk.alarms import Sign, Trouble
from bottalk.clock import Clock
from bottalk.health import Cause, Level
from bottalk.service.healths import Healths

Source = Callable[[], Iterable[Sign]]

MB = 1_000_000

_OF_CAUSE = {
    Cause.SESSION_EXPIRED: Trouble.CHANNEL_DEAD,
    Cause.AUTH: Trouble.CHANNEL_DEAD,
    Cause.PARKED: Trouble.CHANNEL_PARKED,
}


class Troubles:
    """`free_bytes`: of the data directory's disk, None where it cannot be told. `backup_failed`: since when (wall
    time) the daemon's own backups fail, and why; None while they do not."""

    def __init__(
        self,
        healths: Healths,
        gates: Gates,
        journal: Callable[[], JournalStatus],
        free_bytes: Callable[[], int | None],
        least_free_mb: Callable[[], int],
        backup_failed: Callable[[], tuple[float, str] | None],
        clock: Clock,
    ) -> None:
        self._healths = healths
        self._gates = gates
        self._journal = journal
        self._free_bytes = free_bytes
        self._least_free_mb = least_free_mb
        self._backup_failed = backup_failed
        self._clock = clock
        self._full_since: float | None = None
        self._unwritable_since: float | None = None
        self._sources: tuple[Source, ...] = (
            self._hosts,
            self._channels,
            self._disk,
            self._database,
            self._backups,
        )

    def signs(self) -> Iterable[Sign]:
        """All that is wrong now."""
        for source in self._sources:
            yield from source()

    def _hosts(self) -> Iterable[Sign]:
        for host in self._gates.status():
            if host.down_since is not None:
                yield Sign(Trouble.ILINK_DOWN, host.down_since, host.host)

    def _channels(self) -> Iterable[Sign]:
        for channel_id, health in self._healths.survey().ill.items():
            trouble = _OF_CAUSE.get(health.cause) if health.level is Level.RED and health.cause is not None else None
            if trouble is not None:
                yield Sign(trouble, health.since or self._clock.now(), f"通道 {channel_id}")

    def _disk(self) -> Iterable[Sign]:
        """Low below the setting, well again from a tenth above it."""
        free, least = self._free_bytes(), self._least_free_mb() * MB
        if free is None or free >= least * (1.0 if self._full_since is None else 1.1):
            self._full_since = None
            return
        self._full_since = self._full_since or self._clock.now()
        yield Sign(Trouble.DISK_FULL, self._full_since, detail=f"还剩 {free // MB} MB。")

    def _database(self) -> Iterable[Sign]:
        if self._journal().cannot_write is None:
            self._unwritable_since = None
            return
        self._unwritable_since = self._unwritable_since or self._clock.now()
        yield Sign(Trouble.CANNOT_WRITE, self._unwritable_since, detail=self._journal().cannot_write or "")

    def _backups(self) -> Iterable[Sign]:
        failed = self._backup_failed()
        if failed is not None:
            yield Sign(Trouble.BACKUP_FAILED, failed[0], detail=failed[1])
