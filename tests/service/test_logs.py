"""Push logs and figures, through the whole tree."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing

from bottalk.errors import Invalid
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.logs import AlreadySent, LogForm
from bottalk.values import Reason, RowId, RowStatus, UserId
from tests.support.world import Person, World, open_world

R = TypeVar("R")


def owner(world: World, person: Person) -> UserId:
    return world.channel(person).user_id


async def test_what_was_pushed_is_listed_newest_first(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person, other = await world.active(), await world.active()
        await world.push(person, "一", "正文", ip="192.0.2.9")
        await world.push(other, "别人的")
        await world.push(person, "二", delay=60.0, wait=0)
        logs = world.daemon.services.logs
        waiting, sent = await logs.of(owner(world, person), LogForm())
        assert (waiting.title, waiting.text, waiting.status, waiting.response) == ("二", "", RowStatus.QUEUED, "{}")
        assert (sent.title, sent.text, sent.status, sent.ip) == ("一", "正文", RowStatus.SUCCESS, "192.0.2.9")
        assert sent.channel_name == "默认通道"
        assert json.loads(sent.response)["errmsg"] == "ok"
        story = await logs.one(owner(world, person), sent.id)
        assert story is not None
        assert (story.row, story.attempts) == (sent, 1)
        assert await logs.one(owner(world, other), sent.id) is None


async def test_a_page_of_huge_texts_ends_early_and_goes_on_where_it_ended(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        for n in range(9):
            await world.push(person, str(n), "长" * (300_000 if n < 6 else 1_500_000), delay=60.0, wait=0)
        logs, titles, before = world.daemon.services.logs, [], None
        while page := await logs.of(owner(world, person), LogForm(before=before)):
            assert sum(len(row.text or "") for row in page) <= 4_000_000
            titles.append([row.title for row in page])
            before = page[-1].id
        assert titles == [["8", "7"], ["6", "5", "4", "3", "2", "1", "0"]]  # 3.0, then 3.3 million characters
        exported = world.daemon.services.accounts.export(owner(world, person))
        rows = [row async for bite in exported.logs for row in bite]
        assert [row["title"] for row in rows] == [str(n) for n in reversed(range(9))]


class Slow:
    """Runs the store's calls inline; reads that begin while it is `holding` wait for `go`."""

    def __init__(self) -> None:
        self.holding = False
        self.go = trio.Event()

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            await trio.lowlevel.checkpoint()
            if self.holding and "Database.read" in function.__qualname__:
                await self.go.wait()
            return function()


async def test_long_searches_leave_a_reader_to_the_others(tmp_path: Path, autojump_clock: object) -> None:
    disk = Slow()
    async with open_world(tmp_path, runner=disk) as world, trio.open_nursery() as nursery:
        person = await world.active()
        await world.push(person, "一")
        logs, found = world.daemon.services.logs, list[int]()

        async def search() -> None:
            found.append(len(await logs.of(owner(world, person), LogForm(q="一"))))

        disk.holding = True
        for _ in range(5):
            nursery.start_soon(search)
        await trio.testing.wait_all_tasks_blocked()
        disk.holding = False
        with trio.fail_after(1):
            assert len(await logs.of(owner(world, person), LogForm())) == 1
        assert found == []
        disk.go.set()
        await world.until(lambda: found == [1] * 5)


async def test_a_text_made_to_be_searched_slowly_is_not(tmp_path: Path, autojump_clock: object) -> None:
    """SQLite's LIKE takes half a second for each."""
    async with open_world(tmp_path, rate_limit=1000) as world:
        person = await world.active()
        for n in range(20):
            await world.push(person, "", "A" * 1_000_000 + str(n), delay=60.0, wait=0)
        began = time.monotonic()
        assert await world.daemon.services.logs.of(owner(world, person), LogForm(q="a" * 199 + "b")) == []
        [one] = await world.daemon.services.logs.of(owner(world, person), LogForm(q="a" * 199 + "17"))
        assert one.text is not None
        assert one.text.endswith("A17")
        assert time.monotonic() - began < 3


async def test_a_waiting_row_is_deleted_a_sent_one_is_not(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        user_id, logs = owner(world, person), world.daemon.services.logs
        await world.push(person, "一")
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=3.0))
        await world.push(person, "二", wait=0)
        await trio.sleep(1.5)
        await world.push(person, "三", wait=0)
        third, second, first = await logs.of(user_id, LogForm())
        for row in (first, second):  # sent, and being sent
            with pytest.raises(AlreadySent) as refused:
                await logs.delete(user_id, row.id)
            assert refused.value.text == "该消息已发出"
        assert await logs.delete(user_id, third.id)
        with pytest.raises(AlreadySent):
            await logs.delete(user_id, third.id)
        assert not await logs.delete(UserId(999), first.id)
        assert not await logs.delete(user_id, RowId(999))
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person) == ["一", "二"]
        row = (await logs.of(user_id, LogForm(limit=1)))[0]
        assert (row.status, row.reason) == (RowStatus.FAILED, Reason.DELETED)


@pytest.mark.parametrize(
    "form", [LogForm(limit=0), LogForm(limit=201), LogForm(status="done"), LogForm(before=-1), LogForm(channel=2**63)]
)
async def test_a_bad_filter_is_refused(form: LogForm, tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        with pytest.raises(Invalid):
            await world.daemon.services.logs.of(UserId(1), form)


@pytest.mark.parametrize("sees", [False, True])
async def test_administrators_see_texts_only_where_they_may(sees: bool, tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, admin_sees_text=sees) as world:
        for _ in range(2):
            await world.push(await world.active(), "标题", "正文")
        logs = world.daemon.services.logs
        rows = await logs.every(LogForm())
        assert len({row.user_id for row in rows}) == 2
        assert [(row.title, row.text) for row in rows] == [("标题", "正文") if sees else (None, None)] * 2
        if sees:
            assert len(await logs.every(LogForm(q="正"))) == 2
        else:
            with pytest.raises(Invalid, match="admin_sees_text"):
                await logs.every(LogForm(q="正"))


async def test_figures_of_today(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "昨天")
        await trio.sleep(86400)
        await world.active()
        await world.bind()
        await world.push(person, "今天", delay=60.0, wait=0)
        [row] = await world.daemon.services.logs.of(owner(world, person), LogForm(status="queued"))
        await world.daemon.services.logs.delete(owner(world, person), row.id)
        await world.push(person, "还在等", delay=60.0, wait=0)
        stats = await world.daemon.services.stats.view()
        assert (stats.total_users, stats.today_new_users, stats.admin_count, stats.disabled_users) == (3, 2, 0, 0)
        assert (stats.today_pushes, stats.failed_today, stats.queued, stats.active_channels) == (2, 1, 1, 2)
