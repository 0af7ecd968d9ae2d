"""Nudges before a window closes, and notices of closed channels: once each, whatever is restarted."""

from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import FIELD
from bottalk.service.channels import ChannelForm
from bottalk.service.logs import LogForm
from bottalk.service.reminders import ReminderForm
from bottalk.service.users import UserForm
from bottalk.values import ChannelId, LogRow, Reason, UserId
from bottalk.words import DEFAULT
from tests.actors.reminding import clock_at
from tests.service.people import owner
from tests.service.test_channel_changes import add
from tests.service.test_users import administrator
from tests.support.agreement import assert_memory_is_database
from tests.support.world import Person, World, open_world

HOUR = 3600.0
QUIET = FIELD.changed(hold_s=290.0, advertised_ms=300_000)
"""Polls are held longer, so that a day is over sooner."""


def nudges(world: World, person: Person) -> list[str]:
    return [text for text in world.texts(person) if "额度将于" in text]


async def system_rows(world: World, user_id: UserId) -> list[LogRow]:
    rows = await world.daemon.services.logs.of(user_id, LogForm(limit=200))
    return [row for row in rows if row.source == "system"]


# --- nudges ---


async def test_a_used_window_is_nudged_once_two_hours_before_it_closes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T12:00")) as world:
        person = await world.active()
        await world.push(person, "用过")
        await trio.sleep(22 * HOUR - 120)
        assert world.texts(person) == ["用过"]
        await trio.sleep(240)
        assert world.texts(person) == ["用过", "（8 条额度将于 11-03 12:00 到期，回复任意内容，继续接收推送）"]
        assert world.channel(person).nudged_epoch == world.channel(person).window.epoch
        await assert_memory_is_database(world, tmp_path)
        sandbox, clock = world.sandbox, world.clock
    async with open_world(tmp_path, sandbox=sandbox, clock=clock) as again:
        await trio.sleep(10 * 60)
        assert len(nudges(again, person)) == 1, "a restart repeats nothing"
        await again.write(person)  # 10:14, so the next one is due at 08:14
        await again.push(person, "又用过")
        await trio.sleep(21 * HOUR)
        assert len(nudges(again, person)) == 1
        await trio.sleep(2 * HOUR)
        assert len(nudges(again, person)) == 2
        again.sandbox.check_invariants()


