"""Channels deleted, restarted, adjusted: below HTTP, through the whole tree, in virtual time."""

from pathlib import Path

import pytest
import trio

from bottalk.errors import Refusal
from bottalk.messages import ChangeChannel, RemoveUser
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.logs import LogForm
from bottalk.values import ChannelId, ChannelStatus, InactiveReason, Reason, RowStatus, UserId
from tests.support.world import Person, World, open_world

NOBODY = UserId(10**9)


def owner(world: World, person: Person) -> UserId:
    return world.channel(person).user_id


async def delete(world: World, person: Person) -> bool:
    return await world.daemon.services.channels.delete(owner(world, person), person.channel_id)


def told(world: World, endpoint: str) -> int:
    return len(world.sandbox.record.of(endpoint))


async def test_a_deleted_channel_is_gone_everywhere(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id = owner(world, person)
        channels = world.daemon.services.channels
        assert await delete(world, person)
        channel = world.channel(person)
        assert (channel.status, channel.inactive_reason) == (ChannelStatus.INACTIVE, InactiveReason.DELETED)
        assert (channel.bot_token.reveal(), channel.context_token, channel.is_default) == ("", None, False)
        assert channels.of(user_id, dead_too=True) == []
        assert channels.one(user_id, person.channel_id) is None
        assert world.daemon.channels.child(person.channel_id) is None
        assert (await world.push(person, "晚了")).refusal is Refusal.NO_CHANNEL
        check = channels.check(user_id, person.channel_id)
        assert check is not None
        assert (check.alive, check.reason) == (False, "stopped")
        assert not await delete(world, person)
        await world.until(lambda: told(world, "notifystop") == 1)


async def test_it_happens_though_the_asker_hung_up_and_ilink_hangs(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="hang", user=person.user, seconds=3600.0))
        with trio.move_on_after(0.01):
            await delete(world, person)
        await world.until(lambda: world.channel(person).is_deleted, within=15)
        assert world.daemon.channels.child(person.channel_id) is None


async def test_a_stop_of_the_daemon_does_not_wait_for_the_goodbye(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="hang", endpoint="notifystop", seconds=3600.0))
        assert await delete(world, person)
        before = trio.current_time()
    assert trio.current_time() - before < 3


async def test_a_send_in_hand_is_finished_first(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=4.0))
        await world.push(person, "在路上", wait=0)
        await trio.sleep(1)
        await world.push(person, "还没出发", wait=0)
        assert await delete(world, person)
        assert world.texts(person) == ["在路上"]
        logs = await world.daemon.services.logs.of(owner(world, person), LogForm())
        assert [(row.title, row.status, row.reason) for row in logs] == [
            ("还没出发", RowStatus.FAILED, Reason.DELETED),
            ("在路上", RowStatus.SUCCESS, None),
        ]


async def test_a_send_that_hangs_is_cut_and_says_that_it_may_have_arrived(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="hang", endpoint="sendmessage"))
        await world.push(person, "悬着", wait=0)
        await trio.sleep(1)
        before = trio.current_time()
        assert await delete(world, person)
        assert trio.current_time() - before < 12
        [row] = await world.daemon.services.logs.of(owner(world, person), LogForm())
        assert (row.status, row.reason, row.response) == (RowStatus.FAILED, Reason.DELETED, '{"maybe_duplicate":true}')
        story = await world.daemon.services.logs.one(owner(world, person), row.id)
        assert story is not None
        assert story.attempts == 1


async def test_a_waiting_caller_hears_of_the_delete(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "一")
        answers = []

        async def caller() -> None:
            answers.append(await world.push(person, "二", wait=20))

        async with trio.open_nursery() as nursery:
            world.sandbox.arm(Fault(kind="reset", endpoint="sendmessage", seconds=60.0))
            nursery.start_soon(caller)
            await trio.sleep(3)
            assert await delete(world, person)
        outcome = answers[0].rows[0].outcome
        assert (outcome.status, outcome.kept, outcome.reason) == (RowStatus.FAILED, False, Reason.DELETED)


