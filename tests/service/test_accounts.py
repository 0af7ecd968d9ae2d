"""An account's own routes: sessions, keys, changes. In virtual time."""

from pathlib import Path

import pytest

from bottalk.errors import Invalid, Refusal, Refused
from bottalk.service.accounts import AccountForm
from bottalk.values import Secret, UserId
from tests.service.people import join, knows, owner
from tests.support.agreement import assert_memory_is_database
from tests.support.world import open_world


async def test_a_logout_ends_this_session_or_all(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        accounts = world.daemon.services.accounts
        user, first, visitor = await join(world, "ann@example.org")
        _, other, _ = await join(world, "bob@example.org")
        more = [opened for _ in range(3) if (opened := await accounts.log_in(user.send_key, None)) is not None]
        await accounts.log_out(visitor.session)
        assert [await knows(world, one) for one in (first, more[0][0], more[1][0])] == [False, True, True]
        await accounts.log_out(more[0][1].session, everywhere=True)
        assert not any([await knows(world, session_id) for session_id, _ in more])
        assert await knows(world, other)


async def test_the_old_key_is_dead_at_once(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        accounts, user = world.daemon.services.accounts, owner(world, person)
        new = await accounts.reset_key(user.id)
        assert new.reveal() != person.send_key
        assert (await world.push(person, "旧")).refusal is Refusal.BAD_KEY
        assert await accounts.log_in(Secret(person.send_key), None) is None
        shown = [dict(b.result)["send_key"] for b in world.daemon.pictures.bindings.values() if b.result]
        assert shown == [new.reveal()], "the scan's page shows the living key"
        person.send_key = new.reveal()
        assert (await world.push(person, "新")).refusal is None
        await assert_memory_is_database(world, tmp_path)


async def test_an_account_changes_itself(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        accounts = world.daemon.services.accounts
        user, _, _ = await join(world, "ann@example.org")
        view = await accounts.change(user.id, AccountForm(strict=True, nickname=" 安 "))
        assert (view.user.strict, view.user.nickname) == (True, "安")
        view = await accounts.change(user.id, AccountForm(nickname=""))
        assert (view.user.strict, view.user.nickname) == (True, None)
        for form in (AccountForm(), AccountForm(nickname="长" * 21)):
            with pytest.raises(Invalid):
                await accounts.change(user.id, form)
        with pytest.raises(Refused, match="User not found"):
            await accounts.change(UserId(999), AccountForm(strict=True))
        await assert_memory_is_database(world, tmp_path)
