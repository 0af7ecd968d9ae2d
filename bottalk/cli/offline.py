"""The use cases without a daemon, for commands while none runs: the journal alone, on the data directory it locks.

The same services call the same verbs as in a daemon, so what a command does is the same either way.
"""

import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import trio

from bottalk.actors.journal import Journal, load_pictures
from bottalk.cli.door import Door
from bottalk.clock import Clock, SystemClock
from bottalk.config import Config
from bottalk.errors import BotTalkError
from bottalk.ops import data_dir
from bottalk.service.imports import Imports
from bottalk.service.operations import Operations
from bottalk.service.users import Users
from bottalk.store.database import Database, StoreError, is_there, open_database, unusable
from supervisors import ChildSpec, Excess, Intensity, Mailbox, SupervisionError, Supervisor

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Offline:
    """What works without actors. A use case that needs the channels' actor raises NotTaken."""

    users: Users
    operations: Operations
    imports: Imports


def carry_out(
    config: Config,
    *,
    running: Callable[[Door], R],
    offline: Callable[[Offline], Awaitable[R]],
    may_create: bool = False,
) -> tuple[R, bool]:
    """Do it through the daemon that holds the data directory, or here when none does; and whether a daemon did it.

    `may_create`: where there is no database yet, a new one is made.

    Raises DataDirError and StoreError when the directory or the database cannot be used or there is none, DoorShut
    when a daemon holds it but does not answer, CannotWrite when it could not be saved, and what the use case raises.
    """
    if not may_create:
        _check_there_is_one(config.database)
    try:
        with data_dir.locked(Path(config.data_dir)):
            return trio.run(run_offline, config, offline), False
    except data_dir.InUse as e:
        return running(Door(config, e.holder)), True


async def run_offline(config: Config, use_case: Callable[[Offline], Awaitable[R]]) -> R:
    """Run one use case on the database file. Hold the directory's lock meanwhile.

    The database is brought to this version's schema first. A cancel waits for the commit in hand. Raises StoreError,
    and what the use case raises.
    """
    clock = SystemClock()
    async with open_database(config.database, now=clock.now()) as database:
        try:
            return await _run(config, use_case, database, clock)
        except sqlite3.OperationalError as e:
            raise StoreError(f"the database {config.database} cannot be read: {e}") from e
        except sqlite3.DatabaseError as e:
            raise unusable(config.database, e) from e


async def _run(config: Config, use_case: Callable[[Offline], Awaitable[R]], database: Database, clock: Clock) -> R:
    """What was not read raises sqlite3.DatabaseError."""
    pictures, next_row_id = await load_pictures(database, clock.now())
    journal = Journal(database, pictures, config, clock, next_row_id=next_row_id)
    nobody: Mailbox[Any] = Mailbox("channels", 1)
    nobody.close()
    spec = ChildSpec(
        "journal", journal.run, mailbox=journal.mailbox, intensity=Intensity(max_restarts=0), excess=Excess.ESCALATE
    )
    supervisor = Supervisor("offline", [spec], rng=random.Random(), wall=clock.now)
    outcome = _Outcome[R]()
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        use_cases = Offline(
            users=Users(pictures, journal.mailbox, nobody, database),
            operations=Operations(pictures, journal.mailbox, config, clock),
            imports=Imports(pictures, journal.mailbox, nobody),
        )
        await outcome.of(use_case(use_cases))
        supervisor.stop()
    return outcome.get()


class _Outcome(Generic[R]):
    """What came of a use case, carried out of a nursery, which would make a group of its error."""

    def __init__(self) -> None:
        self._results: list[R] = []
        self._error: BotTalkError | SupervisionError | sqlite3.DatabaseError | None = None

    async def of(self, work: Awaitable[R]) -> None:
        try:
            self._results.append(await work)
        except (BotTalkError, SupervisionError, sqlite3.DatabaseError) as e:
            self._error = e

    def get(self) -> R:
        if self._error is not None:
            raise self._error
        return self._results[0]


def _check_there_is_one(database: Path) -> None:
    if not is_there(database):
        raise data_dir.DataDirError(
            f"there is no database {database}: name the daemon's data directory (--data-dir or --config), or start "
            "the daemon once"
        )
