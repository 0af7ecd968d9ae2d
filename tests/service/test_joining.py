"""Who may make an account, by e-mail or scan: the setting, the invitation, ten an hour. In virtual time."""

from pathlib import Path

import pytest
import trio

from bottalk.errors import Refused
from bottalk.messages import BindingState
from bottalk.service.accounts import email_of
from bottalk.values import Secret
from tests.service.people import FAR, join, knows
from tests.support.agreement import assert_memory_is_database
from tests.support.world import World, open_world


async def test_who_joins_has_a_key_and_a_session(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        accounts = world.daemon.services.accounts
        user, session_id, visitor = await join(world, "  Ann@Example.ORG ")
        assert user.email == "ann@example.org"
        assert len(user.send_key.reveal()) == 32
        assert await knows(world, session_id)
        assert accounts.view(user).channel_count == 0
        assert await accounts.log_in(Secret(user.send_key.reveal().upper()), visitor.session)
        assert not await knows(world, session_id), "a login rotates the session"
        await assert_memory_is_database(world, tmp_path)


async def test_joining_rotates_the_session_before(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        old_id, old = await world.daemon.services.sessions.open()
        await join(world, "ann@example.org", before=old.session)
        assert await world.daemon.services.sessions.find(old_id) is None


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_an_address_is_asked_for(text: str) -> None:
    with pytest.raises(Refused) as caught:
        email_of(text)
    assert (caught.value.text, caught.value.status) == ("请输入邮箱地址", 200)


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "ann@",
        "@b.c",
        "a@b",
        "a b@c.d",
        "a@b@c.d",
        "a@b..c",
        "a@b.",
        "a\x00@b.c",
        "a\ud800@b.c",
        "a" * 250 + "@b.cd",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        email_of(text)
    assert caught.value.text == "邮箱格式无效"


@pytest.mark.parametrize("text", ["a@b.c", "a.b+c@d-e.f.org", "张三@例子.公司"])
def test_an_address_is_an_address(text: str) -> None:
    assert email_of(f" {text.upper()} ") == text


async def test_one_account_per_address_though_two_ask_at_once(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        answers: list[str] = []

        async def one(email: str) -> None:
            try:
                await join(world, email)
            except Refused as e:
                answers.append(e.text)
            else:
                answers.append("in")

        async with trio.open_nursery() as nursery:
            for email in ("ann@example.org", "ANN@example.org", "ann@example.org "):
                nursery.start_soon(one, email)
        assert sorted(answers) == ["in", "该邮箱已注册", "该邮箱已注册"]
        await assert_memory_is_database(world, tmp_path)


async def test_ten_an_hour_from_one_address_scans_too(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        for n in range(9):
            await join(world, f"a{n}@example.org")
        person = await world.bind(ip=FAR)
        with pytest.raises(Refused) as caught:
            await join(world, "late@example.org")
        assert (caught.value.text, caught.value.status) == ("注册过于频繁，请稍后再试", 429)
        await refused_scan(world, "注册过于频繁，请稍后再试")
        known = await world.bind(person.user, ip=FAR)
        assert known.channel_id == person.channel_id, "known people always get in"
        await join(world, "elsewhere@example.org", ip="192.0.2.10")
        await join(world, "here@example.org", ip="127.0.0.1")
        await trio.sleep(3600)
        await join(world, "late@example.org")
        await assert_memory_is_database(world, tmp_path)


async def refused_scan(world: World, text: str, *, invite: str = "") -> None:
    """A newcomer scans and is sent away: no account, and the binding is given back."""
    services, record = world.daemon.services, world.sandbox.record
    before = len(record.of("notifystop"))
    _, visitor = await services.sessions.open()
    code = await services.channels.new_code(visitor, FAR, public=True, invite=Secret(invite))
    handle = code.binding.code.reveal()
    user = world.sandbox.new_user()
    world.sandbox.scan(handle, user)
    world.sandbox.confirm(handle)
    await world.until(lambda: world.daemon.pictures.bindings[handle].state is BindingState.REFUSED)
    assert world.daemon.pictures.bindings[handle].result == {"error": text}
    assert world.daemon.pictures.directory.channel_of_wechat(user) is None
    assert world.daemon.pictures.directory.user_of_wechat(user) is None
    await world.until(lambda: len(record.of("notifystop")) == before + 1)


async def test_where_registration_is_closed_nobody_new_gets_in(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        known = await world.bind()
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock, registration="closed") as again:
        with pytest.raises(Refused) as caught:
            await join(again, "ann@example.org")
        assert (caught.value.text, caught.value.status) == ("注册未开放", 403)
        await refused_scan(again, "注册未开放")
        assert (await again.bind(known.user)).send_key == known.send_key
        await assert_memory_is_database(again, tmp_path)


async def test_an_invitation_word_opens_the_door(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, registration="invite", invite="芝麻开门") as world:
        for word in ("", "芝麻", "芝麻开门 2", "\ud800"):
            with pytest.raises(Refused, match="注册未开放"):
                await join(world, "ann@example.org", invite=word)
        await join(world, "ann@example.org", invite=" 芝麻开门 ")
        await refused_scan(world, "注册未开放", invite="芝麻")
        _, visitor = await world.daemon.services.sessions.open()
        code = await world.daemon.services.channels.new_code(visitor, FAR, public=True, invite=Secret("芝麻开门"))
        await assert_memory_is_database(world, tmp_path)
    async with open_world(
        tmp_path, sandbox=world.sandbox, clock=world.clock, registration="invite", invite="芝麻开门"
    ) as again:
        handle = code.binding.code.reveal()
        again.sandbox.scan(handle, again.sandbox.new_user())
        again.sandbox.confirm(handle)
        await again.until(lambda: again.daemon.pictures.bindings[handle].state is BindingState.DONE)


async def test_an_empty_invitation_invites_nobody(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, registration="invite") as world:
        with pytest.raises(Refused, match="注册未开放"):
            await join(world, "ann@example.org", invite="")