async def test_what_would_come_at_night_comes_the_evening_before(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T08:00")) as world:
        person = await world.active()
        await world.push(person, "用过")
        await trio.sleep(13 * HOUR)  # 21:00; it is due at 06:00
        assert nudges(world, person) == []
        await trio.sleep(HOUR)
        assert nudges(world, person) == ["（8 条额度将于 11-03 08:00 到期，回复任意内容，继续接收推送）"]


async def test_a_window_first_used_at_night_is_nudged_in_the_morning(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T09:00")) as world:
        person = await world.active()
        await trio.sleep(15 * HOUR)
        await world.push(person, "半夜")
        await trio.sleep(8 * HOUR - 120)  # 07:58
        assert world.texts(person) == ["半夜"]
        await trio.sleep(240)
        assert len(nudges(world, person)) == 1


@pytest.mark.parametrize("settings", [{"delivery.nudge": False}, {"words": DEFAULT}, {}])
async def test_where_it_has_no_use_none_comes(settings: dict[str, Any], tmp_path: Path, autojump_clock: object) -> None:
    """Switched off; nothing carried but the welcome; nothing carried at all."""
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T12:00"), **settings) as world:
        person = await world.active()
        if "delivery.nudge" in settings:
            await world.push(person, "用过")
        await trio.sleep(25 * HOUR)
        assert nudges(world, person) == []


async def test_a_reminder_after_the_closing_is_worth_a_nudge(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T12:00")) as world:
        person, other = await world.active(), await world.active()
        user = owner(world, person)
        form = ReminderForm(title="吃药", time="2026-11-03T20:00", channel=str(person.channel_id))
        await world.daemon.services.reminders.create(user.id, form)
        elsewhere = ReminderForm(title="吃药", time="2026-11-03T20:00", channel=str(person.channel_id))
        await world.daemon.services.reminders.create(owner(world, other).id, elsewhere)
        await trio.sleep(23 * HOUR)
        assert len(nudges(world, person)) == 1
        assert nudges(world, other) == [], "its reminder goes to no channel of its own"


async def test_none_while_the_owner_is_disabled(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T12:00")) as world:
        person = await world.active()
        await world.push(person, "用过")
        users, by = world.daemon.services.users, await administrator(world)
        await users.change(by, owner(world, person).id, UserForm(is_disabled=True))
        await trio.sleep(23 * HOUR)
        assert await system_rows(world, owner(world, person).id) == []
        await users.change(by, owner(world, person).id, UserForm(is_disabled=False))
        await trio.sleep(120)
        assert len(nudges(world, person)) == 1


async def test_a_nudge_that_cannot_go_before_the_night_never_goes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=QUIET, clock=clock_at("2026-11-02T23:30")) as world:
        person = await world.active()
        await world.push(person, "用过")
        await trio.sleep(22 * HOUR - 60)  # 21:29: due at 21:30
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", seconds=HOUR))
        await trio.sleep(4 * HOUR)
        assert nudges(world, person) == []
        [row] = await system_rows(world, owner(world, person).id)
        assert row.reason is Reason.EXPIRED


# --- notices ---


class Family:
    """One account with several WeChats."""

    def __init__(self, world: World, people: list[Person]) -> None:
        self.world = world
        self.people = people

    async def use_up(self, number: int, *, waiting: int = 2) -> None:
        """Close that one's window by its quota, and let pushes wait."""
        person, world = self.people[number], self.world
        for left in range(world.daemon.services.channels.view(world.channel(person)).left, 0, -1):
            await world.push(person, f"第 {left} 条", channel=str(person.channel_id), wait=0, priority="urgent")
            await world.until(lambda: world.waiting(person) == 0)
        await self.push(number, waiting)

    async def push(self, number: int, count: int) -> None:
        person = self.people[number]
        for n in range(count):
            await self.world.push(person, f"等 {n}", channel=str(person.channel_id), wait=0)

    def notices(self, number: int) -> list[str]:
        return [text for text in self.world.texts(self.people[number]) if "通道“" in text]


async def family(world: World, count: int) -> Family:
    first = await world.active()
    people = [first]
    for _ in range(count - 1):
        user = world.sandbox.new_user()
        person = Person(user, ChannelId(await add(world, first, user)), first.send_key, first.visitor)
        await world.write(person)
        people.append(person)
    return Family(world, people)


async def test_the_others_are_told_once_of_each_closing(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        us = await family(world, 3)
        await us.use_up(0, waiting=0)
        await trio.sleep(180)
        assert us.notices(1) == us.notices(2) == [], "nothing waits"
        await us.push(0, 2)
        await trio.sleep(120)
        said = "通道“默认通道”暂时收不到推送，有 2 条在等待：请在那个微信里给机器人回复任意内容。"
        assert us.notices(1) == us.notices(2) == [said]
        assert us.notices(0) == []
        await us.push(0, 3)
        await trio.sleep(600)
        assert us.notices(1) == [said], "once for this closing"
        await assert_memory_is_database(world, tmp_path)
        sandbox, clock = world.sandbox, world.clock
    async with open_world(tmp_path, sandbox=sandbox, clock=clock) as again:
        us.world = again
        await trio.sleep(600)
        assert us.notices(1) == [said], "a restart repeats nothing"
        await again.write(us.people[0])
        await again.until(lambda: again.waiting(us.people[0]) == 0)
        await us.use_up(0, waiting=1)
        await trio.sleep(120)
        assert len(us.notices(1)) == 2, "another closing"
        assert "有 1 条在等待" in us.notices(1)[1]


async def test_the_others_are_told_of_an_end(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        us = await family(world, 2)
        await us.use_up(1, waiting=1)
        await trio.sleep(120)
        assert len(us.notices(0)) == 1
        world.sandbox.expire(us.people[1].user)
        await world.until(lambda: world.channel(us.people[1]).is_dead)
        await trio.sleep(120)
        assert us.notices(0)[1:] == ["通道“Channel 2”的登录已失效，有 1 条在等待：请重新扫码绑定。"]
        await trio.sleep(600)
        assert len(us.notices(0)) == 2
        # bound anew it was never opened: nothing has closed, though a push waits
        await add(world, us.people[0], us.people[1].user)
        await trio.sleep(600)
        assert len(us.notices(0)) == 2
        assert world.channel(us.people[1]).noticed == ""


async def test_a_notice_is_no_push_that_waits(tmp_path: Path, autojump_clock: object) -> None:
    """The one that is to be told closes before it goes: of that nobody is told."""
    async with open_world(tmp_path) as world:
        us = await family(world, 3)
        await us.use_up(0, waiting=1)
        world.sandbox.arm(Fault(kind="wrong_code", endpoint="sendmessage", user=us.people[1].user, ret=-14, times=2))
        await trio.sleep(120)
        assert world.channel(us.people[1]).window.closed is not None
        assert world.waiting(us.people[1]) == 1
        assert world.daemon.services.channels.view(world.channel(us.people[1])).queued == 0
        await trio.sleep(600)
        assert len(us.notices(2)) == 1, "of the first channel, and of no other"
        assert us.notices(1) == []


async def test_who_cannot_be_told_now_is_told_when_it_opens(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        us = await family(world, 2)
        await us.use_up(1, waiting=0)
        await us.use_up(0, waiting=1)
        await trio.sleep(600)
        assert us.notices(1) == us.notices(0) == []
        await world.write(us.people[1])
        await trio.sleep(120)
        assert len(us.notices(1)) == 1


async def test_a_name_arrives_as_it_is_written(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        us = await family(world, 2)
        first = us.people[0]
        channels = world.daemon.services.channels
        await channels.change(owner(world, first).id, first.channel_id, ChannelForm(name="*web* {count}"))
        await us.use_up(0, waiting=1)
        await trio.sleep(120)
        [said] = us.notices(1)
        assert said.startswith("通道“`*web*` {count}”暂时收不到推送，有 1 条"), "WeChat shows code as it is"


async def test_a_delayed_push_does_not_wait_for_a_word(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        us = await family(world, 2)
        await us.use_up(0, waiting=0)
        first = us.people[0]
        await world.push(first, "到时候", channel=str(first.channel_id), delay=HOUR, wait=0)
        await trio.sleep(HOUR - 120)
        assert us.notices(1) == []
        await trio.sleep(300)
        assert len(us.notices(1)) == 1
