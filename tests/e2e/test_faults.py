"""Lost answers, resets, 5xx, silence: the same bytes again, at most one copy too many, and the caller can see it."""

import json
from pathlib import Path

import pytest
import trio

from bottalk.sandbox.rules.faults import Fault
from bottalk.service.pushes import PushAnswer
from bottalk.values import RowStatus, RowStory
from tests.e2e.tampered import tampered_world
from tests.support.world import World

SENDS = "sendmessage"
FAULTS = {
    # name: the fault, copies on the phone, may the first try have arrived as far as we can know
    "lost answer": (Fault(kind="lost_answer", endpoint=SENDS), 2, True),
    "lost answer, silence": (Fault(kind="lost_answer", endpoint=SENDS, ending="hang"), 2, True),
    "reset before": (Fault(kind="reset", endpoint=SENDS), 1, True),
    "reset after": (Fault(kind="reset", endpoint=SENDS, when="after", at="body"), 2, True),
    "silence before": (Fault(kind="hang", endpoint=SENDS), 1, True),
    "garbage after": (Fault(kind="garbage", endpoint=SENDS, when="after"), 2, True),
    "500": (Fault(kind="status", status=500, endpoint=SENDS), 1, False),
    "503": (Fault(kind="status", status=503, endpoint=SENDS, body="empty"), 1, False),
    "504": (Fault(kind="status", status=504, endpoint=SENDS), 1, True),
    "524 after": (Fault(kind="status", status=524, endpoint=SENDS, when="after"), 2, True),
    "unknown number": (Fault(kind="wrong_code", endpoint=SENDS, ret=7), 1, False),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_one_fault_of_a_send(tmp_path: Path, autojump_clock: object, name: str) -> None:
    fault, copies, is_unsure = FAULTS[name]
    async with tampered_world(tmp_path) as (world, wire):
        person = await world.active()
        world.sandbox.arm(fault)
        answer = await world.push(person, "只此一条", "正文", wait=0)
        await trio.sleep(0.1)
        await world.push(person, "后来的", wait=0)  # gathers while the first is tried, and must not slip into its bytes
        await world.until(lambda: world.waiting(person) == 0, within=60)
        texts = world.texts(person)
        assert texts == ["只此一条\n\n正文"] * copies + ["后来的"]
        first, second, later = wire.sends
        assert first == second, "the same bytes under the same client_id"
        assert later["client_id"] != first["client_id"]
        response = await response_of(world, answer)
        assert response.get("maybe_duplicate", False) is is_unsure
        spent = world.channel(person).window.spent
        assert spent == (3 if is_unsure else 2), "an uncertain send counts"
        world.sandbox.check_invariants()


async def test_a_long_series_of_faults_and_the_text_still_arrives_once(tmp_path: Path, autojump_clock: object) -> None:
    async with tampered_world(tmp_path) as (world, wire):
        person = await world.active()
        world.sandbox.arm(Fault(kind="status", status=502, endpoint=SENDS, times=6))
        answer = await world.push(person, "终于")
        assert answer.rows[0].outcome.status is RowStatus.QUEUED
        await world.until(lambda: world.texts(person) == ["终于"], within=1200)
        assert len(wire.sends) == 7
        assert len({send["client_id"] for send in wire.sends}) == 1
        story = await story_of(world, answer)
        assert (story.outcome.status, story.attempts) == (RowStatus.SUCCESS, 7)


async def test_a_burst_penalty_rests_and_then_delivers(tmp_path: Path, autojump_clock: object) -> None:
    async with tampered_world(tmp_path) as (world, wire):
        person = await world.active()
        world.sandbox.set(penalty_extends=False)
        world.sandbox.penalize(person.user, 25)
        began = trio.current_time()
        answer = await world.push(person, "慢一点")
        assert (answer.rows[0].outcome.status, answer.rows[0].outcome.kept) == (RowStatus.QUEUED, True)
        assert trio.current_time() - began < 1, "the rest is known to be longer than the wait"
        await world.push(person, "一起走", wait=0)
        await world.until(lambda: world.waiting(person) == 0, within=60)
        assert trio.current_time() - began >= 30
        assert len(wire.sends) == 2, "one refusal, one message with everything"
        (text,) = world.texts(person)
        assert "慢一点" in text
        assert "一起走" in text
        assert world.channel(person).window.spent == 1, "a refusal costs nothing"
        world.sandbox.check_invariants()


async def test_a_stop_during_a_hanging_send_says_that_it_may_have_arrived(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with tampered_world(tmp_path) as (world, _):
        person = await world.active()
        world.sandbox.arm(Fault(kind="lost_answer", endpoint=SENDS, ending="hang"))
        await world.push(person, "停机时", wait=0)
        await world.until(lambda: world.texts(person))
        world.daemon.stop()
        await world.daemon.ended.wait()
        (row,) = world.daemon.pictures.outboxes.of(person.channel_id)
        assert row.maybe_duplicate
        assert world.channel(person).window.spent == 1


async def test_the_end_of_a_session_does_not_hide_a_send_that_was_under_way(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with tampered_world(tmp_path) as (world, _):
        person = await world.active()
        world.sandbox.arm(Fault(kind="lost_answer", endpoint=SENDS, ending="hang"))
        answer = await world.push(person, "恰好", wait=0)
        await world.until(lambda: world.texts(person))
        world.sandbox.takeover(person.user)
        await world.until(lambda: world.channel(person).is_dead, within=10)
        await world.bind(person.user)
        await world.write(person)
        await world.until(lambda: world.waiting(person) == 0, within=10)
        assert world.texts(person) == ["恰好", "恰好"]
        assert (await response_of(world, answer))["maybe_duplicate"] is True


async def story_of(world: World, answer: PushAnswer) -> RowStory:
    assert answer.push_id is not None
    assert answer.readkey is not None
    (story,) = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
    return story


async def response_of(world: World, answer: PushAnswer) -> dict[str, object]:
    found: dict[str, object] = json.loads((await story_of(world, answer)).response)
    return found
