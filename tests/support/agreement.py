"""Memory equals database: the pictures read anew from the file against the live ones."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TypeVar

import trio

from bottalk.actors.journal import load_pictures
from bottalk.clock import Clock
from bottalk.daemon import Daemon
from bottalk.store.database import Database, connect
from bottalk.verbs.draft import Pictures

R = TypeVar("R")

NOT_OF_THE_FILE = ("someone_left",)


class Watched(Protocol):
    """A world, or a daemon on sockets."""

    @property
    def daemon(self) -> Daemon: ...
    @property
    def clock(self) -> Clock: ...


async def assert_memory_is_database(world: Watched, data_dir: Path) -> None:
    """Fails with what differs: accounts, keys, channels, waiting rows, reminders, codes.

    Nothing else runs meanwhile, so the journal is never met between its commit and its telling.
    """
    now = world.clock.now()
    with closing(connect(data_dir / "bottalk.db", readonly=True)) as connection:
        stored, _ = await load_pictures(Database(connection, [connection], at_once, at_once), now)
    live = world.daemon.pictures
    assert _directory(live) == _directory(stored)
    assert _rows(live) == _rows(stored)
    assert {r.id: r for r in live.reminders.planned()} == {r.id: r for r in stored.reminders.planned()}
    assert {code: b for code, b in live.bindings.items() if b.expires_at > now} == stored.bindings


async def at_once(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
    """A runner without a checkpoint."""
    return function()


def count(data_dir: Path, query: str, *values: object) -> int:
    """The one number that a query answers."""
    with closing(connect(data_dir / "bottalk.db", readonly=True)) as connection:
        return int(connection.execute(query, values).fetchone()[0])


def _directory(pictures: Pictures) -> dict[str, Any]:
    return {name: value for name, value in vars(pictures.directory).items() if name not in NOT_OF_THE_FILE}


def _rows(pictures: Pictures) -> dict[int, list[int]]:
    ids = [channel.id for channel in pictures.directory.channels()]
    return {channel_id: [row.id for row in pictures.outboxes.of(channel_id)] for channel_id in ids}
