"""Rows that go from one channel to another of the same account: in order, none lost, none sent to both."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bottalk.config import DeliverySettings
from bottalk.delivery.window import State, state
from bottalk.errors import Refused
from bottalk.messages import MoveRows, SendEvent, Settle
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.pushes import PushAnswer
from bottalk.values import ChannelId, ChannelStatus, Outcome, Reason, RowStatus, Settlement
from tests.actors.test_queue_drops import FAULTS, owner, rows_of, slow
from tests.service.test_channel_changes import add
from tests.support.world import Person, World, open_world

DELIVERY = DeliverySettings()


async def two(world: World) -> tuple[Person, Person]:
    """Two active channels of one account."""
    person = await world.active()
    user = world.sandbox.new_user()
    channel_id = await add(world, person, user)
    second = Person(user, channel_id, person.send_key, person.visitor)
    await world.write(second)
    return person, second


async def dead(world: World, person: Person) -> None:
    """Its login has ended, and the daemon knows."""
    world.sandbox.expire(person.user)
    await world.until(lambda: world.channel(person).status is ChannelStatus.INACTIVE)


async def push(world: World, person: Person, title: str, **more: Any) -> PushAnswer:  # noqa: ANN401
    return await world.push(person, title, channel=str(person.channel_id), wait=0, **more)


async def test_what_a_lost_wechat_was_to_get_goes_to_another_in_order(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        lost, other = await two(world)
        await dead(world, lost)
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=5.0))
        await push(world, other, "零")  # under way
        await push(world, lost, "一")
        await push(world, other, "二")
        await push(world, lost, "三")
        assert await world.daemon.services.operations.move(lost.channel_id, other.channel_id) == 2
        assert (world.waiting(lost), world.waiting(other)) == (0, 4)
        await world.until(lambda: world.waiting(other) == 0)
        everything = "".join(world.texts(other))
        places = [everything.index(title) for title in "零一二三"]
        assert places == sorted(places)
        found = {row.title: (row.channel_id, row.status) for row in await rows_of(world, owner(world, lost))}
        assert found == dict.fromkeys("零一二三", (other.channel_id, RowStatus.SUCCESS))
        world.sandbox.check_invariants()


async def test_who_waits_is_told_by_the_other_channel(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        busy, other = await two(world)
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=1))
        await push(world, busy, "先")
        await world.until(lambda: world.daemon.heartbeats.of(busy.channel_id).retrying_since is not None)
        answers: list[PushAnswer] = []

        async def wait() -> None:
            answers.append(await world.push(busy, "等", channel=str(busy.channel_id), wait=20))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await world.until(lambda: world.waiting(busy) == 2)
            await world.daemon.services.operations.move(busy.channel_id, other.channel_id)
        assert [row.outcome.status for row in answers[0].rows] == [RowStatus.SUCCESS]
        assert any("等" in text for text in world.texts(other))


async def test_after_a_restart_the_rows_are_where_they_went(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        lost, other = await two(world)
        await dead(world, lost)
        await push(world, lost, "甲", delay=600)
        assert await world.daemon.services.operations.move(lost.channel_id, other.channel_id) == 1
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        assert (again.waiting(lost), again.waiting(other)) == (0, 1)
        await again.until(lambda: again.waiting(other) == 0)
        assert "甲" in "".join(again.texts(other))


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_gave_a_row_away_judges_it_no_more(at_once: bool, tmp_path: Path, autojump_clock: object) -> None:
    """The old channel's actor finds a row expired while it is moved: its word comes too late, in the same commit or a
    later one."""
    async with open_world(tmp_path) as world:
        lost, other = await two(world)
        await dead(world, lost)
        await push(world, lost, "甲", delay=600)
        (row,) = world.daemon.pictures.outboxes.of(lost.channel_id)
        journal = world.daemon.journal.mailbox
        end = Settlement(row.id, Outcome(RowStatus.FAILED, reason=Reason.EXPIRED))
        token = world.channel(lost).bot_token
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal.ask, MoveRows(lost.channel_id, other.channel_id))
            if at_once:
                await trio.lowlevel.checkpoint()  # it is asked for first
            else:
                await world.until(lambda: world.waiting(other) == 1)
            nursery.start_soon(journal.ask, Settle(lost.channel_id, token, SendEvent.NOTHING, 0, (end,)))
        await world.until(lambda: "甲" in "".join(world.texts(other)))
        await world.until(lambda: world.waiting(other) == 0)
        assert [row.status for row in await rows_of(world, owner(world, lost))] == [RowStatus.SUCCESS]


async def test_what_is_under_way_stays(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person, other = await two(world)
        world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=5.0))
        await push(world, person, "在路上")
        await world.until(lambda: len(world.daemon.pictures.outboxes.of(person.channel_id).in_hand) == 1)
        assert await world.daemon.services.operations.move(person.channel_id, other.channel_id) == 0
        await world.until(lambda: world.waiting(person) == 0)
        assert "在路上" in world.texts(person)
        assert "在路上" not in "".join(world.texts(other))


async def test_only_to_a_live_channel_of_the_same_account(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person, other = await two(world)
        stranger = await world.active()
        operations = world.daemon.services.operations
        await push(world, person, "甲", delay=600)

        async def refused(source: ChannelId, target: ChannelId) -> int:
            with pytest.raises(Refused) as caught:
                await operations.move(source, target)
            return caught.value.status

        assert await refused(person.channel_id, ChannelId(99)) == 404
        assert await refused(ChannelId(99), person.channel_id) == 404
        assert await refused(person.channel_id, person.channel_id) == 400
        assert await refused(person.channel_id, stranger.channel_id) == 400
        await dead(world, other)
        assert await refused(person.channel_id, other.channel_id) == 400
        await world.daemon.services.channels.delete(owner(world, other), other.channel_id)
        assert await refused(person.channel_id, other.channel_id) == 404
        assert world.waiting(person) == 1


# --- whatever crosses ---

steps = st.lists(
    st.tuples(
        st.sampled_from(["push", "push", "push", "move", "move_back", "drop", "write", "restart", "short", *FAULTS]),
        st.integers(0, 1),
        st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.5, 40.0]),
    ),
    max_size=14,
)


class Play:
    """One run of steps, each begun without waiting for the one before."""

    def __init__(self, world: World, people: tuple[Person, Person], nursery: trio.Nursery) -> None:
        self.world = world
        self.people = people
        self.nursery = nursery
        self.accepted: list[str] = []
        self.dropped = 0

    def step(self, what: str, n: int) -> None:
        person, operations = self.people[n], self.world.daemon.services.operations
        one, other = (p.channel_id for p in self.people)
        if what in FAULTS:
            self.world.sandbox.arm(FAULTS[what])
        elif what in ("push", "short"):
            title = f"<{len(self.accepted):03}>"
            self.accepted.append(title)
            more = {"ttl": 60} if what == "short" else {}
            self.begin(lambda: push(self.world, person, title, **more))
        elif what == "move":
            self.begin(lambda: operations.move(one, other))
        elif what == "move_back":
            self.begin(lambda: operations.move(other, one))
        elif what == "drop":
            self.begin(lambda: self.drop(person.channel_id))
        elif what == "write":
            self.world.sandbox.write(person.user)
        else:
            self.begin(lambda: self.world.daemon.services.channels.restart(person.channel_id))

    async def drop(self, channel_id: ChannelId) -> None:
        self.dropped += await self.world.daemon.services.operations.drop(channel_id)

    def begin(self, what: Callable[[], Awaitable[object]]) -> None:
        async def run() -> None:
            await what()

        self.nursery.start_soon(run)


async def drained(world: World, people: tuple[Person, Person]) -> None:
    """Nothing waits any more: each writes whenever the window needs it."""
    world.sandbox.disarm()
    for _ in range(20):
        if not any(world.waiting(person) for person in people):
            return
        for person in people:
            world.sandbox.forgive(person.user)
            if state(world.channel(person).window, world.clock.now(), DELIVERY) is not State.OPEN:
                world.sandbox.write(person.user)
        await trio.sleep(600)
    raise AssertionError("something waits for ever")


async def play_all(script: list[tuple[str, int, float]], seed: int, directory: Path) -> None:
    async with open_world(directory, seed=seed, runner=slow(random.Random(seed))) as world:
        people = await two(world)
        async with trio.open_nursery() as nursery:
            play = Play(world, people, nursery)
            for what, n, pause in script:
                play.step(what, n)
                if pause:
                    await trio.sleep(pause)
        await drained(world, people)
        rows = await rows_of(world, owner(world, people[0]))
        assert sorted(row.title or "" for row in rows) == sorted(play.accepted)
        shown = ["\n".join(world.texts(person)) for person in people]
        for row in rows:
            where = [row.title in text for text in shown if row.title]
            if row.status is RowStatus.SUCCESS:
                assert where[0 if row.channel_id == people[0].channel_id else 1], "delivered where the log says"
            elif "maybe_duplicate" not in row.response:
                assert not any(where), f"{row.title} was settled {row.reason} and is on a phone"
            if "maybe_duplicate" not in row.response:
                assert sum(where) <= 1
        assert sum(row.reason is Reason.DELETED for row in rows) == play.dropped
        world.sandbox.check_invariants()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=steps, seed=st.integers(0, 10**6))
def test_a_row_goes_to_one_phone_or_ends_with_a_reason(script: list[tuple[str, int, float]], seed: int) -> None:
    with TemporaryDirectory() as directory:
        trio.run(play_all, script, seed, Path(directory), clock=trio.testing.MockClock(autojump_threshold=0))
