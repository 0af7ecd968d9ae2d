"""How children start, and what becomes of those that do not."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import Child, ChildSpec, ChildState, DuplicateChild, NotRunning, Restart, StartFailed, UnknownChild
from tests.supervisors.tools import Boom, Double, a_box, a_supervisor, crashing, doubling, hangs, idle, running


async def test_children_start_top_to_bottom_and_stop_bottom_to_top(autojump_clock: MockClock) -> None:
    order: list[str] = []

    async def slow(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        order.append(f"{child.name} begins")
        await trio.sleep(1)
        order.append(f"{child.name} started")
        task_status.started()
        await child.stopping.wait()
        await trio.sleep(1)
        order.append(f"{child.name} ends")

    async with running(a_supervisor([ChildSpec(name, slow) for name in "abc"])):
        assert order == ["a begins", "a started", "b begins", "b started", "c begins", "c started"]
        order.clear()
    assert order == ["c ends", "b ends", "a ends"]


async def test_start_child_returns_when_it_has_started(autojump_clock: MockClock) -> None:
    async def slow(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(5)
        await idle(child, task_status=task_status)

    supervisor = a_supervisor()
    async with running(supervisor) as nursery:
        nursery.start_soon(supervisor.start_child, ChildSpec("a", slow))
        await trio.sleep(1)
        assert supervisor.child("a").state is ChildState.STARTING
        await trio.sleep(5)
        assert supervisor.child("a").state is ChildState.RUNNING
        assert supervisor.child("a").since == trio.current_time() - 1


async def returns_unstarted(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
    await trio.sleep(1)


@pytest.mark.parametrize(
    ("body", "why"),
    [(crashing(starts=False), "Boom: a"), (returns_unstarted, "returned"), (hangs, "not started within 30 s")],
)
async def test_a_child_that_does_not_start_is_not_kept(
    autojump_clock: MockClock, body: Callable[..., Awaitable[None]], why: str
) -> None:
    supervisor, box = a_supervisor(), a_box()
    async with running(supervisor):
        with pytest.raises(StartFailed, match=why):
            await supervisor.start_child(ChildSpec("a", body, box))
        assert supervisor.status().children == ()
        await supervisor.start_child(ChildSpec("a", doubling, box))  # another try, with the same mailbox
        assert await box.ask(Double(2)) == 4


async def test_start_failed_carries_its_cause() -> None:
    supervisor = a_supervisor()
    async with running(supervisor):
        with pytest.raises(StartFailed) as caught:
            await supervisor.start_child(ChildSpec("a", crashing(starts=False)))
    assert isinstance(caught.value.__cause__, Boom)
    assert caught.value.child == "a"


async def test_a_late_started_does_not_save_a_start_that_took_too_long(autojump_clock: MockClock) -> None:
    async def stubborn(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)
        task_status.started()
        await trio.sleep_forever()

    supervisor = a_supervisor()
    async with running(supervisor):
        with pytest.raises(StartFailed, match="not started within 2 s"):
            await supervisor.start_child(ChildSpec("a", stubborn, start_timeout=2))


async def test_started_twice_is_a_crash() -> None:
    async def twice(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        task_status.started()

    supervisor = a_supervisor()
    async with running(supervisor):
        await supervisor.start_child(ChildSpec("a", twice, restart=Restart.TEMPORARY))
        await wait_all_tasks_blocked()
        assert supervisor.child("a").last_error == "RuntimeError: started() was called twice"


async def test_a_cancelled_start_child_leaves_the_start_going(autojump_clock: MockClock) -> None:
    async def slow(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(5)
        await idle(child, task_status=task_status)

    supervisor = a_supervisor()
    async with running(supervisor):
        with trio.move_on_after(1):
            await supervisor.start_child(ChildSpec("a", slow))
        await trio.sleep(10)
        assert supervisor.child("a").state is ChildState.RUNNING


async def test_stopped_while_starting(autojump_clock: MockClock) -> None:
    supervisor, errors = a_supervisor(), []

    async def start() -> None:
        try:
            await supervisor.start_child(ChildSpec("a", hangs, stop_timeout=1))
        except StartFailed as error:
            errors.append(error.why)

    async with running(supervisor) as nursery:
        nursery.start_soon(start)
        await trio.sleep(1)
        await supervisor.stop_child("a")
        await wait_all_tasks_blocked()
        assert errors == ["stopped before it had started"]
        assert supervisor.child("a").state is ChildState.STOPPED


async def test_a_child_stopped_before_its_task_ran_never_begins() -> None:
    ran: list[str] = []

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        ran.append(child.name)
        await idle(child, task_status=task_status)

    supervisor = a_supervisor([ChildSpec("a", body), ChildSpec("b", body)])
    async with running(supervisor):
        await supervisor.stop_child("a")
        await supervisor.stop_child("b")
        ran.clear()
        # No await between the verbs: which of two tasks runs first is chance, and this needs the order.
        first, second = supervisor._get("a"), supervisor._get("b")
        first.launch()
        first.stop()
        second.launch()
        second.stop()
        restarted = second.restart()
        await first.gone()
        await restarted.wait()
        assert ran == ["b"]


async def test_names_are_unique_and_known() -> None:
    supervisor = a_supervisor([ChildSpec("a", idle)])
    async with running(supervisor):
        with pytest.raises(DuplicateChild):
            await supervisor.start_child(ChildSpec("a", idle))
        for verb in (supervisor.stop_child, supervisor.restart_child, supervisor.remove_child):
            with pytest.raises(UnknownChild):
                await verb("b")
        with pytest.raises(UnknownChild):
            supervisor.child("b")
    with pytest.raises(DuplicateChild):
        a_supervisor([ChildSpec("a", idle), ChildSpec("a", idle)])


async def test_nothing_starts_outside_its_life() -> None:
    supervisor = a_supervisor([ChildSpec("a", idle)])
    with pytest.raises(NotRunning):
        await supervisor.start_child(ChildSpec("b", idle))
    with pytest.raises(NotRunning):
        await supervisor.restart_child("a")
    supervisor.stop()  # nothing to stop
    async with running(supervisor):
        supervisor.stop()
        with pytest.raises(NotRunning):
            await supervisor.start_child(ChildSpec("b", idle))


async def test_a_child_inherits_the_context_of_the_supervisor_not_of_the_caller() -> None:
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        seen.append(request.get())
        await idle(child, task_status=task_status)

    supervisor = a_supervisor()
    async with running(supervisor):
        request.set("of a caller")
        await supervisor.start_child(ChildSpec("a", body))
    assert seen == ["none"]
