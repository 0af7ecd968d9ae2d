"""What the mailbox of a supervised actor promises through crashes and stops."""

from math import inf

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import Child, ChildSpec, ChildState, NotTaken, OutcomeUnknown
from tests.supervisors.tools import STEADY, Boom, Double, a_box, a_supervisor, deaf, doubling, idle, running


async def test_asks_and_tells_through_a_crash(autojump_clock: MockClock) -> None:
    taken: list[object] = []

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        assert child.mailbox is not None
        task_status.started()
        async for letter in child.mailbox:
            taken.append(letter.message)
            await trio.sleep(1)
            if letter.message == Double(1):
                raise Boom
            if letter.is_ask:
                letter.reply(7)

    box = a_box()
    results: dict[int, object] = {}

    async def ask(n: int) -> None:
        try:
            results[n] = await box.ask(Double(n))
        except Exception as error:
            results[n] = type(error)

    supervisor = a_supervisor([ChildSpec("a", body, box, backoff=STEADY)])
    async with running(supervisor) as nursery:
        nursery.start_soon(ask, 1)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, 2)  # still untaken when it dies
        await wait_all_tasks_blocked()
        box.tell("kept")
        await trio.sleep(1.5)
        assert results == {1: OutcomeUnknown, 2: NotTaken}
        assert supervisor.child("a").state is ChildState.BACKING_OFF
        nursery.start_soon(ask, 3)  # waits for the next incarnation
        await trio.sleep(10)
    assert results[3] == 7
    assert taken == [Double(1), "kept", Double(3)]


async def test_a_long_error_is_cut_for_the_status() -> None:
    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        raise Boom("x" * 100_000)

    supervisor = a_supervisor([ChildSpec("a", body)])
    async with running(supervisor):
        await wait_all_tasks_blocked()
        assert len(supervisor.child("a").last_error or "") == 500


async def test_asks_of_a_stopped_child_are_refused_and_tells_kept() -> None:
    box = a_box()
    supervisor = a_supervisor([ChildSpec("a", doubling, box)])
    async with running(supervisor):
        await supervisor.stop_child("a")
        with pytest.raises(NotTaken):
            await box.ask(Double(1))
        box.tell(Double(1))
        await supervisor.restart_child("a")
        assert await box.ask(Double(4)) == 8
        assert box.depth == 0
    with pytest.raises(NotTaken):
        await box.ask(Double(1))


async def test_status_of_a_child_shows_its_mailbox() -> None:
    box = a_box()
    supervisor = a_supervisor([ChildSpec("a", deaf, box, stop_timeout=0)])
    async with running(supervisor):
        box.tell(1)
        assert supervisor.child("a").mailbox == box.status()
        assert supervisor.status().children == (supervisor.child("a"),)


async def test_a_body_may_wait_for_ever_to_start_and_to_stop(autojump_clock: MockClock) -> None:
    async def slow(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(10_000)
        await idle(child, task_status=task_status)
        await trio.sleep(10_000)

    supervisor = a_supervisor([ChildSpec("a", slow, start_timeout=inf, stop_timeout=inf)])
    async with running(supervisor):
        assert trio.current_time() == pytest.approx(10_000)
    assert trio.current_time() == pytest.approx(20_000)
