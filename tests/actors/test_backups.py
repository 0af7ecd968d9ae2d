"""The daemon's own backups, in virtual time."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from bottalk.actors.backups import FIRST_AFTER_S, RETRY_S, Backups
from bottalk.errors import BotTalkError
from bottalk.ops import backup
from tests.support.world import VirtualClock, open_world

R = TypeVar("R")
HOUR = 3600.0


async def in_place(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
    return function()


class Shelf:
    """Where backups are made. A full one takes none."""

    def __init__(self, newest: float | None = None) -> None:
        self.newest = newest
        self.made: list[float] = []
        self.is_full = False

    def make(self, now: float) -> None:
        if self.is_full:
            raise BotTalkError("no space left")
        self.made.append(now)
        self.newest = now

    def newest_at(self, now: float) -> float | None:
        return self.newest if self.newest is not None and self.newest <= now else None


async def live(shelf: Shelf, clock: VirtualClock, seconds: float, meanwhile: Callable[[], None] | None = None) -> None:
    """The job's rounds, as the housekeeper has them."""
    job = Backups(shelf.make, shelf.newest_at, 24 * HOUR, clock, in_place)
    end = trio.current_time() + seconds
    while trio.current_time() < end:
        await job.round()
        await trio.sleep(job.period)


async def test_the_first_comes_soon_and_then_one_a_day(autojump_clock: object) -> None:
    clock, shelf = VirtualClock(), Shelf()
    start = clock.now()
    await live(shelf, clock, 3 * 24 * HOUR)
    assert len(shelf.made) == 3
    assert FIRST_AFTER_S <= shelf.made[0] - start <= FIRST_AFTER_S + 60
    assert all(
        24 * HOUR <= later - one <= 24 * HOUR + 60 for one, later in zip(shelf.made, shelf.made[1:], strict=False)
    )


async def test_restarts_make_no_more_of_them(autojump_clock: object) -> None:
    clock, shelf = VirtualClock(), Shelf()
    for _ in range(24):
        await live(shelf, clock, HOUR)
    assert len(shelf.made) == 1
    await live(shelf, clock, 2 * HOUR)
    assert len(shelf.made) == 2


async def test_a_full_disk_is_told_and_tried_again_each_hour(
    autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, shelf = VirtualClock(), Shelf()
    shelf.is_full = True
    await live(shelf, clock, FIRST_AFTER_S + 3 * RETRY_S)
    assert shelf.made == []
    assert capsys.readouterr().out.count("no space left") == 3
    shelf.is_full = False
    await live(shelf, clock, FIRST_AFTER_S + 120)
    assert len(shelf.made) == 1


async def test_a_clock_set_back_does_not_stop_them(autojump_clock: object) -> None:
    clock = VirtualClock()
    shelf = Shelf(newest=clock.now() + 400 * 24 * HOUR)
    await live(shelf, clock, FIRST_AFTER_S + 120)
    assert len(shelf.made) == 1


async def test_after_a_clock_was_set_back_there_are_no_more_of_them_than_before(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path, backup_every=1, backup_keep=100) as world:
        await trio.sleep(2 * HOUR)
        before = len(backup.every(tmp_path / "backups"))
        world.clock.offset -= 30 * 24 * HOUR
        await trio.sleep(3 * HOUR)
        assert before + 2 <= len(backup.every(tmp_path / "backups")) <= before + 4


async def test_the_daemon_makes_them_where_the_settings_say(tmp_path: Path, autojump_clock: object) -> None:
    directory = tmp_path / "elsewhere"
    async with open_world(tmp_path / "data", backup_every=1, backup_dir=str(directory), backup_keep=2) as world:
        assert world.daemon.services.status.store().last_backup_at is None
        person = await world.active()
        await trio.sleep(5 * HOUR)
        await world.push(person, "甲")
        assert len(backup.every(directory)) == 2
        newest = backup.newest_at(directory, world.clock.now())
        assert newest is not None
        assert world.clock.now() - newest < HOUR + 120
        assert world.daemon.services.status.store().last_backup_at is not None


async def test_none_are_made_where_they_are_off(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path / "data", backup_every=0) as world:
        await trio.sleep(50 * HOUR)
        assert not (tmp_path / "data" / "backups").exists()
        backup.make(tmp_path / "data" / "bottalk.db", tmp_path / "data" / "backups", 7, world.clock.now())
        await trio.sleep(61)
        assert world.daemon.services.status.store().last_backup_at is not None, "whoever made it"
