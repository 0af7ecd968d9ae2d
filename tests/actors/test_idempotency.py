"""The same Idempotency-Key is one push, whoever hung up and however often it comes."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from bottalk.errors import Refusal
from bottalk.sandbox.rules.faults import Fault
from bottalk.values import RowStatus
from tests.support.world import World, open_world

R = TypeVar("R")


def rows(world: World) -> int:
    """Pushes in the journal: the next row id counts them."""
    return world.daemon.journal.status().next_row_id - 1


async def test_the_second_answers_with_the_first_and_sends_nothing(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        first = await world.push(person, "一次", idempotency_key="k1")
        second = await world.push(person, "一次", idempotency_key="k1")
        assert (second.push_id, second.readkey) == (first.push_id, first.readkey)
        assert second.rows[0].outcome.status is RowStatus.SUCCESS
        assert second.rate is None
        assert world.texts(person) == ["一次"]


async def test_other_content_under_the_same_key_is_refused(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "一次", idempotency_key="k1")
        assert (await world.push(person, "两次", idempotency_key="k1")).refusal is Refusal.CONFLICT
        assert (await world.push(person, "一次", channel="all", idempotency_key="k1")).refusal is Refusal.CONFLICT


async def test_another_account_may_use_the_same_key(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        one, other = await world.active(), await world.active()
        first = await world.push(one, "甲", idempotency_key="k1")
        second = await world.push(other, "乙", idempotency_key="k1")
        assert second.push_id != first.push_id


async def test_ten_at_once_are_one_push_and_all_hear_its_end(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        answers = []

        async def one() -> None:
            answers.append(await world.push(person, "同时", idempotency_key="k1"))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(one)
        assert len({answer.push_id for answer in answers}) == 1
        assert {answer.rows[0].outcome.status for answer in answers} == {RowStatus.SUCCESS}
        assert world.texts(person) == ["同时"]
        assert rows(world) == 1


async def test_who_hung_up_has_pushed_all_the_same(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        for ticks in range(12):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_after, ticks, scope)
                    await world.push(person, f"第 {ticks} 次", idempotency_key=f"k{ticks}")
                    scope.cancel()
            await world.push(person, f"第 {ticks} 次", idempotency_key=f"k{ticks}", wait=0)
            await trio.sleep(400)
            if world.channel(person).window.spent >= 8:
                await world.write(person)
        assert rows(world) == 12


async def _cancel_after(ticks: int, scope: trio.CancelScope) -> None:
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def test_a_refused_push_is_not_remembered(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        assert (await world.push(person, "早", idempotency_key="k1")).refusal is Refusal.NO_CHANNEL
        await world.write(person)
        assert (await world.push(person, "早", idempotency_key="k1")).refusal is None


async def test_after_a_day_the_key_is_free_again(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        first = await world.push(person, "一次", idempotency_key="k1")
        world.clock.offset += 86_401
        await world.write(person)
        second = await world.push(person, "新的", idempotency_key="k1")
        assert second.refusal is None
        assert second.push_id != first.push_id


async def test_the_key_is_known_after_a_restart(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        first = await world.push(person, "一次", idempotency_key="k1")
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        second = await again.push(person, "一次", idempotency_key="k1")
        assert second.push_id == first.push_id
        assert again.texts(person) == ["一次"]


class Slow:
    """A runner whose next calls wait so many seconds before they are done, and so many until that is known."""

    def __init__(self) -> None:
        self.next: list[tuple[float, float]] = []

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        before, after = self.next.pop(0) if self.next else (0.0, 0.0)
        async with limiter:
            await trio.sleep(before)
            found = function()
            await trio.sleep(after)
            return found


async def test_the_second_hears_of_an_end_that_came_while_it_read(tmp_path: Path, autojump_clock: object) -> None:
    """The row still waits when the key is read, and is settled when that is known."""
    runner = Slow()
    async with open_world(tmp_path, runner=runner) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=2.0))
        await world.push(person, "一次", idempotency_key="k1", wait=0)
        runner.next = [(0.0, 4.0)]
        second = await world.push(person, "一次", idempotency_key="k1", wait=20)
        assert second.rows[0].outcome.status is RowStatus.SUCCESS
        assert world.texts(person) == ["一次"]


async def test_the_second_hears_of_the_end_when_the_first_hung_up(tmp_path: Path, autojump_clock: object) -> None:
    """The disk is slow: the first caller has gone before its push is committed, and asks again meanwhile."""
    runner = Slow()
    async with open_world(tmp_path, runner=runner) as world:
        person = await world.active()
        runner.next = [(0.0, 0.0), (5.0, 0.0)]
        with trio.move_on_after(1.0) as hung_up:
            await world.push(person, "一次", idempotency_key="k1")
        assert hung_up.cancelled_caught
        second = await world.push(person, "一次", idempotency_key="k1", wait=20)
        assert second.rows[0].outcome.status is RowStatus.SUCCESS
        assert world.texts(person) == ["一次"]
        assert rows(world) == 1
