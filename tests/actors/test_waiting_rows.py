"""Delay, ttl and replace_key through the whole tree, in virtual time."""

from pathlib import Path
from typing import Any

import trio

from bottalk.sandbox.rules.faults import Fault
from bottalk.values import Reason, RowStatus
from tests.support.world import open_world


async def test_a_delayed_push_waits_for_its_time(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        answer = await world.push(person, "一小时后", delay=3600)
        assert answer.rows[0].outcome.status is RowStatus.QUEUED
        await world.push(person, "马上")
        await trio.sleep(3590)
        assert world.texts(person) == ["马上"]
        await trio.sleep(12)
        assert world.texts(person) == ["马上", "一小时后"]


async def test_a_push_past_its_ttl_is_told_as_expired(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        for n in range(10):
            await world.push(person, f"第 {n} 条", wait=0)
            await trio.sleep(400)
        answer = await world.push(person, "只在十分钟内有用", ttl=600)
        assert answer.rows[0].outcome.kept
        await trio.sleep(605)
        assert world.waiting(person) == 0
        assert answer.push_id is not None
        assert answer.readkey is not None
        (told,) = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
        assert (told.outcome.status, told.outcome.reason) == (RowStatus.FAILED, Reason.EXPIRED)
        await world.write(person)
        await trio.sleep(60)
        assert len(world.texts(person)) == 10


async def test_the_newest_of_a_key_is_the_one_that_arrives(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        await world.write(person)
        for n in range(10):
            await world.push(person, f"第 {n} 条", wait=0)
            await trio.sleep(400)
        for state in ("50%", "70%", "90%"):
            await world.push(person, f"磁盘 {state}", replace_key="disk", wait=0)
            await trio.sleep(1)
        assert world.waiting(person) == 1
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=5)
        assert world.texts(person)[-1] == "磁盘 90%"


async def test_what_waits_is_judged_while_ilink_is_down(tmp_path: Path, autojump_clock: object) -> None:
    """A long outage must not fill the queue with what was replaced, nor keep what is past its time."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="refuse_connections", seconds=7200))
        await world.until(lambda: world.daemon.gates.is_any_down(), within=60)
        await world.push(person, "只在十分钟内有用", ttl=600, wait=0)
        for state in ("50%", "70%", "90%"):
            await world.push(person, f"磁盘 {state}", replace_key="disk", wait=0)
        await trio.sleep(1)
        assert world.waiting(person) == 2, "the newest of its key, and what is not over yet"
        await trio.sleep(600)
        assert world.waiting(person) == 1
        await world.until(lambda: world.waiting(person) == 0, within=7200)
        assert world.texts(person) == ["磁盘 90%"]
        world.sandbox.check_invariants()


async def test_what_expires_says_that_it_may_have_arrived(tmp_path: Path, autojump_clock: object) -> None:
    """Its answer was lost, then it was refused: it is free again, and ends without another try."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="lost_answer", endpoint="sendmessage"))
        answer = await world.push(person, "也许到了", ttl=60, wait=0)
        await world.until(lambda: world.texts(person))
        world.sandbox.arm(Fault(kind="wrong_code", endpoint="sendmessage", ret=-2, times=5))
        assert answer.push_id is not None
        assert answer.readkey is not None
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person) == ["也许到了"]
        (told,) = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
        assert (told.outcome.reason, told.response) == (Reason.EXPIRED, '{"maybe_duplicate":true}')


async def test_what_replaces_another_needs_no_free_place(tmp_path: Path, autojump_clock: object) -> None:
    small: dict[str, Any] = {"delivery.queue": 3}
    async with open_world(tmp_path, **small) as world:
        person = await world.active()
        for n in range(10):
            await world.push(person, f"第 {n} 条", wait=0)
            await trio.sleep(400)
        await world.push(person, "磁盘 50%", replace_key="disk", wait=0)
        await world.push(person, "甲", wait=0)
        await world.push(person, "乙", wait=0)
        for state in ("70%", "90%"):
            told = await world.push(person, f"磁盘 {state}", replace_key="disk", wait=0)
            assert told.rows[0].outcome.kept
            await trio.sleep(1)
            assert world.waiting(person) == 3
        for key in (None, "load"):
            full = await world.push(person, "没有位置", replace_key=key, wait=0)
            assert full.rows[0].outcome.reason is Reason.QUEUE_FULL
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=5)
        said = "\n".join(world.texts(person)[10:])
        assert [said.count(word) for word in ("50%", "70%", "90%", "甲", "乙")] == [0, 0, 1, 1, 1]


async def test_what_is_being_sent_keeps_its_place(tmp_path: Path, autojump_clock: object) -> None:
    small: dict[str, Any] = {"delivery.queue": 1}
    async with open_world(tmp_path, **small) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=5))
        await world.push(person, "磁盘 50%", replace_key="disk", wait=0)
        await trio.sleep(1)
        full = await world.push(person, "磁盘 70%", replace_key="disk", wait=0)
        assert full.rows[0].outcome.reason is Reason.QUEUE_FULL
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person) == ["磁盘 50%"]
