"""What the housekeeper does."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bottalk.actors.backups import Backups
from bottalk.actors.checkpoints import Checkpoints
from bottalk.actors.departed import Departed
from bottalk.actors.expiry import Expiry
from bottalk.actors.garbage import Garbage
from bottalk.actors.jobs import Job
from bottalk.actors.retention import Retention
from bottalk.actors.rewriting import Rewriting
from bottalk.actors.telling import Telling
from bottalk.daemon.actors import Actors
from bottalk.daemon.parts import Parts
from bottalk.ops import backup, data_dir, garbage

BackupFailed = Callable[[], tuple[float, str] | None]
"""As `failure_of` says it."""


def jobs_of(p: Parts, actors: Actors) -> list[Job]:
    """What the housekeeper does."""
    journal = actors.journal.mailbox

    def commits() -> int:
        return actors.journal.status().commits

    free = partial(data_dir.free_bytes, Path(p.config.data_dir))
    rewriting = Rewriting(p.database, p.config, p.clock, commits, free, lambda: checkpoints.soon())
    checkpoints = Checkpoints(p.database, lambda: commits() + rewriting.tries)
    return [
        Departed(p.pictures.directory, journal),
        Expiry(p.pictures.outboxes, actors.is_running, journal, p.clock),
        Retention(journal, p.config, p.clock, checkpoints.soon),
        Telling(p.pictures, journal, p.config, p.style.words, p.clock),
        checkpoints,
        rewriting,
        Garbage(garbage.collect, commits),
    ]


def backups_of(p: Parts) -> list[Backups]:
    """One job, or none where the settings want no backups."""
    config = p.config
    if not config.backup_every:
        return []
    make = partial(backup.make, config.database, config.backups, config.backup_keep)
    every = config.backup_every * 3600.0
    return [Backups(make, partial(backup.newest_at, config.backups), every, p.clock, p.runner)]


def failure_of(backups: Sequence[Backups]) -> tuple[float, str] | None:
    """Since when (wall time) the daemon's own backups fail, and why; None while they do not, or are off."""
    return next((job.failed for job in backups), None)
