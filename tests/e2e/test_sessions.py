"""Sessions that end, half-end or are refused, and how each is repaired: whole daemon, virtual time."""

from pathlib import Path

import pytest
import trio

from bottalk.health import Cause, Health, Level
from bottalk.sandbox.rules.faults import Fault
from bottalk.values import ChannelStatus, InactiveReason, Outcome, Reason, RowStatus
from tests.support.world import Person, World, open_world


async def test_a_takeover_kills_the_channel_and_a_new_scan_repairs_it(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        before = len(world.sandbox.record.calls)
        world.sandbox.takeover(person.user)
        await world.until(lambda: world.channel(person).is_dead, within=10)
        seen = [c.endpoint for c in list(world.sandbox.record.calls)[before:] if c.user == person.user]
        assert seen == ["getupdates", "notifystart", "getupdates"], "each once, and then silence"
        assert world.channel(person).inactive_reason is InactiveReason.SESSION_EXPIRED
        health = health_of(world, person)
        assert (health.level, health.cause) == (Level.RED, Cause.SESSION_EXPIRED)

        for n in range(3):
            outcome = (await world.push(person, f"第 {n} 条")).rows[0].outcome
            assert outcome == Outcome(RowStatus.FAILED, kept=True, reason=Reason.CHANNEL_DEAD, token_invalid=True)
        assert world.waiting(person) == 3
        await trio.sleep(600)
        assert calls_of(world, person) == len(seen) + calls_before(world, person, before), "a dead channel is quiet"

        again = await world.bind(person.user)
        assert (again.channel_id, again.send_key) == (person.channel_id, person.send_key)
        channel = world.channel(person)
        assert channel.status is ChannelStatus.PENDING
        assert world.waiting(person) == 3
        await trio.sleep(60)
        assert world.texts(person) == [], "before the first word iLink would refuse everything"
        assert health_of(world, person).level is Level.YELLOW
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=5)
        (digest,) = world.texts(person)
        assert digest.index("第 0 条") < digest.index("第 1 条") < digest.index("第 2 条")
        await world.until(lambda: health_of(world, person).level is Level.GREEN, within=60)
        assert world.sandbox.max_concurrent_polls() == 1
        world.sandbox.check_invariants()


async def test_a_takeover_noticed_by_a_send(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        world.sandbox.set(dead_wakes_poll=False)
        person = await world.active()
        world.sandbox.takeover(person.user)
        outcome = (await world.push(person, "在吗")).rows[0].outcome
        assert outcome == Outcome(RowStatus.FAILED, kept=True, reason=Reason.CHANNEL_DEAD, token_invalid=True)
        assert world.channel(person).inactive_reason is InactiveReason.SESSION_EXPIRED
        await world.bind(person.user)
        await world.write(person)
        await world.until(lambda: world.texts(person) == ["在吗"], within=5)


async def test_a_dozing_session_is_woken_by_one_notifystart(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.doze(person.user)
        await trio.sleep(100)
        assert world.channel(person).is_live
        outcome = (await world.push(person, "早")).rows[0].outcome
        assert outcome.status is RowStatus.SUCCESS


async def test_half_dead_until_the_user_writes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.half_dead(person.user)
        outcome = (await world.push(person, "半死")).rows[0].outcome
        assert outcome == Outcome(RowStatus.FAILED, kept=True, reason=Reason.ACCOUNT_RESTRICTED)
        assert world.channel(person).is_live
        assert health_of(world, person).cause is Cause.HALF_DEAD
        tried = len(world.sandbox.record.of("sendmessage"))
        assert tried == 2, "once, and once more after a notifystart that was well answered"
        outcome = (await world.push(person, "还是半死")).rows[0].outcome
        assert outcome.reason is Reason.ACCOUNT_RESTRICTED
        await trio.sleep(5 * 3600)
        assert len(world.sandbox.record.of("sendmessage")) == tried, "no probe: only the user's word can cure it"
        world.sandbox.half_dead(person.user, False)
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=10)
        assert "半死" in world.texts(person)[0]
        await world.until(lambda: health_of(world, person).level is Level.GREEN, within=60)


async def test_a_second_minus_14_much_later_is_checked_anew(tmp_path: Path, autojump_clock: object) -> None:
    """One −14, then a refusal of another kind: the next −14 is a first one again, not the proof of a half-death."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        stale = Fault(kind="wrong_code", endpoint="sendmessage", ret=-14)
        world.sandbox.set(penalty_extends=False)
        world.sandbox.penalize(person.user, 20)
        world.sandbox.arm(stale)
        await world.push(person, "甲", wait=0)
        await world.until(lambda: world.channel(person).window.penalty_step == 1)
        world.sandbox.arm(stale)
        await world.until(lambda: world.texts(person) == ["甲"], within=60)
        assert world.channel(person).window.closed is None


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("endpoint", ["getupdates", "sendmessage"])
async def test_401_and_403_are_confirmed_once_and_then_the_channel_is_dead(
    tmp_path: Path, autojump_clock: object, endpoint: str, status: int
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", status=status, endpoint=endpoint))
        await world.push(person, "第一次")
        await trio.sleep(100)
        assert world.channel(person).is_live, "once is not enough"
        assert world.texts(person) == ["第一次"]
        world.sandbox.arm(Fault(kind="status", status=status, endpoint=endpoint, times=2))
        await world.push(person, "第二次", wait=0)
        await world.until(lambda: world.channel(person).is_dead, within=100)
        assert world.channel(person).inactive_reason is InactiveReason.AUTH
        failed = [c.at for c in world.sandbox.record.of(endpoint) if c.status == status]
        assert 5 <= failed[-1] - failed[-2] < 7
        assert health_of(world, person).cause is Cause.AUTH
        await world.bind(person.user)
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=10)
        assert world.texts(person)[-1] == "第二次"


def health_of(world: World, person: Person) -> Health:
    return world.daemon.services.channels.view(world.channel(person)).health


def calls_of(world: World, person: Person) -> int:
    return sum(call.user == person.user for call in world.sandbox.record.calls)


def calls_before(world: World, person: Person, end: int) -> int:
    return sum(call.user == person.user for call in list(world.sandbox.record.calls)[:end])
