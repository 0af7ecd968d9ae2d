"""A text that iLink will not take, through the whole tree: the others go on, and it is told as failed."""

import json
from pathlib import Path

import pytest
import trio

from bottalk.config import DeliverySettings
from bottalk.service.pushes import PushAnswer
from bottalk.values import Closed, Outcome, Reason, RowStatus, RowStory
from tests.actors.picky import picky_world
from tests.support.world import World

LADDER_S = sum(DeliverySettings().penalty) + 10
GIVEN_UP = (RowStatus.FAILED, Reason.ILINK_OTHER)


async def story_of(world: World, answer: PushAnswer) -> RowStory:
    assert answer.push_id is not None
    assert answer.readkey is not None
    (story,) = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
    return story


async def test_another_number_five_times_and_the_next_goes_alone(tmp_path: Path, autojump_clock: object) -> None:
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        picky.refused, picky.ret = {"坏"}, -3
        bad = await world.push(person, "坏", wait=0)
        await trio.sleep(0.1)
        for n in range(3):
            await world.push(person, f"好 {n}", wait=0)
        await world.until(lambda: len(world.texts(person)) == 1, within=60)
        assert picky.tried == ["坏"] * 5 + ["好 0"]
        await world.until(lambda: world.waiting(person) == 0, within=600)
        assert world.texts(person) == ["好 0", "好 1", "好 2"], "one more alone, to be sure"
        story = await story_of(world, bad)
        assert story.outcome == Outcome(RowStatus.FAILED, reason=Reason.ILINK_OTHER, ret=-3)
        assert story.attempts == picky.tried.count("坏") == 6
        assert json.loads(story.response)["errcode"] == -3
        assert world.channel(person).window.spent == 3
        assert world.daemon.heartbeats.of(person.channel_id).retrying_since is None
        world.sandbox.check_invariants()


async def test_a_text_that_a_proxy_finds_too_large_holds_up_nobody(tmp_path: Path, autojump_clock: object) -> None:
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        picky.refused, picky.status = {"坏"}, 413
        bad = await world.push(person, "坏", wait=0)
        await trio.sleep(0.1)
        for n in range(3):
            await world.push(person, f"好 {n}", wait=0)
        await world.until(lambda: world.waiting(person) == 0, within=600)
        assert world.texts(person) == ["好 0", "好 1", "好 2"]
        story = await story_of(world, bad)
        assert story.outcome == Outcome(RowStatus.FAILED, reason=Reason.ILINK_OTHER, ret=413)
        assert world.channel(person).window.spent == 3


async def test_a_digest_with_one_bad_text(tmp_path: Path, autojump_clock: object) -> None:
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        await world.push(person, "先")
        picky.refused, picky.ret = {"坏"}, 7
        answers = {title: await world.push(person, title, wait=0) for title in ("一", "二", "坏", "三", "四")}
        await trio.sleep(600)
        assert world.waiting(person) == 0
        everything = "\n".join(world.texts(person))
        for title, answer in answers.items():
            story = await story_of(world, answer)
            if title == "坏":
                assert (story.outcome.status, story.outcome.reason) == GIVEN_UP
                assert title not in everything
            else:
                assert story.outcome.status is RowStatus.SUCCESS
                assert everything.count(title) == 1


async def test_while_nothing_passes_nothing_is_given_up(tmp_path: Path, autojump_clock: object) -> None:
    """iLink answers −1 to everything for an afternoon; it is tried slowly, and all of it arrives."""
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        picky.refused, picky.ret = {""}, -1
        for n in range(4):
            await world.push(person, f"第 {n} 条", wait=0)
        await trio.sleep(4 * 3600)
        assert world.waiting(person) == 4
        tried = len(picky.tried)
        await trio.sleep(3600)
        assert 10 <= len(picky.tried) - tried <= 16, "every five minutes"
        picky.refused.clear()
        await world.until(lambda: world.waiting(person) == 0, within=900)
        assert all("\n".join(world.texts(person)).count(f"第 {n} 条") == 1 for n in range(4))


@pytest.mark.parametrize("others", [1, 3])
async def test_a_whole_ladder_of_refusals(tmp_path: Path, autojump_clock: object, others: int) -> None:
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        picky.refused = {"坏"}
        bad = await world.push(person, "坏", wait=0)
        await trio.sleep(0.1)
        good = [f"好 {n}" for n in range(others)]
        for title in good:
            await world.push(person, title, wait=0)
        await trio.sleep(LADDER_S)
        assert world.channel(person).window.closed is Closed.REJECTED
        ladder = len(picky.tried)
        assert ladder == 6
        await world.write(person)
        await world.until(lambda: len(world.texts(person)) == 1, within=5)
        assert len(picky.tried) == ladder + 1
        assert good[-1] in world.texts(person)[0] or good[0] in world.texts(person)[0]
        assert "坏" not in picky.tried[ladder]
        await world.push(person, "后来", wait=0)
        await world.until(lambda: "后来" in "\n".join(world.texts(person)), within=200)
        await world.push(person, "更后来", wait=0)
        await trio.sleep(LADDER_S + 60)
        assert world.waiting(person) == 0
        story = await story_of(world, bad)
        assert (story.outcome.status, story.outcome.reason, story.outcome.ret) == (*GIVEN_UP, -2)
        everything = "\n".join(world.texts(person))
        assert all(title in everything for title in good)
        assert world.channel(person).window.closed is None


async def test_a_restart_that_forgets_it_costs_a_probe_more(tmp_path: Path, autojump_clock: object) -> None:
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        picky.refused = {"坏"}
        await world.push(person, "坏", wait=0)
        await trio.sleep(0.1)
        await world.push(person, "好", wait=0)
        await trio.sleep(LADDER_S)
        assert world.channel(person).window.closed is Closed.REJECTED
        await world.daemon.channels.restart(person.channel_id)
        tried = len(picky.tried)
        await trio.sleep(2 * 3600 + 60)
        assert world.texts(person) == ["好"]
        assert "坏" in picky.tried[tried], "a probe of everything"
        assert picky.tried[tried + 1] == "好", "and an hour later another row alone"
