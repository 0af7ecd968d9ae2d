"""iLink does not answer for a while, with a hundred channels: the daemon says so, calls little, and recovers alone."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.health import Cause, Level
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.values import RowStatus
from tests.support.world import Person, World, open_world

CHANNELS = 100
OUTAGE_S = 60.0
SLACK = 1e-6


async def many(world: World, number: int = CHANNELS) -> list[Person]:
    people: list[Person] = []

    async def one(n: int) -> None:
        person = await world.bind(ip=f"198.51.{n // 250}.{n % 250}")
        await world.write(person)
        people.append(person)

    async with trio.open_nursery() as nursery:
        for n in range(number):
            nursery.start_soon(one, n)
    return people


async def test_a_minute_of_refused_connections(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=DEMO) as world:
        people = await many(world)
        assert {health(world, person) for person in people} == {(Level.GREEN, None)}
        began = world.sandbox.now
        world.sandbox.arm(Fault(kind="refuse_connections", seconds=OUTAGE_S))
        await world.until(lambda: down_since(world), within=10)
        pushed_at = trio.current_time()
        for person in people:
            outcome = (await world.push(person, "断线中")).rows[0].outcome
            assert (outcome.status, outcome.kept) == (RowStatus.QUEUED, True)
        assert trio.current_time() - pushed_at < 1, "nobody waits for a host that is known to be down"
        await trio.sleep(began + OUTAGE_S - 1 - world.sandbox.now)

        assert abs((down_since(world) or 0.0) - began) < 10
        assert {health(world, person) for person in people} == {(Level.YELLOW, Cause.ILINK_DOWN)}
        during = [call.at for call in world.sandbox.record.calls if began < call.at < began + OUTAGE_S]
        assert busiest(during, within=1.0) <= 5
        assert len(during) > OUTAGE_S, "it goes on trying"
        assert restarts(world) == 0

        await world.until(lambda: down_since(world) is None, within=40)  # polls alone find out
        back = world.sandbox.now
        await world.until(lambda: all(world.texts(person) == ["断线中"] for person in people), within=60)
        await world.until(lambda: {health(world, person) for person in people} == {(Level.GREEN, None)}, within=60)
        polls = [call.at for call in world.sandbox.record.of("getupdates") if call.at >= back]
        assert busiest(polls, within=0.1) <= 21
        assert world.sandbox.max_concurrent_polls() == 1
        assert restarts(world) == 0
        world.sandbox.check_invariants()


async def test_after_polls_that_hung_all_channels_come_back_in_line(tmp_path: Path, autojump_clock: object) -> None:
    """Held polls time out all at once; when the host is back they must not begin all at once."""
    slow: dict[str, Any] = {"ilink.starts_per_second": 10.0, "ilink.calls_while_down": 0.2}
    async with open_world(tmp_path, parameters=DEMO, **slow) as world:
        people = await many(world, 30)
        await trio.sleep(40)
        world.sandbox.arm(Fault(kind="dead_ip", seconds=100))
        await world.until(lambda: down_since(world), within=100)
        await world.until(lambda: down_since(world) is None, within=200)
        back = world.sandbox.now
        await trio.sleep(120)
        polls = [call.at for call in world.sandbox.record.of("getupdates") if back < call.at < back + 20]
        assert len(polls) >= 15, "most of them stood in the slow line"
        assert busiest(polls, within=1.0) <= 11
        assert {health(world, person) for person in people} == {(Level.GREEN, None)}


async def test_at_start_polls_begin_one_after_the_other(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, parameters=DEMO) as world:
        await many(world)
    began = world.sandbox.now
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await trio.sleep(20)
        polls = [call.at for call in again.sandbox.record.of("notifystart") if call.at >= began]
        assert len(polls) == CHANNELS
        assert busiest(polls, within=0.1) <= 21


@pytest.mark.parametrize("kind", ["refuse_connections", "dead_ip"])
async def test_a_start_while_ilink_is_down_keeps_the_limit_too(
    tmp_path: Path, autojump_clock: object, kind: str
) -> None:
    async with open_world(tmp_path, parameters=DEMO) as world:
        await many(world)
    world.sandbox.arm(Fault(kind=kind, seconds=OUTAGE_S))  # type: ignore[arg-type]  # one of its kinds
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await again.until(lambda: down_since(again), within=30)
        down = again.sandbox.now
        await trio.sleep(120)
        record = again.sandbox.record.calls
        during = [call.at for call in record if down < call.at and call.why == kind]
        assert busiest(during, within=1.0) <= 5
        assert down_since(again) is None
        await again.until(lambda: {again.daemon.status().hosts[0].failures} == {0}, within=60)


def busiest(times: Iterable[float], *, within: float) -> int:
    """The most of these times in any stretch of so many seconds, its end left out."""
    ordered = sorted(times)
    most = first = 0
    for last, time in enumerate(ordered):
        while ordered[first] <= time - within + SLACK:
            first += 1
        most = max(most, last - first + 1)
    return most


def down_since(world: World) -> float | None:
    (host,) = world.daemon.status().hosts
    return host.down_since


def health(world: World, person: Person) -> tuple[Level, Cause | None]:
    found = world.daemon.services.channels.view(world.channel(person)).health
    return found.level, found.cause


def restarts(world: World) -> int:
    tree = next(child.children for child in world.daemon.status().tree.children if child.name == "channels")
    assert tree is not None
    return sum(child.restarts for child in tree.children)
