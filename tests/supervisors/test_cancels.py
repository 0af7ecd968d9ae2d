"""What cuts across the order: cancels from outside, a broken listener, what is no `Exception`."""

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import (
    Backoff,
    Child,
    ChildSpec,
    ChildState,
    EscalatedError,
    EventKind,
    Excess,
    Mailbox,
    NotTaken,
    OutcomeUnknown,
    SupervisionEvent,
    Supervisor,
)
from tests.supervisors.tools import AT_ONCE, Boom, Diary, Double, a_supervisor, crashing_at, deaf, idle, nested, running


async def test_a_cancel_from_outside_unwinds_everything(autojump_clock: MockClock) -> None:
    box: Mailbox[Double] = Mailbox("box", 8)
    results: list[type[Exception]] = []

    async def takes_one(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await box.take()
        await trio.sleep_forever()

    async def ask(n: int) -> None:
        try:
            await box.ask(Double(n))
        except (NotTaken, OutcomeUnknown) as error:
            results.append(type(error))

    inner = a_supervisor([ChildSpec("x", takes_one, box)], name="inner")
    crashed = ChildSpec("y", crashing_at(0), backoff=Backoff(first=1000, cap=1000))
    outer = a_supervisor([nested(inner), crashed, ChildSpec("z", deaf)])
    async with trio.open_nursery() as askers, trio.open_nursery() as nursery:
        await nursery.start(outer.run)
        askers.start_soon(ask, 1)
        await wait_all_tasks_blocked()
        askers.start_soon(ask, 2)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert results in ([OutcomeUnknown, NotTaken], [NotTaken, OutcomeUnknown])
    assert trio.current_time() == 0
    assert {child.state for child in outer.status().children} == {ChildState.STOPPED}
    assert inner.child("x").state is ChildState.STOPPED


async def test_a_cancel_does_not_hide_an_escalation(autojump_clock: MockClock) -> None:
    journal = ChildSpec("journal", crashing_at(2), intensity=AT_ONCE, excess=Excess.ESCALATE)
    supervisor = a_supervisor([ChildSpec("slow", deaf, stop_timeout=20), journal])
    with pytest.raises(EscalatedError), trio.move_on_after(5):
        await supervisor.run()
    assert trio.current_time() == pytest.approx(5)


async def test_what_is_no_exception_passes_through() -> None:
    class Quit(BaseException):
        pass

    async def quits(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        raise Quit

    box: Mailbox[Double] = Mailbox("box", 8)
    supervisor = a_supervisor([ChildSpec("a", deaf, box), ChildSpec("b", quits)])
    with pytest.RaisesGroup(Quit):
        await supervisor.run()
    assert supervisor.child("a").state is ChildState.STOPPED
    with pytest.raises(NotTaken):
        await box.ask(Double(1))


@pytest.mark.parametrize("kind", [EventKind.STARTED, EventKind.CRASHED, EventKind.STOPPED])
async def test_a_listener_that_raises_ends_the_tree_in_order(autojump_clock: MockClock, kind: EventKind) -> None:
    diary = Diary()

    def broken(event: SupervisionEvent) -> None:
        diary.note(event)
        if (event.child, event.kind) == ("b", kind):
            raise Boom("the log is full")

    supervisor = a_supervisor([ChildSpec("a", idle), ChildSpec("b", crashing_at(1))], on_event=broken)

    async def run() -> None:
        with pytest.raises(Boom, match="the log is full"):
            await supervisor.run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.sleep(1.05)
        supervisor.stop()
    assert diary.order(EventKind.STOPPED) == ["b", "a"]


async def test_a_group_is_a_crash_and_its_leaves_are_named(autojump_clock: MockClock) -> None:
    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as outer:
            async with trio.open_nursery() as nursery:
                task_status.started()
                nursery.start_soon(raise_it, ValueError("one"))
            outer.start_soon(trio.sleep, 0)

    async def raise_it(error: Exception) -> None:
        raise error

    supervisor = Supervisor("s", [ChildSpec("a", body)], rng=random.Random(1), wall=lambda: 5.0)
    async with running(supervisor):
        await wait_all_tasks_blocked()
        assert supervisor.child("a").last_error == "ValueError: one"
        assert supervisor.child("a").last_error_at == 5.0
