"""Failures that end a supervisor: past the intensity, and at the root's start."""

import pytest
import trio
from trio.testing import MockClock

from supervisors import Backoff, Child, ChildSpec, ChildState, EscalatedError, EventKind, Excess, Intensity, StartFailed
from tests.supervisors.tools import AT_ONCE, Boom, Diary, a_supervisor, crashing_at, deaf, hangs, idle, running


async def test_escalation_stops_the_others_in_order_then_raises(autojump_clock: MockClock) -> None:
    diary = Diary()
    supervisor = a_supervisor(
        [
            ChildSpec("a", idle),
            ChildSpec("journal", crashing_at(5), intensity=AT_ONCE, excess=Excess.ESCALATE),
            ChildSpec("c", idle),
            ChildSpec("d", idle),
        ],
        on_event=diary.note,
    )
    with pytest.raises(EscalatedError) as caught:
        await supervisor.run()
    assert caught.value.child == "journal"
    assert caught.value.supervisor == "root"
    assert isinstance(caught.value.__cause__, Boom)
    assert diary.order(EventKind.STOPPED) == ["journal", "d", "c", "a"]
    assert diary.of("journal") == [EventKind.STARTED, EventKind.CRASHED, EventKind.ESCALATED, EventKind.STOPPED]


async def test_escalation_only_past_the_intensity(autojump_clock: MockClock) -> None:
    diary = Diary()
    supervisor = a_supervisor(
        [ChildSpec("a", crashing_at(1), intensity=Intensity(3, 60), excess=Excess.ESCALATE)], on_event=diary.note
    )
    with pytest.raises(EscalatedError):
        await supervisor.run()
    assert diary.of("a").count(EventKind.RESTARTING) == 3


async def test_the_first_of_two_escalations_is_raised(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor(
        [
            ChildSpec("late", crashing_at(7), intensity=AT_ONCE, excess=Excess.ESCALATE),
            ChildSpec("early", crashing_at(5), intensity=AT_ONCE, excess=Excess.ESCALATE),
            ChildSpec("slow", deaf, stop_timeout=20),
        ]
    )
    with pytest.raises(EscalatedError, match="early"):
        await supervisor.run()


async def test_an_escalation_interrupts_the_start(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor(
        [
            ChildSpec("a", crashing_at(5), intensity=AT_ONCE, excess=Excess.ESCALATE),
            ChildSpec("b", hangs, start_timeout=1000, stop_timeout=1),
        ]
    )
    with pytest.raises(EscalatedError):
        await supervisor.run()
    assert trio.current_time() == pytest.approx(6)


async def test_keep_on_restarts_for_ever(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("a", crashing_at(0), excess=Excess.KEEP_ON, backoff=Backoff(cap=5))])
    async with running(supervisor):
        await trio.sleep(1000)
        assert supervisor.child("a").restarts > 200


async def test_a_listed_child_that_does_not_start_ends_the_roots_start(autojump_clock: MockClock) -> None:
    diary = Diary()
    supervisor = a_supervisor(
        [ChildSpec("a", idle), ChildSpec("b", idle), ChildSpec("c", hangs, start_timeout=3), ChildSpec("d", idle)],
        on_event=diary.note,
    )
    async with trio.open_nursery() as nursery:
        with pytest.raises(StartFailed, match="c: not started within 3 s"):
            await nursery.start(supervisor.run)
    assert diary.order(EventKind.STARTED) == ["a", "b"]
    assert diary.order(EventKind.STOPPED) == ["c", "b", "a"]


async def test_a_root_that_did_not_start_can_be_run_again(autojump_clock: MockClock) -> None:
    is_broken = True

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        if is_broken:
            raise Boom
        await idle(child, task_status=task_status)

    supervisor = a_supervisor([ChildSpec("a", body)])
    with pytest.raises(StartFailed) as caught:
        await supervisor.run()
    assert isinstance(caught.value.__cause__, Boom)
    is_broken = False
    async with running(supervisor):
        assert supervisor.child("a").state is ChildState.RUNNING


async def test_children_may_be_restarted_and_removed_before_their_turn(autojump_clock: MockClock) -> None:
    async def slow(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(5)
        await idle(child, task_status=task_status)

    diary = Diary()
    supervisor = a_supervisor([ChildSpec("a", slow), ChildSpec("b", idle), ChildSpec("c", idle)], on_event=diary.note)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(1)
        await supervisor.restart_child("b")
        await supervisor.remove_child("c")
        await trio.sleep(10)
        supervisor.stop()
    assert diary.order(EventKind.STARTED) == ["b", "a"]
    assert diary.order(EventKind.STOPPED) == ["b", "a"]


async def test_a_stop_during_the_roots_start_is_told(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("a", idle), ChildSpec("b", hangs, stop_timeout=1)])

    async def run() -> None:
        with pytest.raises(StartFailed, match="root: stopped before it had started"):
            await supervisor.run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.sleep(2)
        supervisor.stop()
    assert trio.current_time() == pytest.approx(3)
