"""Rows of a channel whose actor does not run are settled all the same, and those of one that runs by it alone."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.actors.expiry import Expiry
from bottalk.actors.journal import Journal, load_pictures
from bottalk.config import Config
from bottalk.messages import ChangeUser, RestartChannel, SettleOver
from bottalk.outbox import Outboxes
from bottalk.service.logs import LogForm
from bottalk.service.pushes import PushAnswer
from bottalk.store import pushes
from bottalk.store.database import open_database, transaction
from bottalk.values import ChannelId, Outcome, PushId, Reason, Row, RowId, RowStatus, Secret, UserId
from bottalk.verbs.housekeeping import BITE
from supervisors import Child, Mailbox
from tests.support.agreement import assert_memory_is_database
from tests.support.world import EPOCH, Person, VirtualClock, World, inline, open_world

QUEUED = Outcome(RowStatus.QUEUED, kept=True)
CHANNEL = ChannelId(1)


async def ends(world: World, answer: PushAnswer) -> list[Reason | None]:
    assert answer.push_id is not None
    assert answer.readkey is not None
    stories = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
    return [story.outcome.reason for story in stories if story.outcome.status is not RowStatus.QUEUED]


async def disable(world: World, person: Person, *, is_disabled: bool = True) -> None:
    """The owner's actors stop, or start."""
    user_id = world.channel(person).user_id
    await world.daemon.journal.mailbox.ask(ChangeUser(user_id, is_disabled=is_disabled))
    heartbeat = world.daemon.heartbeats.of(person.channel_id)
    await world.until(lambda: (heartbeat.started_at is None) is is_disabled)


async def test_rows_of_a_disabled_owner_expire_within_a_minute(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        short = await world.push(person, "短命", delay=50, ttl=600, wait=0)
        long = await world.push(person, "长命", delay=50, wait=0)
        await disable(world, person)
        await trio.sleep(640)
        assert await ends(world, short) == []
        await trio.sleep(75)
        assert await ends(world, short) == [Reason.EXPIRED]
        assert await ends(world, long) == []
        assert world.waiting(person) == 1
        await assert_memory_is_database(world, tmp_path)
        await disable(world, person, is_disabled=False)
        await world.until(lambda: world.waiting(person) == 0, within=30)
        assert world.texts(person) == ["长命"]


async def test_rows_of_a_dead_channel_are_replaced_by_newer_ones(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.expire(person.user)
        await world.until(lambda: world.channel(person).is_dead)
        told = [await world.push(person, f"磁盘 {n}%", replace_key="disk", wait=0) for n in (50, 70, 90)]
        await trio.sleep(65)
        assert [await ends(world, answer) for answer in told] == [[Reason.REPLACED], [Reason.REPLACED], []]
        assert world.waiting(person) == 1
        rows = await world.daemon.services.logs.of(world.channel(person).user_id, LogForm())
        assert [row.title for row in rows if row.status is RowStatus.QUEUED] == ["磁盘 90%"]


async def test_an_actor_that_starts_meanwhile_is_no_danger(tmp_path: Path, autojump_clock: object) -> None:
    """The journal is asked for a channel that runs: what is over is settled once, what goes is left alone."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await disable(world, person)
        journal = world.daemon.journal.mailbox
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(disable, world, person, is_disabled=False))
            for n in range(30):
                nursery.start_soon(partial(world.push, person, f"<{n:02}>", replace_key=f"{n % 7}", wait=0))
                nursery.start_soon(journal.ask, SettleOver(person.channel_id))
                nursery.start_soon(world.daemon.channels.mailbox.ask, RestartChannel(person.channel_id))
                await trio.sleep(0.01)
        await world.until(lambda: world.waiting(person) == 0)
        rows = await world.daemon.services.logs.of(world.channel(person).user_id, LogForm(limit=100))
        assert rows
        everything = "\n".join(world.texts(person))
        for row in rows:
            times = everything.count(str(row.title))
            assert (row.status is RowStatus.SUCCESS) == (times > 0), row
        world.sandbox.check_invariants()


# --- the job alone ---


async def test_it_asks_for_nobody_who_judges_for_himself(autojump_clock: object) -> None:
    outboxes, clock, journal = Outboxes(), VirtualClock(), Mailbox[Any]("journal", 10)
    for channel in (1, 2):
        outboxes.of(ChannelId(channel)).add(old_row(channel, channel), None)
    job = Expiry(outboxes, lambda channel_id: channel_id == 1, journal, clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(job.round)
        letter = await journal.take()
        assert letter.message == SettleOver(ChannelId(2))
        letter.reply(0)  # somebody has it in hand by now
    assert journal.depth == 0
    assert job.done == 0


@pytest.mark.parametrize("in_hand", [(), (1, 700)])
async def test_thousands_go_in_bites(tmp_path: Path, autojump_clock: object, in_hand: tuple[int, ...]) -> None:
    clock = VirtualClock()
    async with open_database(tmp_path / "bottalk.db", now=EPOCH, runner=inline(random.Random(1))) as database:
        await database.write(lambda c: add_old_rows(c, 1200))
        pictures, next_row_id = await load_pictures(database, EPOCH)
        journal = Journal(database, pictures, Config(), clock, next_row_id=next_row_id)
        outbox = pictures.outboxes.of(CHANNEL)
        outbox.in_hand = frozenset(RowId(n) for n in in_hand)
        job = Expiry(pictures.outboxes, lambda channel_id: False, journal.mailbox, clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run, Child("journal", journal.mailbox))
            await job.round()
            nursery.cancel_scope.cancel()
        assert [row.id for row in outbox] == list(in_hand)
        assert job.done == 1200 - len(in_hand)
        assert journal.status().verbs == -(-1200 // BITE), "a bite settles so many at most"


def old_row(row_id: int, channel: int = 1) -> Row:
    """A row that was over before the clock starts."""
    at = EPOCH - 100
    return Row(RowId(row_id), PushId(row_id), ChannelId(channel), "题", "文", at, EPOCH - 1, readkey=Secret("r"))


def add_old_rows(connection: Any, count: int) -> None:  # noqa: ANN401
    with transaction(connection):
        for n in range(1, count + 1):
            pushes.insert(connection, pushes.Birth(old_row(n), "r", UserId(1), QUEUED, "api", ""), "full")