async def test_only_the_owner_deletes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        channels = world.daemon.services.channels
        assert not await channels.delete(NOBODY, person.channel_id)
        assert not await channels.delete(owner(world, person), ChannelId(999))
        assert await channels.drop_queue(NOBODY, person.channel_id) is None
        assert channels.check(NOBODY, person.channel_id) is None
        assert world.channel(person).is_live
        assert (await world.push(person, "还在")).rows[0].outcome.status is RowStatus.SUCCESS


async def test_a_restart_by_hand(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        channels = world.daemon.services.channels
        assert await channels.restart(person.channel_id)
        assert not await channels.restart(ChannelId(999))
        await trio.sleep(50)
        assert world.sandbox.max_concurrent_polls() == 1
        await delete(world, person)
        assert not await channels.restart(person.channel_id)


async def test_check_goes_by_the_heartbeat(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        calls = len(world.sandbox.record.calls)
        check = world.daemon.services.channels.check(owner(world, person), person.channel_id)
        assert check is not None
        assert (check.alive, check.reason, check.status) == (True, None, ChannelStatus.ACTIVE)
        assert check.last_ok_seconds_ago is not None
        assert len(world.sandbox.record.calls) == calls
        world.sandbox.arm(Fault(kind="hang", endpoint="getupdates", seconds=3600.0))
        await trio.sleep(200)
        check = world.daemon.services.channels.check(owner(world, person), person.channel_id)
        assert check is not None
        assert (check.alive, check.reason) == (False, "heartbeat_timeout")


async def test_a_dead_channel_and_its_queue(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.expire(person.user)
        await world.until(lambda: world.channel(person).is_dead)
        channels = world.daemon.services.channels
        check = channels.check(owner(world, person), person.channel_id)
        assert check is not None
        assert check.reason == "session_expired"
        for n in range(3):
            await world.push(person, f"等 {n}")
        assert await channels.drop_queue(owner(world, person), person.channel_id) == 3
        assert world.waiting(person) == 0
        assert await delete(world, person)


async def test_overview_counts_what_is_ill(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        well, pending, dead = await world.active(), await world.bind(), await world.active()
        gone = await world.active()
        world.sandbox.expire(dead.user)
        await world.until(lambda: world.channel(dead).is_dead)
        await delete(world, gone)
        overview = world.daemon.services.channels.overview()
        assert [view.channel.id for view in overview.channels] == [p.channel_id for p in (well, pending, dead)]
        assert (overview.green, overview.yellow, overview.red) == (1, 1, 1)


@pytest.mark.parametrize("seed", range(8))
async def test_deletes_and_scans_of_the_same_wechat_cross(seed: int, tmp_path: Path, autojump_clock: object) -> None:
    """Whatever wins, the actor runs exactly where a live channel is committed, and memory is what the file says."""
    async with open_world(tmp_path, seed=seed) as world:
        person = await world.active()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delete, world, person)
            nursery.start_soon(world.bind, person.user)
            nursery.start_soon(delete, world, person)
        await trio.sleep(15)
        child = world.daemon.channels.child(person.channel_id)
        assert (child is not None) == world.channel(person).is_live
        assert world.sandbox.max_concurrent_polls() <= 1


async def test_one_default_whatever_is_asked(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        channel = world.channel(person)
        journal = world.daemon.journal.mailbox
        changed = await journal.ask(ChangeChannel(channel.id, channel.user_id, is_default=True, name="家"))
        assert changed is not None
        assert (changed.name, changed.is_default) == ("家", True)
        assert world.channel(person) == changed
        assert await journal.ask(ChangeChannel(channel.id, NOBODY, name="不是我的")) is None


async def test_a_removed_account_is_finished_first_and_its_bots_are_told(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id = owner(world, person)
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=4.0))
        await world.push(person, "在路上", wait=0)
        await trio.sleep(1)
        await world.daemon.channels.mailbox.ask(RemoveUser(user_id))
        assert world.texts(person) == ["在路上"]
        assert world.daemon.pictures.directory.user(user_id) is None
        assert world.daemon.channels.child(person.channel_id) is None
        assert (await world.push(person, "晚了")).refusal is Refusal.BAD_KEY
        await world.until(lambda: told(world, "notifystop") == 1)
