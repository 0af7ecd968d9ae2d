"""Rows dropped while their channel sends: whatever crosses, each is delivered or `deleted`, not both, not neither."""

import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bottalk.config import DeliverySettings
from bottalk.delivery.window import State, state
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.logs import AlreadySent, LogForm
from bottalk.store.threads import Runner
from bottalk.values import LogRow, Reason, RowStatus, UserId
from tests.support.world import Person, World, open_world

R = TypeVar("R")

DELIVERY = DeliverySettings()

FAULTS = {
    "slow": Fault(kind="delay", endpoint="sendmessage", delay_s=2.0),
    "down": Fault(kind="status", endpoint="sendmessage", times=2),
    "lost": Fault(kind="lost_answer", endpoint="sendmessage"),
    "cut": Fault(kind="reset", endpoint="sendmessage"),
    "refused": Fault(kind="wrong_code", endpoint="sendmessage", ret=-2),
    "poll": Fault(kind="status", endpoint="getupdates", times=3),
}

Step = tuple[str, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(["push", "push", "push", "drop", "drop_one", "clear", "write", "restart", *FAULTS]),
        st.sampled_from([0.0, 0.0, 0.01, 0.5, 1.5, 40.0]),
    ),
    max_size=14,
)


async def rows_of(world: World, user_id: UserId) -> list[LogRow]:
    return await world.daemon.services.logs.of(user_id, LogForm(limit=200))


def owner(world: World, person: Person) -> UserId:
    return world.channel(person).user_id


class Play:
    """One run of steps, each begun without waiting for the one before."""

    def __init__(self, world: World, person: Person, nursery: trio.Nursery) -> None:
        self.world = world
        self.person = person
        self.nursery = nursery
        self.accepted: list[str] = []
        self.dropped = 0

    async def step(self, what: str) -> None:
        user_id, services = owner(self.world, self.person), self.world.daemon.services
        if what in FAULTS:
            self.world.sandbox.arm(FAULTS[what])
        elif what == "push":
            self.accepted.append(f"<{len(self.accepted):03}>")
            self.begin(lambda title=self.accepted[-1]: self.world.push(self.person, title, wait=0))  # type: ignore[misc] # a default binds it now
        elif what == "drop":
            self.begin(self._drop)
        elif what == "drop_one":
            rows = [row for row in await rows_of(self.world, user_id) if row.source != "system"]
            waiting = [row for row in rows if row.status is RowStatus.QUEUED]
            if waiting:
                self.begin(lambda: self._drop_one(waiting[0]))
        elif what == "clear":
            self.world.sandbox.write(self.person.user, "清空")
        elif what == "write":
            self.world.sandbox.write(self.person.user)
        else:
            self.begin(lambda: services.channels.restart(self.person.channel_id))

    def begin(self, what: Callable[[], Awaitable[object]]) -> None:
        async def run() -> None:
            await what()

        self.nursery.start_soon(run)

    async def _drop(self) -> None:
        services = self.world.daemon.services
        count = await services.channels.drop_queue(owner(self.world, self.person), self.person.channel_id)
        assert count is not None
        self.dropped += count

    async def _drop_one(self, row: LogRow) -> None:
        try:
            assert await self.world.daemon.services.logs.delete(row.user_id, row.id)
        except AlreadySent:
            return
        self.dropped += 1


async def drained(world: World, person: Person) -> None:
    """Nothing waits any more: the person writes whenever the window needs it."""
    world.sandbox.disarm()
    for _ in range(20):
        if world.waiting(person) == 0:
            return
        world.sandbox.forgive(person.user)
        if state(world.channel(person).window, world.clock.now(), DELIVERY) is not State.OPEN:
            world.sandbox.write(person.user)
        await trio.sleep(600)
    raise AssertionError("something waits for ever")


def check(world: World, person: Person, rows: list[LogRow], play: Play) -> None:
    everything = "\n".join(world.texts(person))
    answers = [re.fullmatch(r"已清空 (\d+) 条等待的消息。", str(row.text)) for row in rows if row.source == "system"]
    play.dropped += sum(int(answer[1]) for answer in answers if answer is not None)
    rows = [row for row in rows if row.source != "system"]
    assert sorted(row.title or "" for row in rows) == sorted(play.accepted)  # none lost
    by_reason = Counter((row.status, row.reason) for row in rows)
    assert set(by_reason) <= {(RowStatus.SUCCESS, None), (RowStatus.FAILED, Reason.DELETED)}
    assert by_reason[RowStatus.FAILED, Reason.DELETED] == play.dropped  # the count that was answered is the truth
    for row in rows:
        times = everything.count(str(row.title))
        if row.status is RowStatus.SUCCESS:
            assert times >= 1
        elif "maybe_duplicate" not in row.response:
            assert times == 0, f"{row.title} was settled deleted and is on the phone"


