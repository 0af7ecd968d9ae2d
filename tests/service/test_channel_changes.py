"""Names, defaults, who may log in, and what a scan of a deleted WeChat brings back."""

from pathlib import Path

import pytest

from bottalk.errors import Invalid
from bottalk.messages import BindingState
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.channels import ChannelForm
from bottalk.service.logs import LogForm
from bottalk.service.sessions import Visitor
from bottalk.values import Channel, ChannelId, ChannelStatus, RowStatus, UserId
from tests.support.world import Person, World, open_world


async def add(world: World, owner: Person, user: str | None = None) -> ChannelId:
    """One more channel from the account's own page."""
    user = user or world.sandbox.new_user()
    account = world.daemon.pictures.directory.user(world.channel(owner).user_id)
    visitor = Visitor(owner.visitor.session, account)
    services = world.daemon.services
    code = (await services.channels.new_code(visitor, "192.0.2.1", public=False)).binding.code.reveal()
    world.sandbox.scan(code, user)
    world.sandbox.confirm(code)

    def done() -> ChannelId | None:
        binding = services.channels.binding(code, visitor, public=False, digits=None)
        assert binding is None or binding.state is not BindingState.REFUSED
        return ChannelId(int(str(binding.result["id"]))) if binding is not None and binding.result else None

    return await world.until(done)


def channel(world: World, channel_id: ChannelId) -> Channel:
    found = world.daemon.pictures.directory.channel(channel_id)
    assert found is not None
    return found


def defaults(world: World, user_id: UserId) -> list[ChannelId]:
    return [c.id for c in world.daemon.pictures.directory.channels_of(user_id) if c.is_default]


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (ChannelForm(), "没有可用"),
        (ChannelForm(name=" "), "name"),
        (ChannelForm(name="长" * 51), "name"),
        (ChannelForm(is_default=0), "is_default"),
        (ChannelForm(is_default=2), "is_default"),
        (ChannelForm(can_login=2), "can_login"),
    ],
)
async def test_a_bad_change_names_the_field(
    form: ChannelForm, says: str, tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        before = world.channel(person)
        with pytest.raises(Invalid, match="没有可更新" if form == ChannelForm() else says):
            await world.daemon.services.channels.change(before.user_id, before.id, form)
        assert world.channel(person) == before


async def test_name_default_and_login_are_changed(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        user_id = world.channel(person).user_id
        second = await add(world, person)
        channels = world.daemon.services.channels
        assert defaults(world, user_id) == [person.channel_id]
        view = await channels.change(user_id, second, ChannelForm(name=" 家 " + "x" * 47, is_default=1, can_login=1))
        assert view is not None
        assert (view.channel.name, view.channel.is_default, view.channel.can_login) == ("家 " + "x" * 47, True, True)
        assert defaults(world, user_id) == [second]
        assert await channels.change(UserId(999), second, ChannelForm(name="偷")) is None
        assert await channels.change(user_id, ChannelId(999), ChannelForm(name="无")) is None
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        assert channel(again, second) == view.channel
        assert defaults(again, user_id) == [second]


async def test_deleting_the_default_promotes_the_oldest_live_one(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id = world.channel(person).user_id
        second, third = await add(world, person), await add(world, person)
        channels = world.daemon.services.channels
        await channels.delete(user_id, second)
        assert defaults(world, user_id) == [person.channel_id]
        await channels.delete(user_id, person.channel_id)
        assert defaults(world, user_id) == [third]
        await channels.delete(user_id, third)
        assert defaults(world, user_id) == []
        fourth = await add(world, person)
        assert defaults(world, user_id) == [fourth]
        assert channel(world, fourth).name == "默认通道"


async def test_the_owner_revives_id_and_name_not_the_old_rows(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id = world.channel(person).user_id
        channels = world.daemon.services.channels
        await channels.change(user_id, person.channel_id, ChannelForm(name="老名字"))
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", seconds=60.0))
        await world.push(person, "旧")
        await channels.delete(user_id, person.channel_id)
        world.sandbox.disarm()
        assert await add(world, person, person.user) == person.channel_id
        revived = world.channel(person)
        assert (revived.name, revived.status, revived.is_default) == ("老名字", ChannelStatus.PENDING, True)
        assert (revived.activated_at, revived.window.epoch) == (None, 0)
        await world.write(person)
        assert (await world.push(person, "新")).rows[0].outcome.status is RowStatus.SUCCESS
        assert world.texts(person)[-1] == "新"
        assert not any("旧" in text for text in world.texts(person))
        rows = await world.daemon.services.logs.of(user_id, LogForm(status="failed"))
        assert [row.title for row in rows] == ["旧"]


async def test_a_public_scan_of_a_deleted_wechat(tmp_path: Path, autojump_clock: object) -> None:
    """Known where it may log in, else new."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id = world.channel(person).user_id
        channels = world.daemon.services.channels
        await channels.delete(user_id, person.channel_id)
        again = await world.bind(person.user)
        assert (again.channel_id, again.send_key) == (person.channel_id, person.send_key)

        colleague = world.sandbox.new_user()
        second = await add(world, person, colleague)
        await channels.delete(user_id, second)
        stranger = await world.bind(colleague)
        assert stranger.channel_id != second
        assert stranger.send_key != person.send_key

        friend = world.sandbox.new_user()
        third = await add(world, person, friend)
        await channels.change(user_id, third, ChannelForm(can_login=1))
        await channels.delete(user_id, third)
        known = await world.bind(friend)
        assert (known.channel_id, known.send_key) == (third, person.send_key)


async def test_the_first_live_one_is_the_default_also_by_a_rescan(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id = world.channel(person).user_id
        colleague = world.sandbox.new_user()
        second = await add(world, person, colleague)
        for user in (person.user, colleague):
            world.sandbox.expire(user)
        await world.until(lambda: all(channel(world, one).is_dead for one in (person.channel_id, second)))
        assert defaults(world, user_id) == [person.channel_id]
        await add(world, person, colleague)
        assert defaults(world, user_id) == [second]
