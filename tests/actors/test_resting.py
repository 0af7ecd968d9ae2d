"""A sender whose turn is fixed is not woken by each row that joins those that wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.actors.tries import Tries, Turn
from bottalk.sandbox.rules.faults import Fault
from bottalk.values import Priority, RowStatus
from tests.actors.spending import spend
from tests.support.world import open_world


@contextmanager
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """When a sender asked what goes next, trio's clock."""
    found: list[float] = []
    real = Tries.next

    def noted(tries: Tries) -> Turn | None:
        found.append(trio.current_time())
        return real(tries)

    with monkeypatch.context() as patch:
        patch.setattr(Tries, "next", noted)
        yield found


async def test_rows_that_come_within_a_gap_wake_nobody(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"delivery.gap": 30.0}
    async with open_world(tmp_path, **settings) as world:
        person = await world.active()
        await world.push(person, "第一条")
        with looks(monkeypatch) as found:
            await world.push(person, "等着的", wait=0)
            await trio.sleep(0.1)
            before = len(found)
            for n in range(20):
                await world.push(person, f"第 {n} 条", wait=0)
            await trio.sleep(0.1)
            assert len(found) == before
            began = trio.current_time()
            urgent = await world.push(person, "急", wait=0, priority=Priority.URGENT)
            assert urgent.rows[0].outcome.status is RowStatus.QUEUED
            await trio.sleep(0.1)
            assert len(found) > before, "one that could go sooner does"
        await world.until(lambda: world.waiting(person) == 0, within=31)
        assert trio.current_time() - began < 31
        texts = world.texts(person)
        assert "第 19 条" in texts[-1]
        assert len(texts) == 2


async def test_rows_before_a_closed_window_wake_nobody(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 10)
        await world.push(person, "等着的")
        await trio.sleep(0.1)
        with looks(monkeypatch) as found:
            for n in range(20):
                await world.push(person, f"第 {n} 条")
            await trio.sleep(0.1)
            assert found == []
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=10)


async def test_rows_that_come_while_ilink_is_down_wake_nobody_and_go_when_it_answers(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="refuse_connections", seconds=300))
        await world.until(lambda: world.daemon.gates.is_any_down(), within=60)
        await world.push(person, "等着的", wait=0)
        await trio.sleep(1)
        with looks(monkeypatch) as found:
            for n in range(20):
                await world.push(person, f"第 {n} 条", wait=0)
            assert len(found) <= 2, "a retry may fall into it"
        await world.until(lambda: world.waiting(person) == 0, within=600)
        assert "第 19 条" in world.texts(person)[-1]


async def test_the_first_row_wakes_it_whatever_it_rested_for(tmp_path: Path, autojump_clock: object) -> None:
    """What waited was dropped, the person has written, and the connection is still warm."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await spend(world, person, 10)
        await world.push(person, "等着的", wait=0)
        await trio.sleep(5)
        channel = world.daemon.pictures.directory.channel(person.channel_id)
        assert channel is not None
        assert await world.daemon.services.channels.drop_queue(channel.user_id, person.channel_id) == 1
        await world.write(person)
        assert (await world.push(person, "新的")).rows[0].outcome.status is RowStatus.SUCCESS
