"""The wall clock jumps by a day, forward and back, under a daemon that runs. iLink's clock is right."""

import random
from pathlib import Path

import pytest
import trio

from bottalk.messages import CreateReminder
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import FIELD
from bottalk.values import Reason, ReminderType, RowStatus
from tests.support.agreement import assert_memory_is_database, count
from tests.support.world import Person, VirtualClock, World, open_world

pytestmark = pytest.mark.slow

DAY = 86_400.0
FIRED = "SELECT count(*) FROM push_logs WHERE source = 'reminder'"


def an_ilink() -> Sandbox:
    """Its clock does not jump."""
    return Sandbox(now=VirtualClock().now, rng=random.Random(1), parameters=FIELD)


def is_polled(world: World, person: Person) -> bool:
    view = world.daemon.services.channels.check(world.channel(person).user_id, person.channel_id)
    assert view is not None
    return view.alive and view.last_ok_seconds_ago is not None and view.last_ok_seconds_ago < 60


@pytest.mark.parametrize("days", [1, -1])
async def test_nothing_that_was_accepted_is_lost(tmp_path: Path, autojump_clock: object, days: int) -> None:
    async with open_world(tmp_path, sandbox=an_ilink()) as world:
        person = await world.active()
        await world.push(person, "<先>")
        await world.push(person, "<稍后>", delay=7200.0)
        await world.push(person, "<过时不候>", delay=7200.0, ttl=3600.0)
        await trio.sleep(600)
        world.clock.offset += days * DAY
        await trio.sleep(70)  # who sleeps until a wall time looks again within a minute
        assert is_polled(world, person)
        answer = await world.push(person, "<后>")
        outcome = answer.rows[0].outcome
        if days > 0:  # we take the window for over, and are told better by the first probe
            assert (outcome.status, outcome.kept, outcome.reason) == (RowStatus.FAILED, True, Reason.CONTEXT_EXPIRED)
            assert count(tmp_path, "SELECT count(*) FROM push_logs WHERE reason = 'expired'") == 1, "a day too late"
            assert world.waiting(person) == 2
            await trio.sleep(3700)
            assert world.waiting(person) == 0
        else:
            assert outcome.status is RowStatus.SUCCESS
            assert world.waiting(person) == 2, "they wait for their time, which is a day further off"
            await trio.sleep(25 * 3600)
            await world.write(person)
            assert world.waiting(person) == 2
            await world.until(lambda: world.waiting(person) == 0, within=3600)
        shown = "\n".join(world.texts(person))
        wanted = ["<先>", "<稍后>", "<后>"] + (["<过时不候>"] if days < 0 else [])
        assert [shown.count(title) for title in wanted] == [1] * len(wanted)
        assert is_polled(world, person)
        assert world.sandbox.max_concurrent_polls() == 1
        world.sandbox.check_invariants()
        await assert_memory_is_database(world, tmp_path)


async def test_a_reminder_fires_once_whatever_the_clock_shows(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, sandbox=an_ilink()) as world:
        person = await world.active()
        user = world.channel(person).user_id
        await world.daemon.journal.mailbox.ask(CreateReminder(user, "早", "", ReminderType.DAILY, "08:00", "", 0))
        await trio.sleep(10 * 3600)  # it was 22:13
        assert count(tmp_path, FIRED) == 1
        world.clock.offset -= DAY
        await trio.sleep(47 * 3600)
        assert count(tmp_path, FIRED) == 1, "its eight o'clock is over, and the next one has not come again"
        await trio.sleep(3600)
        assert count(tmp_path, FIRED) == 2
        world.clock.offset += DAY
        await trio.sleep(120)
        assert count(tmp_path, FIRED) in (2, 3), "what was missed by less than an hour is made up for, once"
        before = count(tmp_path, FIRED)
        await trio.sleep(24 * 3600)
        assert count(tmp_path, FIRED) == before + 1
        await assert_memory_is_database(world, tmp_path)
