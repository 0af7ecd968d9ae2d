"""What the housekeeper does."""

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


def backups_of(p: Parts) -> Backups:
    config = p.config
    make = partial(backup.make, config.database, config.backups, config.backup_keep)
    newest_at = partial(backup.newest_at, config.backups)
    return Backups(make, newest_at, config.backup_every * 3600.0, p.clock, p.runner)