def slow(rng: random.Random) -> Runner:
    """Runs the store's calls in place, with checkpoints before and after: a commit is known only some time later."""

    async def run(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            for _ in range(rng.randrange(8)):
                await trio.lowlevel.checkpoint()
            found = function()
            for _ in range(rng.randrange(8)):
                await trio.lowlevel.checkpoint()
            return found

    return run


async def play_all(script: list[Step], seed: int, directory: Path) -> None:
    async with open_world(directory, seed=seed, runner=slow(random.Random(seed))) as world:
        person = await world.active()
        async with trio.open_nursery() as nursery:
            play = Play(world, person, nursery)
            for what, pause in script:
                await play.step(what)
                if pause:
                    await trio.sleep(pause)
        await drained(world, person)
        check(world, person, await rows_of(world, owner(world, person)), play)
        world.sandbox.check_invariants()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=steps, seed=st.integers(0, 10**6))
def test_a_row_is_delivered_or_deleted(script: list[Step], seed: int) -> None:
    with TemporaryDirectory() as directory:
        trio.run(play_all, script, seed, Path(directory), clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_batch_is_made_anew_when_a_row_of_it_left(tmp_path: Path, autojump_clock: object) -> None:
    """It was tried and cannot have arrived: what remains goes under another client_id."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "先")
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=1))
        await world.push(person, "甲", wait=0)
        await world.push(person, "乙", wait=0)
        sent = len(world.sandbox.record.of("sendmessage"))
        await world.until(lambda: len(world.sandbox.record.of("sendmessage")) > sent)
        logs = world.daemon.services.logs
        row = next(row for row in await rows_of(world, owner(world, person)) if row.title == "甲")
        assert await logs.delete(row.user_id, row.id)
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person) == ["先", "乙"]
        world.sandbox.check_invariants()


async def test_what_may_have_arrived_stays(tmp_path: Path, autojump_clock: object) -> None:
    """Its answer was lost: it is tried again in the same bytes, and a drop passes it by."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "先")
        world.sandbox.arm(Fault(kind="lost_answer", endpoint="sendmessage"))
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=2))
        await world.push(person, "也许到了", wait=0)
        await world.until(lambda: world.daemon.heartbeats.of(person.channel_id).retrying_since is not None)
        await world.push(person, "还没走", wait=0)
        channels = world.daemon.services.channels
        await world.until(lambda: len(world.texts(person)) == 2)
        assert await channels.drop_queue(owner(world, person), person.channel_id) == 1
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person) == ["先", "也许到了", "也许到了"]
        statuses = {row.title: row.status for row in await rows_of(world, owner(world, person))}
        assert statuses["也许到了"] is RowStatus.SUCCESS
        assert statuses["还没走"] is RowStatus.FAILED


class Withholding:
    """A runner whose calls take `seconds` to be known as done, once that is set."""

    seconds = 0.0

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            found = function()
            await trio.sleep(self.seconds)
            return found


async def test_nothing_is_sent_while_its_drop_is_committed(tmp_path: Path, autojump_clock: object) -> None:
    """The disk is slow and the row's turn comes meanwhile: the commit counts, though nobody knows of it yet."""
    runner = Withholding()
    async with open_world(tmp_path, runner=runner) as world:
        person = await world.active()
        await world.push(person, "先")
        await world.push(person, "不要了", wait=0)
        runner.seconds = 5.0
        channels = world.daemon.services.channels
        assert await channels.drop_queue(owner(world, person), person.channel_id) == 1
        runner.seconds = 0.0
        await world.push(person, "后")
        assert world.texts(person) == ["先", "后"]
        world.sandbox.check_invariants()


async def test_nothing_is_sent_while_the_users_word_clears_it(tmp_path: Path, autojump_clock: object) -> None:
    """As above, by the command: what the answer counts does not arrive; a word that is no command holds nobody up."""
    runner = Withholding()
    async with open_world(tmp_path, runner=runner) as world:
        person = await world.active()
        await world.push(person, "先")
        await world.push(person, "不要了", wait=0)
        runner.seconds = 5.0
        await world.write(person, "清空")
        runner.seconds = 0.0
        await world.until(lambda: world.waiting(person) == 0)
        assert world.texts(person) == ["先", "已清空 1 条等待的消息。"]
        await world.push(person, "发出去", wait=0)
        runner.seconds = 5.0
        world.sandbox.write(person.user, "不要清空")
        await world.until(lambda: "发出去" in world.texts(person), within=4.5)
        runner.seconds = 0.0
        world.sandbox.check_invariants()
