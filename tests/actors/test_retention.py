"""What the housekeeper removes from the log of a whole daemon, and when."""

from contextlib import closing
from pathlib import Path

import pytest
import trio

from bottalk.service.logs import LogForm
from bottalk.service.pushes import PushAnswer
from bottalk.store.database import connect
from bottalk.values import LogRow
from tests.support.agreement import assert_memory_is_database, count
from tests.support.world import Person, World, open_world

DAY = 86_400.0
KEYS = "SELECT count(*) FROM push_logs WHERE idempotency_key IS NOT NULL OR content_hash IS NOT NULL"


async def log_of(world: World, person: Person) -> list[LogRow]:
    return await world.daemon.services.logs.of(world.channel(person).user_id, LogForm(limit=200))


async def days_later(world: World, days: float) -> None:
    """The clock goes on, and the housekeeper has made its rounds."""
    world.clock.offset += days * DAY
    await trio.sleep(3700)


def raw(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("bottalk.db*"))


async def test_settled_rows_leave_the_log_after_its_days(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, log_days=3) as world:
        person = await world.active()
        for n in range(10):
            await world.push(person, f"旧 {n}", wait=0)
            await trio.sleep(400)
        await world.push(person, "还在等", wait=0)
        await days_later(world, 2)
        assert len(await log_of(world, person)) == 11
        await days_later(world, 2)
        assert [row.title for row in await log_of(world, person)] == ["还在等"]
        await assert_memory_is_database(world, tmp_path)
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0)
        await trio.sleep(3700)
        assert [row.title for row in await log_of(world, person)] == ["还在等"], "it was settled just now"
        await days_later(world, 3.1)
        assert await log_of(world, person) == []


async def test_months_without_a_daemon_are_made_up_for(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        answer = await world.push(person, "去年")
        assert answer.push_id is not None
    row = "SELECT * FROM push_logs WHERE id = 1"
    with closing(connect(tmp_path / "bottalk.db")) as connection:
        columns = [name for name in connection.execute(row).fetchone().keys() if name != "id"]  # noqa: SIM118
        names = ", ".join(columns)
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
            f" INSERT INTO push_logs ({names}) SELECT {names} FROM push_logs, n WHERE id = 1"
        )
    world.clock.offset += 200 * DAY
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await trio.sleep(5)
        assert await log_of(again, person) == []
        jobs = {job.name: job for job in again.daemon.status().housekeeper.jobs}
        assert jobs["retention"].done >= 3001
        assert jobs["retention"].last_round_at is not None
        assert jobs["checkpoint"].done >= 1
        await again.push(person, "今年")
        assert [row.id for row in await log_of(again, person)] == [3002], "an id is not given again"


async def test_an_idempotency_key_is_forgotten_after_a_day(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()

        async def push() -> PushAnswer:
            return await world.push(person, "一次", idempotency_key="k")

        first = await push()
        await trio.sleep(20 * 3600)
        assert (await push()).push_id == first.push_id
        assert count(tmp_path, KEYS) == 1
        await trio.sleep(6 * 3600)
        assert count(tmp_path, KEYS) == 0
        assert [row.source for row in await log_of(world, person)].count("api") == 1


@pytest.mark.parametrize(("log_texts", "kept"), [("title", ("题", "")), ("none", ("", ""))])
async def test_the_log_keeps_no_more_than_it_should(
    tmp_path: Path, autojump_clock: object, log_texts: str, kept: tuple[str, str]
) -> None:
    async with open_world(tmp_path, log_texts=log_texts) as world:
        person = await world.active()
        answer = await world.push(person, "题", "绝密的正文", idempotency_key="k")
        assert world.texts(person) == ["题\n\n绝密的正文"]
        assert [(row.title, row.text) for row in await log_of(world, person)] == [kept]
        again = await world.push(person, "题", "绝密的正文", idempotency_key="k")
        assert again.push_id == answer.push_id, "what the key stands for is known without the text"
        await trio.sleep(200)  # nobody writes
        assert "绝密的正文".encode() not in raw(tmp_path)


async def test_texts_kept_until_now_are_emptied_when_the_setting_changes(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "题", "绝密的正文")
    for log_texts, kept in (("title", ("题", "")), ("full", ("题", "")), ("none", ("", ""))):
        async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock, log_texts=log_texts) as again:
            await trio.sleep(200)
            assert [(row.title, row.text) for row in await log_of(again, person)] == [kept]
            assert "绝密的正文".encode() not in raw(tmp_path)


async def test_a_queue_without_memory_of_texts_loses_none(tmp_path: Path, autojump_clock: object) -> None:
    """What waits keeps its text whatever the log keeps of it later."""
    async with open_world(tmp_path, log_texts="none") as world:
        person = await world.active()
        for n in range(60):
            await world.push(person, f"<{n:02}>", wait=0)
        await world.until(lambda: world.waiting(person) == 0, within=DAY)
        everything = "\n".join(world.texts(person))
        assert [everything.count(f"<{n:02}>") for n in range(60)] == [1] * 60
        assert {(row.title, row.text) for row in await log_of(world, person)} == {("", "")}
