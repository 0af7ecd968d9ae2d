"""The welcome, and the two words that are answered: each said once, and counted as nobody's push."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bottalk.sandbox.rules.faults import Fault
from bottalk.service.logs import LogForm
from bottalk.values import LogRow, Priority, Reason, RowStatus
from bottalk.words import DEFAULT, Words
from tests.actors.reminding import clock_at
from tests.service.people import owner
from tests.support.agreement import assert_memory_is_database
from tests.support.http import open_site
from tests.support.world import Person, World, open_world

FIRST_LINE = DEFAULT.welcome.partition("\n")[0]


async def rows_of(world: World, person: Person) -> list[LogRow]:
    return await world.daemon.services.logs.of(owner(world, person).id, LogForm(limit=200))


async def fill(world: World, person: Person, waiting: int) -> None:
    """Use the window up, and let so many pushes wait."""
    for number in range(world.daemon.services.channels.view(world.channel(person)).left):
        await world.push(person, f"发出 {number}", priority=Priority.URGENT, wait=0)
        await world.until(lambda: world.waiting(person) == 0)
    for number in range(waiting):
        assert (await world.push(person, f"等 {number}")).rows[0].outcome.reason is Reason.CONTEXT_EXPIRED


# --- the welcome ---


async def test_the_first_word_is_welcomed_once(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, words=DEFAULT, base_url="https://push.example.org/") as world:
        person = await world.bind()
        assert world.texts(person) == []
        await world.write(person)
        await world.until(lambda: world.texts(person))
        [text] = world.texts(person)
        assert text.startswith(FIRST_LINE)
        assert "https://push.example.org/你的SendKey.send?title=" in text
        assert "约可接收 10 条" in text
        await world.write(person)
        await world.push(person, "第一条")
        assert world.texts(person)[1:] == ["第一条"]
        await assert_memory_is_database(world, tmp_path)
        sandbox, clock = world.sandbox, world.clock
    async with open_world(tmp_path, words=DEFAULT, sandbox=sandbox, clock=clock) as again:
        await again.bind(person.user)  # another binding of the same WeChat
        await again.write(person)
        await again.push(person, "第二条")
        assert again.texts(person)[1:] == ["第一条", "第二条"]


async def test_a_welcome_and_what_waits_beside_it_are_one_message(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, words=DEFAULT) as world:
        person = await world.bind()
        world.sandbox.write(person.user, "状态")
        await world.until(lambda: world.texts(person))
        [text] = world.texts(person)
        assert FIRST_LINE in text
        assert "还可以收 9 条" in text


async def test_without_the_word_nobody_is_welcomed(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, words=replace(DEFAULT, welcome="")) as world:
        person = await world.active()
        await world.push(person, "第一条")
        assert world.texts(person) == ["第一条"]
        assert len(await rows_of(world, person)) == 1


async def test_our_own_words_are_in_the_log_and_in_nobodys_figures(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, words=DEFAULT, settings={"rate_limit": 3}) as site:
        world = site.world
        browser = await site.browser()
        bound = await site.bind(browser)
        await world.until(lambda: site.texts(bound.user))
        [row] = (await browser.get("/api/push-logs")).json()["data"]
        assert (row["status"], row["ip"], row["title"]) == ("success", "system", "")
        assert row["content"].startswith(FIRST_LINE)
        answer = await browser.post(f"/{bound.data['send_key']}.send", json={"title": "第一条"})
        assert answer.headers["x-ratelimit-remaining"] == "2"
        stats = await world.daemon.services.stats.view()
        assert (stats.today_pushes, stats.failed_today, stats.queued) == (1, 0, 0)
        [user] = await world.daemon.services.users.rows()
        assert user.push_count == 1


# --- the words that are answered ---


async def test_the_status_says_how_the_window_stands(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, clock=clock_at("2026-11-02T12:34")) as world:
        person = await world.active()
        await world.write(person, " Status ")
        await world.until(lambda: world.texts(person))
        assert world.texts(person) == ["还可以收 9 条，11-03 12:34 到期，0 条在等待。"]
        assert world.waiting(person) == 0


async def test_the_status_goes_before_what_waits(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await fill(world, person, waiting=2)
        await world.write(person, "状态")
        await world.until(lambda: world.waiting(person) == 0)
        last = world.texts(person)[-1]
        assert last.index("还可以收 9 条") < last.index("2 条在等待") < last.index("等 0") < last.index("等 1")


async def test_what_waits_is_cleared_and_the_answer_says_how_much(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await fill(world, person, waiting=3)
        before = world.texts(person)
        await world.write(person, "清空")
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person)[len(before) :] == ["已清空 3 条等待的消息。"]
        deleted = [row for row in await rows_of(world, person) if row.reason is Reason.DELETED]
        assert [row.title for row in deleted] == ["等 2", "等 1", "等 0"]
        assert {row.status for row in deleted} == {RowStatus.FAILED}
        await world.write(person, "清空")
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person)[-1] == "已清空 0 条等待的消息。"
        await assert_memory_is_database(world, tmp_path)


async def test_answers_that_wait_are_not_cleared_nor_counted(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=3))
        await world.push(person, "甲", wait=0)
        await world.write(person, "清空")
        await world.write(person, "清空")
        await world.write(person, "状态")
        channel = world.daemon.services.channels.view(world.channel(person))
        assert (world.waiting(person), channel.queued) == (3, 0)
        await world.until(lambda: world.waiting(person) == 0)
        said = "\n".join(world.texts(person))
        assert said.count("已清空 1 条") == 1
        assert said.count("已清空 0 条") == 1
        assert said.count("0 条在等待") == 1
        assert "甲" not in said


@pytest.mark.parametrize("variant", ["same_id", "fresh_id", "fresh_token"])
async def test_a_command_handed_out_twice_is_carried_out_once(
    variant: str, tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="duplicate_inbound", variant=variant))  # type: ignore[arg-type]
        await world.write(person, "状态")
        await world.push(person, "之后", wait=20)
        await world.until(lambda: world.waiting(person) == 0)
        assert [text for text in world.texts(person) if "到期" in text] == [world.texts(person)[0]]
        world.sandbox.arm(Fault(kind="duplicate_inbound", variant=variant))  # type: ignore[arg-type]
        epoch = world.channel(person).window.epoch
        await world.write(person, "清空")
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=1))
        await world.until(lambda: world.sandbox.faults == [] and world.waiting(person) == 0)
        await world.until(lambda: world.clock.now() > (world.channel(person).window.opened_at or 0.0) + 15)
        assert world.channel(person).window.epoch == epoch + 1
        assert sum("已清空" in text for text in world.texts(person)) == 1


async def test_a_spoken_command_counts_and_a_quoted_or_a_groups_does_not(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        quote = {"type": 1, "text_item": {"text": "状态"}, "ref_msg": {"svr_id": "123"}}
        epoch = world.channel(person).window.epoch
        world.sandbox.write(person.user, item=quote)
        await world.until(lambda: world.channel(person).window.epoch == epoch + 1)
        world.sandbox.arm(Fault(kind="group_message"))
        world.sandbox.write(person.user, "状态")
        for text in ("状态？", "你好", "清空一下"):
            await world.write(person, text)
        await world.push(person, "没有回答")
        assert world.texts(person) == ["没有回答"]
        world.sandbox.write(person.user, item={"type": 3, "voice_item": {"text": "状态。"}})
        await world.until(lambda: len(world.texts(person)) == 2)
        assert "到期" in world.texts(person)[1]


async def test_the_words_are_the_operators(tmp_path: Path, autojump_clock: object) -> None:
    words = Words(welcome="", status="{left} left", status_words=("stand",), clear_words=())
    async with open_world(tmp_path, words=words) as world:
        person = await world.active()
        await world.write(person, "清空")
        await world.write(person, "Stand")
        await world.until(lambda: world.texts(person))
        assert world.texts(person) == ["9 left"]


async def test_a_full_queue_has_room_for_an_answer_and_an_answer_takes_none(
    tmp_path: Path, autojump_clock: object
) -> None:
    settings: dict[str, Any] = {"delivery.queue": 2}
    async with open_world(tmp_path, **settings) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=4))
        await world.push(person, "甲", wait=0)
        await world.write(person, "状态")
        await world.push(person, "乙", wait=0)
        assert world.waiting(person) == 3
        assert (await world.push(person, "丙", wait=0)).rows[0].outcome.reason is Reason.QUEUE_FULL
        await world.write(person, "状态")
        await world.until(lambda: world.waiting(person) == 0)
        said = "\n".join(world.texts(person))
        assert said.count("到期") == 1, "of two answers that wait, the newer is right"
        assert "2 条在等待" in said
        assert "乙" in said
