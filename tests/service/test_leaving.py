"""An account leaves, with all it owns, and takes a copy along. In virtual time."""

import json
from pathlib import Path

import pytest
import trio

from bottalk.errors import Invalid, NoAccount, Refusal
from bottalk.messages import CreateReminder
from bottalk.values import ReminderType, RowStatus, Secret, UserId
from tests.service.people import FAR, export, join, knows, owner
from tests.support.agreement import assert_memory_is_database, count
from tests.support.world import open_world


async def test_who_leaves_is_gone_everywhere(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person, other = await world.active(), await world.active()
        accounts, user = world.daemon.services.accounts, owner(world, person)
        opened = await accounts.log_in(user.send_key, None)
        assert opened is not None
        await world.push(person, "送达")
        await world.push(person, "等着", delay=3600.0)
        reminder = CreateReminder(user.id, "早", "", ReminderType.DAILY, "08:00", "", 0)
        await world.daemon.journal.mailbox.ask(reminder)
        with pytest.raises(Invalid):
            await accounts.delete(user.id, Secret(other.send_key))
        await accounts.delete(user.id, Secret(person.send_key))
        directory = world.daemon.pictures.directory
        assert directory.user(user.id) is None
        assert directory.user_of_wechat(person.user) is None
        assert directory.channel(person.channel_id) is None
        assert directory.user_of_key(person.send_key) is None
        assert not await knows(world, opened[0])
        assert world.waiting(person) == 0
        assert world.daemon.channels.child(person.channel_id) is None
        assert (await world.push(person, "晚了")).refusal is Refusal.BAD_KEY
        for table in ("users", "channels", "sessions", "reminders", "push_logs", "inbound"):
            column = {"users": "id", "inbound": "channel_id"}.get(table, "user_id")
            key = person.channel_id if table == "inbound" else user.id
            assert count(tmp_path, f"SELECT count(*) FROM {table} WHERE {column} = ?", key) == 0
        await world.until(lambda: len(world.sandbox.record.of("notifystop")) == 1)
        assert (await world.push(other, "还在")).rows[0].outcome.status is RowStatus.SUCCESS
        await assert_memory_is_database(world, tmp_path)
        again = await world.bind(person.user)
        assert again.send_key != person.send_key
        await assert_memory_is_database(world, tmp_path)


async def test_a_code_of_an_account_that_left_binds_nothing(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        user, _, visitor = await join(world, "ann@example.org")
        code = await world.daemon.services.channels.new_code(visitor, FAR, public=False)
        handle = code.binding.code.reveal()
        phone = world.sandbox.new_user()
        world.sandbox.scan(handle, phone)
        await world.daemon.services.accounts.delete(user.id, user.send_key)
        world.sandbox.confirm(handle)
        await world.until(lambda: len(world.sandbox.record.of("notifystop")) == 1)
        assert world.daemon.pictures.directory.channel_of_wechat(phone) is None
        await assert_memory_is_database(world, tmp_path)


async def test_a_long_log_goes_in_bites_even_over_a_restart(tmp_path: Path, autojump_clock: object) -> None:
    rows = "SELECT count(*) FROM push_logs"
    async with open_world(tmp_path, rate_limit=100_000) as world:
        person = await world.active()

        async def push(title: str) -> None:
            await world.push(person, title, wait=0)

        async with trio.open_nursery() as nursery:
            for n in range(2_300):
                nursery.start_soon(push, str(n))
        await world.daemon.services.accounts.delete(owner(world, person).id, Secret(person.send_key))
        left = count(tmp_path, rows)
        assert 0 < left <= 1_300
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await again.until(lambda: count(tmp_path, rows) == 0)
        assert again.daemon.pictures.directory.gone == set()
        await assert_memory_is_database(again, tmp_path)


# --- export ---


async def test_an_export_is_all_of_the_account_without_tokens(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person, other = await world.active(), await world.active()
        user = owner(world, person)
        await world.push(other, "别人的")
        for n in range(3):
            await world.push(person, f"第 {n} 条", "正文", wait=0)
        await world.until(lambda: world.waiting(person) == 0)
        reminder = CreateReminder(user.id, "早", "", ReminderType.DAILY, "08:00", "", 0)
        await world.daemon.journal.mailbox.ask(reminder)
        document = await export(world, user.id)
        text = json.dumps(document, ensure_ascii=False)
        assert json.loads(text) == document
        for secret in (world.channel(person).bot_token, world.channel(person).context_token):
            assert secret is not None
            assert secret.reveal() not in text
        assert "别人的" not in text
        parsed = json.loads(text)
        assert parsed["account"]["send_key"] == person.send_key
        assert [one["id"] for one in parsed["channels"]] == [person.channel_id]
        assert [one["title"] for one in parsed["reminders"]] == ["早"]
        assert [one["title"] for one in parsed["logs"]] == ["第 2 条", "第 1 条", "第 0 条"]
        assert all(one["status"] == "success" and one["content"] == "正文" for one in parsed["logs"])
        with pytest.raises(NoAccount):
            await export(world, UserId(999))


async def test_a_long_export_reads_in_bites_and_misses_nothing(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bottalk.service.export.BITE", 3)
    async with open_world(tmp_path) as world:
        person = await world.bind()
        await world.write(person)
        for n in range(9):
            await world.push(person, f"{n}", delay=60.0)
        document = json.loads(json.dumps(await export(world, owner(world, person).id)))
        assert [one["title"] for one in document["logs"]] == [str(n) for n in reversed(range(9))]
