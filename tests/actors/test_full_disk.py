"""The journal cannot write: nothing new begins, what has happened stays in memory, and it goes on by itself."""

from pathlib import Path

import trio

from bottalk.errors import Refusal
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.values import Reason, RowStatus
from tests.contract.faults import Disk
from tests.support.world import World, open_world


def count(world: World, endpoint: str) -> int:
    return len(world.sandbox.record.of(endpoint))


def can_begin(world: World) -> bool:
    return world.daemon.pictures.writable.is_ok


async def test_an_outcome_stays_in_memory_and_nothing_else_is_sent(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_world(tmp_path, runner=disk, parameters=DEMO) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=5.0))
        first = await world.push(person, "甲", wait=0)
        await trio.sleep(1)
        await world.push(person, "乙", wait=0)
        disk.full = True
        await trio.sleep(60)
        assert world.texts(person) == ["甲"], "what was under way has arrived"
        assert count(world, "sendmessage") == 1, "and the next has not begun"
        assert (await world.push(person, "丙")).refusal is Refusal.BUSY
        assert world.waiting(person) == 2, "as committed"
        disk.full = False
        await world.until(lambda: world.waiting(person) == 0, within=10)
        assert world.texts(person) == ["甲", "乙"]
        assert world.channel(person).window.spent == 2
        assert first.push_id is not None
        assert first.readkey is not None
        (story,) = await world.daemon.services.pushes.story(first.push_id, first.readkey)
        assert (story.outcome.status, story.attempts) == (RowStatus.SUCCESS, 1)
        world.sandbox.check_invariants()


async def test_an_idle_channel_begins_nothing(tmp_path: Path, autojump_clock: object) -> None:
    """Its row's time comes while another push has shown that the disk is full."""
    disk = Disk()
    async with open_world(tmp_path, runner=disk) as world:
        person, other = await world.active(), await world.active()
        await world.push(person, "到点了", delay=100)
        await trio.sleep(50)
        disk.full = True
        assert (await world.push(other, "没存下")).refusal is Refusal.BUSY
        await trio.sleep(600)
        assert count(world, "sendmessage") == 0
        disk.full = False
        await world.until(lambda: world.texts(person) == ["到点了"], within=10)
        assert world.texts(other) == []


async def test_a_caller_who_waits_is_told_that_it_is_queued(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_world(tmp_path, runner=disk, parameters=DEMO) as world:
        person, other = await world.active(), await world.active()
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=2.0))
        await world.push(person, "甲", wait=0)
        await trio.sleep(0.5)

        async def fill_the_disk() -> None:
            await trio.sleep(0.5)
            disk.full = True
            assert (await world.push(other, "没存下")).refusal is Refusal.BUSY

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill_the_disk)
            answer = await world.push(person, "乙", wait=20)
        assert (answer.rows[0].outcome.status, answer.rows[0].outcome.kept) == (RowStatus.QUEUED, True)
        disk.full = False
        await world.until(lambda: world.texts(person) == ["甲", "乙"], within=10)


async def test_polls_stop_after_the_answer_in_hand(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_world(tmp_path, runner=disk) as world:
        person, other = await world.active(), await world.active()
        await trio.sleep(5)
        disk.full = True
        world.sandbox.write(person.user, "在吗")
        await trio.sleep(100)
        polls = count(world, "getupdates")
        await trio.sleep(600)
        assert count(world, "getupdates") == polls, "nobody's: what a poll brings could not be stored"
        epochs = [world.channel(who).window.epoch for who in (person, other)]
        assert epochs == [1, 1]
        disk.full = False
        await world.until(lambda: world.channel(person).window.epoch == 2, within=5)
        await world.write(other)
        assert (await world.push(person, "又好了")).rows[0].outcome.status is RowStatus.SUCCESS
        assert world.sandbox.max_concurrent_polls() == 1


async def test_what_happened_is_written_before_anything_new_begins(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_world(tmp_path, runner=disk, parameters=DEMO) as world:
        people = [await world.active() for _ in range(5)]
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=5.0, times=5))
        for person in people:
            await world.push(person, "甲", wait=0)
        await trio.sleep(1)
        for person in people:
            await world.push(person, "乙", wait=0)
        disk.full = True
        await trio.sleep(60)
        assert not can_begin(world)
        sent = count(world, "sendmessage")
        disk.full = False
        await world.until(lambda: count(world, "sendmessage") > sent, within=10)
        assert can_begin(world)
        assert all(world.channel(person).window.spent >= 1 for person in people)
        await world.until(lambda: all(world.waiting(person) == 0 for person in people), within=10)
        assert all(world.texts(person) == ["甲", "乙"] for person in people)


async def test_what_waited_for_the_disk_is_not_sent_to_a_host_that_is_down(
    tmp_path: Path, autojump_clock: object
) -> None:
    """Its turn came while iLink still answered; sent now, it would be cut and spend one of the window's messages."""
    disk = Disk()
    async with open_world(tmp_path, runner=disk) as world:
        people = [await world.active() for _ in range(3)]
        for person in people:
            await world.push(person, "到点了", delay=55, wait=0)
        world.sandbox.arm(Fault(kind="hang", seconds=300))
        await trio.sleep(40)  # the next polls are under way, and are not answered
        disk.full = True
        assert (await world.push(people[0], "没存下")).refusal is Refusal.BUSY
        await world.until(lambda: world.daemon.gates.is_any_down(), within=120)
        disk.full = False
        await world.until(lambda: can_begin(world), within=10)
        await trio.sleep(10)
        assert count(world, "sendmessage") == 0
        await world.until(lambda: all(world.texts(person) == ["到点了"] for person in people), within=600)
        assert all(world.channel(person).window.spent == 1 for person in people)


async def test_what_expires_while_the_disk_is_full_is_not_sent_afterwards(
    tmp_path: Path, autojump_clock: object
) -> None:
    disk = Disk()
    async with open_world(tmp_path, runner=disk) as world:
        person = await world.active()
        late = await world.push(person, "一分钟内有用", delay=30, ttl=60, wait=0)
        disk.full = True
        assert (await world.push(person, "没存下")).refusal is Refusal.BUSY
        await trio.sleep(300)
        disk.full = False
        await world.until(lambda: world.waiting(person) == 0, within=10)
        assert world.texts(person) == []
        assert late.push_id is not None
        assert late.readkey is not None
        (story,) = await world.daemon.services.pushes.story(late.push_id, late.readkey)
        assert story.outcome.reason is Reason.EXPIRED
