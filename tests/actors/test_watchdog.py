"""The watchdog over a real datagram socket, in virtual time: what systemd hears, and when it hears no sign of life."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing

from bottalk.actors.watchdog import JOURNAL_S, LAG_S, LINE_S, LOOK_S, Pulse, Vitals, Watchdog
from bottalk.errors import Refusal
from bottalk.ops.systemd import ServiceManager
from supervisors import Child
from tests.e2e.test_restarts import Held
from tests.support.http import logged
from tests.support.manager import Ears, ears
from tests.support.world import Person, World, open_world

R = TypeVar("R")

WATCHDOG_S = 60.0
WELL = Vitals((), 0, 0)


@contextmanager
def systemd(tmp_path: Path, watchdog_s: float | None = WATCHDOG_S) -> Iterator[tuple[Ears, ServiceManager]]:
    with ears(str(tmp_path / "notify")) as heard:
        manager = ServiceManager(heard.address, watchdog_s)
        try:
            yield heard, manager
        finally:
            manager.close()


class Stage:
    """A watchdog alone, over vitals and a line that the test sets."""

    def __init__(self, manager: ServiceManager | None) -> None:
        self.vitals = WELL
        self.line = "all is well"
        self.watchdog = Watchdog(manager, lambda: self.vitals, lambda: self.line)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        child = Child("watchdog")
        async with trio.open_nursery() as nursery:

            async def run(*, task_status: trio.TaskStatus[None]) -> None:
                await self.watchdog.run(child, task_status=task_status)

            await nursery.start(run)
            await trio.testing.wait_all_tasks_blocked()
            yield
            child.ask_to_stop()


# --- alone ---


async def test_ready_is_told_first_and_a_sign_of_life_by_half_of_the_time(
    tmp_path: Path, autojump_clock: object
) -> None:
    with systemd(tmp_path) as (heard, manager):
        async with Stage(manager).running():
            assert heard.listen() == ["READY=1\nSTATUS=all is well"]
            signs: list[float] = []
            await trio.sleep(0.5)  # never at the moment of a look
            for _ in range(300):
                await trio.sleep(1)
                signs += [trio.current_time()] * heard.lines().count("WATCHDOG=1")
            gaps = [after - before for before, after in zip([0.0, *signs], signs, strict=False)]
            assert max(gaps) <= WATCHDOG_S / 2 + 1
            assert len(signs) == 10, "and not more often than need be"


@pytest.mark.parametrize("watchdog_s", [0.2, 1.0, 3.0])
async def test_a_short_time_is_kept_too(tmp_path: Path, autojump_clock: object, watchdog_s: float) -> None:
    with systemd(tmp_path, watchdog_s) as (heard, manager):
        async with Stage(manager).running():
            for _ in range(20):
                await trio.sleep(watchdog_s * 0.6)
                assert "WATCHDOG=1" in heard.lines()


async def test_without_a_watchdog_there_is_no_sign_of_life_and_without_a_manager_nothing(
    tmp_path: Path, autojump_clock: object
) -> None:
    with systemd(tmp_path, None) as (heard, manager):
        async with Stage(manager).running():
            await trio.sleep(1000)
            assert heard.lines() == ["READY=1", "STATUS=all is well"]
    idle = Stage(None)
    async with idle.running():
        idle.watchdog.stopping()
        with idle.watchdog.reloading():
            await trio.sleep(1000)


async def test_the_status_line_is_told_when_it_changes_and_not_more_often_than_every_ten_seconds(
    tmp_path: Path, autojump_clock: object
) -> None:
    with systemd(tmp_path, None) as (heard, manager):
        stage = Stage(manager)
        async with stage.running():
            heard.listen()
            for n in range(60):
                stage.line = f"{n} rows wait"
                await trio.sleep(1)
            told = heard.lines()
            assert 60 / LINE_S - 1 <= len(told) <= 60 / LINE_S
            await trio.sleep(100)
            assert heard.lines() in ([], ["STATUS=59 rows wait"]), "once at most, it does not change any more"


async def test_an_actor_that_is_down_is_named_at_once_and_stops_the_signs_of_life_until_it_is_back(
    tmp_path: Path, autojump_clock: object
) -> None:
    with systemd(tmp_path) as (heard, manager), logged() as lines:
        stage = Stage(manager)
        async with stage.running():
            heard.listen()
            stage.vitals = replace(WELL, down=("http: backing_off",))
            await trio.sleep(LOOK_S + 1)
            assert heard.lines() == ["STATUS=not well: http: backing_off; all is well"]
            await trio.sleep(200)
            assert heard.lines() == []
            stage.vitals = WELL
            await trio.sleep(LOOK_S + 1)
            assert sorted(heard.lines()) == ["STATUS=all is well", "WATCHDOG=1"], "the overdue one comes at once"
    assert [(line["event"], line.get("why")) for line in lines] == [
        ("watchdog.ill", "http: backing_off"),
        ("watchdog.well", None),
    ]


async def test_an_event_loop_that_is_late_again_and_again_gives_no_sign_of_life(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    with systemd(tmp_path) as (heard, manager):
        async with Stage(manager).running():
            for _ in range(20):
                mock_clock.jump(LOOK_S + LAG_S + 0.5)
                await trio.testing.wait_all_tasks_blocked()
            assert "WATCHDOG=1" not in heard.lines()
            for _ in range(20):
                mock_clock.jump(LOOK_S + 0.5)
                await trio.testing.wait_all_tasks_blocked()
            assert "WATCHDOG=1" in heard.lines()


def test_a_journal_that_waits_is_stuck_only_when_it_does_not_move() -> None:
    pulse = Pulse(0.0)
    for n in range(1, 100):  # busy all the time
        assert pulse.look(Vitals((), 5, n), n * 2.0, 2.0) == ""
    for n in range(100, 111):  # for 22 s it ends no transaction
        said = pulse.look(Vitals((), 5, 99), n * 2.0, 2.0)
        assert bool(said) == (n * 2.0 - 198 > JOURNAL_S)
    assert "journal" in said
    assert pulse.look(Vitals((), 5, 100), 222.0, 2.0) == "", "it moves"
    for n in range(112, 200):
        assert pulse.look(Vitals((), 0, 100), n * 2.0, 2.0) == "", "nothing waits for it"


async def test_a_reload_is_told_to_begin_and_to_be_over_however_it_ends(tmp_path: Path) -> None:
    with systemd(tmp_path) as (heard, manager):
        watchdog = Watchdog(manager, lambda: WELL, lambda: "")

        def reload() -> None:
            with watchdog.reloading():
                raise KeyError

        with pytest.raises(KeyError):
            reload()
        began, over = heard.listen()
        first, second = began.split("\n")
        assert first == "RELOADING=1"
        assert second.removeprefix("MONOTONIC_USEC=").isdecimal()
        assert over == "READY=1"


# --- in the tree ---


async def test_the_daemon_is_ready_when_its_tree_is_and_tells_once_that_it_stops(
    tmp_path: Path, autojump_clock: object
) -> None:
    with systemd(tmp_path) as (heard, manager):
        async with open_world(tmp_path / "data", manager=manager) as world:
            assert heard.listen() == ["READY=1\nSTATUS=0 channels: 0 green, 0 yellow, 0 red; 0 rows wait"]
            await world.active()
            await world.bind()
            await trio.sleep(LINE_S + LOOK_S)
            assert heard.lines()[-1] == "STATUS=2 channels: 1 green, 1 yellow, 0 red; 0 rows wait"
            await trio.sleep(120)
            assert heard.lines().count("WATCHDOG=1") == 4
        assert heard.listen() == ["STOPPING=1\nWATCHDOG=1\nSTATUS=stopping"]


async def test_a_disk_that_hangs_stops_the_signs_of_life_a_full_one_does_not(
    tmp_path: Path, autojump_clock: object
) -> None:
    disk = Disk()
    with systemd(tmp_path) as (heard, manager):
        async with open_world(tmp_path / "data", manager=manager, runner=disk, rate_limit=1000) as world:
            person = await world.active()
            disk.is_full = True
            assert await signs_while_pushing(heard, 300, world, person) >= 9
            status = [line for line in heard.heard if "cannot write" in line][-1]
            assert "a restart does not help" in status
            assert "not well" not in status
            disk.is_full = False
            await world.until(lambda: world.daemon.journal.status().cannot_write is None)

            heard.listen()
            disk.hold()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(world.push, person, "等着", wait=0))
                await trio.sleep(300)
                lines = heard.lines()
                assert lines.count("WATCHDOG=1") == 0
                assert any("not well: the journal has not moved" in line for line in lines)
                disk.is_open.set()
            await trio.sleep(LOOK_S * 2)
            assert "WATCHDOG=1" in heard.lines()


async def test_a_crash_of_the_watchdog_is_its_own(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with systemd(tmp_path) as (heard, manager):
        async with open_world(tmp_path / "data", manager=manager) as world:
            person = await world.active()
            others = {child.name: child.since for child in world.daemon.root.status().children}
            heard.listen()

            def crash() -> Vitals:
                raise RuntimeError("planted")

            with monkeypatch.context() as patched:
                patched.setattr(world.daemon.watchdog, "_vitals", crash)
                await world.until(lambda: world.daemon.root.child("watchdog").restarts >= 2)
                assert (await world.push(person, "照发")).rows[0].outcome.status.value == "success"
            heard.listen()
            await trio.sleep(120)
            assert heard.lines().count("WATCHDOG=1") >= 2, "it is back"
            for child in world.daemon.root.status().children:
                if child.name != "watchdog":
                    assert (child.since, child.restarts) == (others[child.name], 0)


class Disk(Held):
    """Can also be full."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        return await super().__call__(function, limiter)


async def signs_while_pushing(heard: Ears, seconds: int, world: World, person: Person) -> int:
    """Signs of life while somebody pushes every second, in vain."""
    count = 0
    for _ in range(seconds):
        await trio.sleep(1)
        assert (await world.push(person, "满了")).refusal is Refusal.BUSY
        count += heard.lines().count("WATCHDOG=1")
    return count
