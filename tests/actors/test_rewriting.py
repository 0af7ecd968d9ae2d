"""When the file is written anew: once a night at most, in a quiet moment, and only after something was removed."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from bottalk.actors.rewriting import LATEST_S, MB, PATIENCE_S, Rewriting, is_time
from bottalk.config import Config, load, take_over
from bottalk.errors import CannotWrite
from bottalk.service.logs import LogForm
from bottalk.store import rewriting
from bottalk.store.database import Database, connect, open_database
from bottalk.values import RowStatus, Secret
from tests.service.people import owner
from tests.support.removals import has_left, live, traces
from tests.support.world import VirtualClock, World, config_for, open_world

R = TypeVar("R")
HOUR = 3600.0
DAY = 24 * HOUR
SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = datetime(2026, 9, 22, 4, 0, tzinfo=SHANGHAI).timestamp()


# --- when ---


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/Santiago"])
@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 366 * 24 * 60),
    st.sampled_from([0.0, 0.001, 1.0]),
    st.none() | st.floats(0, 2 * DAY),
    st.integers(0, 1000),
)
def test_what_is_removed_is_gone_by_the_end_of_the_next_night(
    zone: str, minute: int, quiet: float, tried_before: float | None, seed: int
) -> None:
    """A daemon that looks each minute for three days, with removals all the time; `quiet` minutes are so many."""
    there, start, rng = ZoneInfo(zone), NIGHT + minute * 60, Random(seed)
    tried_at = None if tried_before is None else start - tried_before
    tries = []
    for n in range(3 * 24 * 60):
        is_quiet = rng.random() < quiet
        if is_time(start + n * 60, there, tried_at, is_quiet=is_quiet):
            tried_at = start + n * 60
            tries.append(tried_at)
            if not is_quiet:
                assert 4 * 60 + 30 <= _minute(tried_at, there) < 6 * 60
    days = [(datetime.fromtimestamp(at - 4 * HOUR, there)).date() for at in tries]
    assert len(days) == len(set(days)), "at most once from night to night"
    for one, next_one in zip([start, *tries], [*tries, start + 3 * DAY], strict=True):
        assert next_one - one <= DAY + HOUR + PATIENCE_S + 60  # an hour for the clocks' change


def _minute(when: float, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(when, zone)
    return local.hour * 60 + local.minute


def test_the_small_hours_in_minutes() -> None:
    def at(seconds: float, *, is_quiet: bool = False, tried_at: float | None = NIGHT - HOUR) -> bool:
        return is_time(NIGHT + seconds, SHANGHAI, tried_at, is_quiet=is_quiet)

    assert not at(-1, is_quiet=True), "it was tried since the night before"
    assert at(0, is_quiet=True)
    assert not at(PATIENCE_S - 1)
    assert at(PATIENCE_S)
    assert at(LATEST_S - 1)
    assert not at(LATEST_S), "people are awake"
    assert at(LATEST_S, is_quiet=True)
    assert not at(DAY - 1, is_quiet=True, tried_at=NIGHT)
    assert at(DAY, is_quiet=True, tried_at=NIGHT)
    assert at(HOUR * 9, is_quiet=True, tried_at=None), "never yet: at any hour"
    assert at(HOUR * 9, is_quiet=True, tried_at=NIGHT + 400 * DAY), "the clock was set back since"


# --- the job alone ---


class Desk:
    """The job on a file from which something was removed, with a disk and a journal that the test plays."""

    def __init__(self, database: Database, config: Config) -> None:
        self.clock = VirtualClock()
        self.database = database
        self.config = config
        self.commits = 0
        self.free: int | None = 10**12
        self.told = 0
        self.job = Rewriting(database, config, self.clock, lambda: self.commits, lambda: self.free, self._tried)

    def _tried(self) -> None:
        self.told += 1

    async def remove(self) -> None:
        await self.database.write(lambda c: c.execute("INSERT OR IGNORE INTO meta VALUES ('removed', '1')").rowcount)

    async def minutes(self, number: int) -> None:
        for _ in range(number):
            await self.job.round()
            await trio.sleep(60)

    async def nights(self, number: int = 1) -> None:
        self.clock.offset += number * DAY
        await self.minutes(2)


async def in_place(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
    return function()


@asynccontextmanager
async def a_desk(directory: Path, **overrides: Any) -> AsyncIterator[Desk]:  # noqa: ANN401
    async with open_database(directory / "bottalk.db", now=1.0, runner=in_place) as database:
        desk = Desk(database, config_for(directory, **overrides))
        await desk.remove()
        yield desk


async def test_once_a_day_and_only_after_removals(tmp_path: Path, autojump_clock: object) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.minutes(3)
        assert (desk.job.done, desk.told) == (1, 1)
        await desk.remove()
        await desk.minutes(60)
        assert desk.job.done == 1, "there was one today"
        await desk.nights()
        assert desk.job.done == 2
        for _ in range(3):
            await desk.nights()
        assert (desk.job.done, desk.told) == (2, 2), "nothing was removed"


async def test_a_restart_makes_no_second_one(tmp_path: Path, autojump_clock: object) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.minutes(3)
    async with a_desk(tmp_path) as again:
        await again.minutes(3)
        assert again.job.done == 0
        await again.nights()
        assert again.job.done == 1


async def test_a_disk_that_is_short_postpones_it(
    tmp_path: Path, autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_desk(tmp_path) as desk:
        size = (await desk.database.read(rewriting.standing)).bytes
        desk.free = 2 * size - 1
        await desk.minutes(9)
        assert (desk.job.tries, desk.told) == (0, 0)
        assert capsys.readouterr().out.count("rewriting.postponed") == 1, "told once"
        desk.free = 2 * size
        await desk.minutes(1)
        assert desk.job.done == 1
        await desk.remove()
        desk.free = None
        await desk.nights()
        assert desk.job.done == 2, "where that cannot be told, SQLite finds out"


async def test_a_large_file_is_left_until_the_setting_allows_it(
    tmp_path: Path, autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_desk(tmp_path, rewrite_up_to=1) as desk:
        await desk.database.write(lambda c: c.execute("INSERT INTO meta VALUES ('big', ?)", ("x" * MB,)).rowcount)
        await desk.minutes(9)
        assert desk.job.tries == 0
        assert "larger than rewrite_up_to" in capsys.readouterr().out
        take_over(desk.config, load(environ={}, overrides={"rewrite_up_to": 2}))
        await desk.minutes(2)
        assert desk.job.done == 1


async def test_it_can_be_off(tmp_path: Path, autojump_clock: object, capsys: pytest.CaptureFixture[str]) -> None:
    async with a_desk(tmp_path, rewrite_up_to=0) as desk:
        await desk.nights(3)
        assert desk.job.tries == 0
        assert "postponed" not in capsys.readouterr().out


async def test_one_that_fails_is_tried_again_the_next_night(
    tmp_path: Path, autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_desk(tmp_path) as desk:
        reading = await desk.database.write(lambda c: c.execute("SELECT * FROM sqlite_master"))
        reading.fetchone()  # SQLite writes no file anew in the middle of a statement
        await desk.minutes(9)
        assert (desk.job.tries, desk.job.done, desk.told) == (1, 0, 1)
        assert "rewriting.failed" in capsys.readouterr().out
        reading.close()
        await desk.minutes(9)
        assert desk.job.tries == 1
        await desk.nights()
        assert (desk.job.tries, desk.job.done) == (2, 1)


async def test_a_database_that_cannot_be_written_is_no_try(tmp_path: Path, autojump_clock: object) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.job.round()
        await desk.database.write(lambda c: c.execute("PRAGMA query_only=ON").fetchone())
        with pytest.raises(CannotWrite, match="readonly"):
            await desk.job.round()
        assert desk.job.tries == 0
        await desk.database.write(lambda c: c.execute("PRAGMA query_only=OFF").fetchone())
        await desk.job.round()
        assert desk.job.done == 1


# --- a whole daemon ---


def job_of(world: World) -> int:
    return next(job.done for job in world.daemon.status().housekeeper.jobs if job.name == "rewriting")


async def test_a_deleted_account_is_gone_from_the_bytes_by_the_next_night(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "bottalk.db"
    async with open_world(tmp_path) as world:
        leaver, stayer = await world.active(), await world.active()
        assert [world.channel(person).user_id for person in (leaver, stayer)] == [1, 2]
    with closing(connect(path)) as connection:
        connection.execute("DELETE FROM push_logs")
        connection.execute("PRAGMA synchronous=OFF")
        live(connection, at=world.clock.offset)
        rewriting.note_try(connection, world.clock.offset)  # nothing more today
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await again.daemon.services.accounts.delete(owner(again, leaver).id, Secret(leaver.send_key))
        await trio.sleep(600)
        assert traces(tmp_path, has_left), "removed, but for copies that SQLite has made itself"
        await trio.sleep(DAY)
        assert traces(tmp_path, has_left) == set()
        assert job_of(again) == 1
        assert len(traces(tmp_path)) > 2000, "the other's are there"
        await again.write(stayer)
        await again.push(stayer, "今天")
        assert again.texts(stayer)[-1] == "今天"


async def test_a_busy_daemon_waits_for_the_small_hours(tmp_path: Path, autojump_clock: object) -> None:
    clock = VirtualClock()
    clock.offset = NIGHT - HOUR
    async with open_world(tmp_path, clock=clock) as world:
        person = await world.active()
        await world.daemon.services.accounts.reset_key(owner(world, person).id)
        while clock.now() < NIGHT + PATIENCE_S:
            assert job_of(world) == 0, "nobody's push waits for it"
            await world.daemon.services.sessions.open()
            await trio.sleep(45)
        for _ in range(4):
            await world.daemon.services.sessions.open()
            await trio.sleep(45)
        assert job_of(world) == 1


class Slow:
    """A runner whose writer is taken for some more seconds after a rewriting, as by a slow disk."""

    SECONDS = 2.5

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_rewriting = False
        real = rewriting.rewrite

        def rewrite(connection: sqlite3.Connection) -> None:
            real(connection)
            self.is_rewriting = True

        monkeypatch.setattr(rewriting, "rewrite", rewrite)

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            result = function()
            if self.is_rewriting:
                with trio.CancelScope(shield=True):
                    await trio.sleep(self.SECONDS)
                self.is_rewriting = False
            return result


async def test_a_push_that_comes_meanwhile_is_answered_and_sent(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    async with open_world(tmp_path, runner=disk) as world:
        person, other = await world.active(), await world.active()
        await world.daemon.services.accounts.reset_key(owner(world, other).id)
        await world.until(lambda: disk.is_rewriting)
        begun = trio.current_time()
        answer = await world.push(person, "正好这时", wait=20)
        assert trio.current_time() - begun > Slow.SECONDS - 1, "it waited for the writer"
        assert [row.outcome.status for row in answer.rows] == [RowStatus.SUCCESS]
        assert world.texts(person)[-1] == "正好这时"
        assert job_of(world) == 1


async def test_a_stop_meanwhile_keeps_the_file_whole(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Slow(monkeypatch)
    async with open_world(tmp_path, runner=disk) as world:
        person = await world.active()
        await world.push(person, "留下")
        await world.daemon.services.accounts.reset_key(owner(world, person).id)
        await world.until(lambda: disk.is_rewriting)
        world.daemon.stop()
        begun = trio.current_time()
        await world.daemon.ended.wait()
        assert trio.current_time() - begun < Slow.SECONDS + 1
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        assert [row.title for row in await again.daemon.services.logs.of(owner(again, person).id, LogForm())] == [
            "留下"
        ]
        await trio.sleep(600)
        assert job_of(again) == 0, "it was done"


async def test_the_log_of_the_rewriting_is_folded_away_at_once(tmp_path: Path, autojump_clock: object) -> None:
    """Only then are the old pages gone; and nobody commits anything that would have it done."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        for night in (1, 2):
            await world.daemon.services.accounts.reset_key(owner(world, person).id)
            await trio.sleep(200)  # what was committed is folded away
            commits = world.daemon.journal.status().commits
            world.clock.offset += DAY * (night - 1)
            while job_of(world) < night:  # noqa: ASYNC110 - no event tells of it; virtual
                await trio.sleep(1)
            await trio.sleep(5)
        assert world.daemon.journal.status().commits == commits
        assert (tmp_path / "bottalk.db-wal").stat().st_size == 0
