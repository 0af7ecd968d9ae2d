"""What an administrator does with accounts, in virtual time."""

from pathlib import Path

import pytest
import trio

from bottalk.errors import Invalid, NoAccount, Refusal, Refused
from bottalk.messages import CreateReminder
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.users import UserForm
from bottalk.values import ReminderType, RowStatus, UserId
from supervisors import ChildState
from tests.service.people import join, knows, owner
from tests.support.agreement import assert_memory_is_database, count
from tests.support.world import Person, World, open_world


async def administrator(world: World) -> UserId:
    user, _, _ = await join(world, "root@example.org", ip="127.0.0.1")
    return (await world.daemon.services.users.grant(str(user.id))).id


def runs(world: World, person: Person) -> bool:
    child = world.daemon.channels.child(person.channel_id)
    return child is not None and child.state is ChildState.RUNNING


async def test_somebody_is_made_an_administrator_by_any_of_three_names(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        users = world.daemon.services.users
        person, (mailed, _, _) = await world.bind(), await join(world, "ann@example.org")
        scanned = owner(world, person)
        for who in (str(mailed.id), " ANN@example.org ", person.user, str(scanned.id)):
            assert (await users.grant(who)).role == "admin"
        assert [user.id for user in users.admins()] == [scanned.id, mailed.id]
        for who in (person.user, "ann@example.org"):
            assert (await users.revoke(who)).role == "user"
        assert users.admins() == []
        for who in ("", "999", "9" * 30, "nobody@example.org", "o-nobody@im.wechat"):
            with pytest.raises(Refused, match="User not found"):
                await users.grant(who)
        await assert_memory_is_database(world, tmp_path)


async def test_the_list_counts_channels_and_pushes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        users = world.daemon.services.users
        assert await users.rows() == []
        person = await world.active()
        for n in range(3):
            await world.push(person, f"{n}", wait=0)
        first, _, _ = await join(world, "ann@example.org")
        second, _, _ = await join(world, "bob@example.org")
        rows = await users.rows()
        assert [(row.user.id, row.channel_count, row.push_count) for row in rows] == [
            (owner(world, person).id, 1, 3),
            (first.id, 0, 0),
            (second.id, 0, 0),
        ]
        assert [row.user.id for row in await users.rows(after=rows[0].user.id, limit=1)] == [first.id]


async def test_a_change_is_all_or_nothing(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        users, by = world.daemon.services.users, await administrator(world)
        user, _, _ = await join(world, "ann@example.org")
        changed = await users.change(by, user.id, UserForm(role="admin", rate_limit=0, nickname="安"))
        assert (changed.role, changed.rate_limit, changed.nickname) == ("admin", 0, "安")
        for form in (
            UserForm(),
            UserForm(role="king", nickname="x"),
            UserForm(rate_limit=100_001),
            UserForm(rate_limit=-1),
            UserForm(nickname="长" * 21),
        ):
            with pytest.raises(Invalid):
                await users.change(by, user.id, form)
        with pytest.raises(Refused) as caught:
            await users.change(by, by, UserForm(role="user"))
        assert (caught.value.text, caught.value.status) == ("不能修改自己的账户", 400)
        with pytest.raises(Refused) as caught:
            await users.change(by, UserId(999), UserForm(role="user"))
        assert (caught.value.text, caught.value.status) == ("User not found", 404)
        assert world.daemon.pictures.directory.user(user.id) == changed
        await assert_memory_is_database(world, tmp_path)


async def test_two_administrators_who_depose_each_other_leave_one(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        users, first = world.daemon.services.users, await administrator(world)
        user, _, _ = await join(world, "ann@example.org")
        await users.grant(str(user.id))
        refused: list[str] = []

        async def depose(by: UserId, other: UserId) -> None:
            try:
                await users.change(by, other, UserForm(role="user"))
            except Refused as e:
                refused.append(e.text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(depose, first, user.id)
            nursery.start_soon(depose, user.id, first)
        assert refused == ["Forbidden"]
        assert len(users.admins()) == 1


async def test_a_disabled_account_stops_at_once_and_goes_on_later(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        users, by = world.daemon.services.users, await administrator(world)
        person = await world.active()
        user = owner(world, person)
        opened = await world.daemon.services.accounts.log_in(user.send_key, None)
        assert opened is not None
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", seconds=300.0))
        await world.push(person, "等着", wait=0)
        assert world.waiting(person) == 1
        await users.change(by, user.id, UserForm(is_disabled=True))
        assert not runs(world, person)
        assert not await knows(world, opened[0])
        assert count(tmp_path, "SELECT count(*) FROM sessions WHERE user_id = ?", user.id) == 0
        assert (await world.push(person, "不行")).refusal is Refusal.BAD_KEY
        assert await world.daemon.services.accounts.log_in(user.send_key, None) is None
        with pytest.raises(NoAccount):
            await world.daemon.services.sessions.open(user.id)
        await trio.sleep(600)
        assert world.waiting(person) == 1, "its rows wait"
        assert world.sandbox.record.of("notifystop") == []
        await assert_memory_is_database(world, tmp_path)
        await users.change(by, user.id, UserForm(is_disabled=False))
        assert runs(world, person)
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person)[-1] == "等着"
        await assert_memory_is_database(world, tmp_path)


async def test_a_scan_of_a_disabled_account_shows_no_key_and_logs_nobody_in(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        users, by = world.daemon.services.users, await administrator(world)
        person = await world.active()
        await users.change(by, owner(world, person).id, UserForm(is_disabled=True))
        session_id, visitor = await world.daemon.services.sessions.open()
        code = await world.daemon.services.channels.new_code(visitor, "192.0.2.1", public=True)
        handle = code.binding.code.reveal()
        world.sandbox.scan(handle, person.user)
        world.sandbox.confirm(handle)
        await world.until(lambda: world.daemon.pictures.bindings[handle].state.is_end)
        assert world.daemon.pictures.bindings[handle].result == {"status": "bound", "wechat_openid": person.user}
        await users.change(by, owner(world, person).id, UserForm(is_disabled=False))
        assert not await knows(world, session_id)
        await assert_memory_is_database(world, tmp_path)


async def test_a_push_on_its_way_when_its_account_is_disabled_is_not_kept(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        users, by = world.daemon.services.users, await administrator(world)
        person = await world.active()
        refusals: list[Refusal | None] = []

        async def push() -> None:
            refusals.append((await world.push(person, "赶上了吗", wait=0)).refusal)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(users.change, by, owner(world, person).id, UserForm(is_disabled=True))
            for _ in range(20):
                nursery.start_soon(push)
                await trio.lowlevel.checkpoint()
        kept = sum(refusal is None for refusal in refusals)
        assert refusals[-1] is Refusal.BAD_KEY
        assert kept == count(tmp_path, "SELECT count(*) FROM push_logs")


async def test_an_administrator_deletes_others_not_himself(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        users, by = world.daemon.services.users, await administrator(world)
        person = await world.active()
        user = owner(world, person)
        await world.daemon.journal.mailbox.ask(CreateReminder(user.id, "早", "", ReminderType.DAILY, "08:00", "", 0))
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=4.0))
        await world.push(person, "在路上", wait=0)
        await trio.sleep(1)
        await users.delete(by, user.id)
        assert world.texts(person) == ["在路上"], "a send in hand is finished first"
        for target, text in ((user.id, "User not found"), (by, "不能修改自己的账户")):
            with pytest.raises(Refused, match=text):
                await users.delete(by, target)
        assert world.daemon.pictures.reminders.of(user.id) == []
        assert count(tmp_path, "SELECT count(*) FROM push_logs WHERE status = ?", RowStatus.QUEUED) == 0
        await assert_memory_is_database(world, tmp_path)
