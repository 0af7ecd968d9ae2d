"""A push through the whole tree, in virtual time, against the sandbox."""

import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from bottalk.errors import Refusal
from bottalk.values import ChannelStatus, Reason, RowStatus
from tests.support.world import World, open_world


async def test_scan_activate_push_and_the_text_is_on_the_phone(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        assert world.channel(person).status is ChannelStatus.PENDING
        assert (await world.push(person, "早")).refusal is Refusal.NO_CHANNEL
        await world.write(person)
        assert world.channel(person).status is ChannelStatus.ACTIVE
        answer = await world.push(person, "标题", "正文")
        assert [row.outcome.status for row in answer.rows] == [RowStatus.SUCCESS]
        assert world.texts(person) == ["标题\n\n正文"]
        assert answer.rows[0].window is not None
        assert answer.rows[0].window.left == 9
        world.sandbox.check_invariants()


async def test_what_gathers_while_a_message_is_under_way_goes_out_together(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        answers = []

        async def one(n: int) -> None:
            answers.append(await world.push(person, f"消息 {n:02}"))

        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(one, n)
        assert {answer.rows[0].outcome.status for answer in answers} == {RowStatus.SUCCESS}
        assert len(world.texts(person)) <= 4
        everything = "\n".join(world.texts(person))
        assert all(everything.count(f"消息 {n:02}") == 1 for n in range(20))


async def test_past_ten_messages_pushes_are_kept_and_drain_with_the_next_word(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        for n in range(10):
            await world.push(person, f"第 {n} 条", wait=0)
            await trio.sleep(400)
        assert len(world.texts(person)) == 10
        before = sends(world)
        answer = await world.push(person, "窗口外", "也不会丢")
        outcome = answer.rows[0].outcome
        assert (outcome.status, outcome.kept, outcome.reason) == (RowStatus.FAILED, True, Reason.CONTEXT_EXPIRED)
        assert sends(world) == before
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=5)
        assert world.texts(person)[-1] == "窗口外\n\n也不会丢"
        world.sandbox.check_invariants()


def sends(world: World) -> int:
    """How often iLink was asked to take a message."""
    return sum(call.endpoint == "sendmessage" for call in world.sandbox.record.calls)


async def test_two_pollers_never_share_a_token(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        for _ in range(3):
            await world.daemon.channels.restart(person.channel_id)
            await trio.sleep(50)
        await world.write(person)
        assert world.sandbox.max_concurrent_polls() == 1


async def test_what_is_queued_at_the_end_is_sent_after_a_restart(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        await world.write(person)
        for n in range(10):
            await world.push(person, f"第 {n} 条", wait=0)
            await trio.sleep(400)
        await world.push(person, "重启前", wait=0)
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        assert again.waiting(person) == 1
        await again.write(person)
        await again.until(lambda: again.waiting(person) == 0, within=5)
        assert again.texts(person)[-1] == "重启前"


async def test_what_is_over_is_not_kept(tmp_path: Path, autojump_clock: object) -> None:
    """Messages that were seen a day ago, and sessions that ended, leave the database within an hour."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.daemon.services.sessions.open()
        for _ in range(3):
            world.clock.offset += 31 * 86_400
            await world.write(person)
            await world.daemon.services.sessions.open()
        await trio.sleep(3700)
    with closing(sqlite3.connect(tmp_path / "bottalk.db")) as connection:
        (days,) = connection.execute("SELECT max(seen_at) - min(seen_at) FROM inbound").fetchone()
        assert days == 0
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
