"""A channel that keeps crashing is parked, visible, and alone in it."""

from pathlib import Path

import trio

from bottalk.health import Cause, Health, Level
from bottalk.values import RowStatus
from supervisors import ChildState, SupervisorStatus
from tests.e2e.tampered import tampered_world
from tests.support.world import Person, World, open_world


async def test_a_channel_that_keeps_crashing_is_parked_and_the_others_go_on(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with tampered_world(tmp_path) as (world, wire):
        ill, well = await world.active(), await world.active()
        wire.broken.add(world.channel(ill).bot_token.reveal())
        while not is_parked(world, ill):
            answer = await world.push(well, "还在")
            assert answer.rows[0].outcome.status in (RowStatus.SUCCESS, RowStatus.QUEUED)
            if world.sandbox.window(well.user) != "open":
                await world.write(well)
            await trio.sleep(2)
        assert restarts(world, well) == 0

        parked = world.daemon.channels.child(ill.channel_id)
        assert parked is not None
        assert parked.state is ChildState.PARKED
        assert "planted" in (parked.last_error or "")
        assert f"channel {ill.channel_id}" in parked_names(world)
        health = health_of(world, ill)
        assert (health.level, health.cause) == (Level.RED, Cause.PARKED)
        assert health.since is not None
        assert health_of(world, well).level is Level.GREEN

        asked_at = trio.current_time()
        outcome = (await world.push(ill, "等修好")).rows[0].outcome
        assert (outcome.status, outcome.kept) == (RowStatus.QUEUED, True)
        assert trio.current_time() == asked_at, "nothing to wait for while it is parked"

        wire.broken.clear()
        await world.daemon.channels.restart(ill.channel_id)
        await world.until(lambda: "等修好" in world.texts(ill), within=10)
        await world.until(lambda: health_of(world, ill).level is Level.GREEN, within=60)
        assert parked_names(world) == set()
        assert world.sandbox.max_concurrent_polls() == 1
        world.sandbox.check_invariants()


async def test_one_crash_is_a_restart_and_nothing_is_lost(tmp_path: Path, autojump_clock: object) -> None:
    async with tampered_world(tmp_path) as (world, wire):
        person = await world.active()
        token = world.channel(person).bot_token.reveal()
        wire.broken.add(token)
        outcome = (await world.push(person, "第一条", wait=0)).rows[0].outcome
        assert outcome.kept
        await world.until(lambda: restarts(world, person) == 1)
        wire.broken.clear()
        await world.until(lambda: world.texts(person) == ["第一条"], within=10)
        assert world.waiting(person) == 0
        assert world.sandbox.max_concurrent_polls() == 1


async def test_a_parked_channel_runs_again_after_a_restart_of_the_daemon(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with tampered_world(tmp_path) as (world, wire):
        person = await world.active()
        wire.broken.add(world.channel(person).bot_token.reveal())
        await world.until(lambda: is_parked(world, person))
        await world.push(person, "停机前")
        sandbox, clock = world.sandbox, world.clock
    async with open_world(tmp_path, sandbox=sandbox, clock=clock) as again:
        await again.until(lambda: again.texts(person) == ["停机前"], within=10)


def health_of(world: World, person: Person) -> Health:
    return world.daemon.services.channels.view(world.channel(person)).health


def restarts(world: World, person: Person) -> int:
    child = world.daemon.channels.child(person.channel_id)
    assert child is not None
    return child.restarts


def parked_names(world: World) -> set[str]:
    """The parked children anywhere in the tree's status value."""
    found: set[str] = set()

    def walk(status: SupervisorStatus) -> None:
        for child in status.children:
            if child.state is ChildState.PARKED:
                found.add(child.name)
            if child.children is not None:
                walk(child.children)

    walk(world.daemon.status().tree)
    return found


def is_parked(world: World, person: Person) -> bool:
    child = world.daemon.channels.child(person.channel_id)
    return child is not None and child.state is ChildState.PARKED
