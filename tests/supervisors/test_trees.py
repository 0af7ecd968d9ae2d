"""Nested supervisors, orderly and hurried ends of a whole tree."""

import pytest
import trio
from trio.testing import MockClock

from supervisors import (
    Child,
    ChildSpec,
    ChildState,
    EscalatedError,
    EventKind,
    Excess,
    Mailbox,
    StartFailed,
)
from tests.supervisors.tools import AT_ONCE, Boom, Diary, a_supervisor, crashing_at, deaf, hangs, idle, nested, running


async def test_status_nests(autojump_clock: MockClock) -> None:
    inner = a_supervisor([ChildSpec("x", idle)], name="inner")
    outer = a_supervisor([nested(inner), ChildSpec("y", idle)])
    async with running(outer):
        await inner.start_child(ChildSpec("z", idle))
        status = outer.status()
        assert [child.name for child in status.children] == ["inner", "y"]
        assert status.children[0].children == inner.status()
        assert [child.name for child in inner.status().children] == ["x", "z"]
        assert all(child.state is ChildState.RUNNING for child in inner.status().children)
    assert [child.state for child in inner.status().children] == [ChildState.STOPPED] * 2


async def test_a_status_may_only_count_the_children_below(autojump_clock: MockClock) -> None:
    inner = a_supervisor([ChildSpec("x", idle), ChildSpec("y", idle)], name="inner")
    outer = a_supervisor([nested(inner), ChildSpec("z", idle)])
    async with running(outer):
        await inner.start_child(ChildSpec("ill", crashing_at(1), intensity=AT_ONCE))
        await inner.stop_child("y")
        await trio.sleep(2)
        branch, leaf = outer.status(deep=False).children
        assert branch.counts == {ChildState.RUNNING: 1, ChildState.STOPPED: 1, ChildState.PARKED: 1} == inner.counts()
        assert branch.children is None
        assert (leaf.counts, leaf.children) == (None, None)
        deep = outer.status().children[0]
        assert deep.counts == branch.counts
        assert deep.children == inner.status()


async def test_a_nested_supervisor_stops_when_asked_its_own_children_first(autojump_clock: MockClock) -> None:
    diary = Diary()
    inner = a_supervisor([ChildSpec("x", idle), ChildSpec("y", idle)], name="inner", on_event=diary.note)
    outer = a_supervisor([ChildSpec("a", idle), nested(inner), ChildSpec("b", idle)], on_event=diary.note)
    async with running(outer):
        pass
    assert diary.order(EventKind.STOPPED) == ["b", "y", "x", "inner", "a"]


async def test_a_nested_escalation_is_a_crash_for_the_policy_above(autojump_clock: MockClock) -> None:
    diary = Diary()
    failing = ChildSpec("x", crashing_at(5), intensity=AT_ONCE, excess=Excess.ESCALATE)
    inner = a_supervisor([failing], name="inner", on_event=diary.note)
    outer = a_supervisor([nested(inner), ChildSpec("y", idle)], on_event=diary.note)
    async with running(outer):
        await trio.sleep(1)
        await inner.start_child(ChildSpec("added", idle))
        await trio.sleep(7)
        assert outer.child("inner").restarts == 1
        assert outer.child("inner").last_error == "EscalatedError: inner: child x failed more often than it may"
        assert [child.name for child in inner.status().children] == ["x"]  # those added later do not come back
        assert outer.child("y").restarts == 0


async def test_a_listed_child_of_a_nested_supervisor_that_does_not_start_is_left_to_its_policy(
    autojump_clock: MockClock,
) -> None:
    tries = 0

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Boom
        await idle(child, task_status=task_status)

    inner = a_supervisor([ChildSpec("x", body), ChildSpec("y", idle)], name="inner")
    async with running(a_supervisor([nested(inner)])):
        assert inner.child("x").state is not ChildState.RUNNING
        assert inner.child("y").state is ChildState.RUNNING
        await trio.sleep(5)
        assert inner.child("x").state is ChildState.RUNNING


async def test_a_nested_supervisor_stopped_while_starting_just_ends(autojump_clock: MockClock) -> None:
    inner = a_supervisor([ChildSpec("x", hangs, start_timeout=1000, stop_timeout=1)], name="inner")
    outer = a_supervisor()
    async with running(outer) as nursery:

        async def start() -> None:
            with pytest.raises(StartFailed, match="stopped before"):
                await outer.start_child(nested(inner))

        nursery.start_soon(start)
        await trio.sleep(1)
        await outer.stop_child("inner")
        assert outer.child("inner").last_error is None


async def test_a_nested_supervisor_out_of_time_is_cut_with_its_children(autojump_clock: MockClock) -> None:
    inner = a_supervisor([ChildSpec("x", deaf, stop_timeout=100)], name="inner")
    async with running(a_supervisor([nested(inner, stop_timeout=2)])):
        pass
    assert trio.current_time() == pytest.approx(2)
    assert inner.child("x").state is ChildState.STOPPED


async def test_one_supervisor_runs_once_at_a_time() -> None:
    supervisor = a_supervisor()
    async with running(supervisor):
        with pytest.raises(RuntimeError, match="runs already"):
            await supervisor.run()


async def test_it_can_run_again() -> None:
    box: Mailbox[str] = Mailbox("box", 2)
    supervisor = a_supervisor([ChildSpec("a", idle, box)])
    for _ in range(2):
        async with running(supervisor):
            assert supervisor.child("a").state is ChildState.RUNNING


# ---- stops


async def test_added_children_are_asked_all_at_once_and_before_the_listed(autojump_clock: MockClock) -> None:
    diary = Diary()
    supervisor = a_supervisor([ChildSpec("listed", idle)], on_event=diary.note)
    async with running(supervisor):
        for n in range(20):
            await supervisor.start_child(ChildSpec(str(n), deaf, stop_timeout=5))
    assert trio.current_time() == pytest.approx(5)
    assert diary.order(EventKind.STOPPED)[-1] == "listed"


async def test_a_second_request_skips_the_waits(autojump_clock: MockClock) -> None:
    diary = Diary()
    supervisor = a_supervisor([ChildSpec(name, deaf, stop_timeout=100) for name in "abc"], on_event=diary.note)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.stop()
        await trio.sleep(3)
        assert diary.order(EventKind.STOPPED) == []
        supervisor.stop(now=True)
    assert trio.current_time() == pytest.approx(3)
    assert diary.order(EventKind.STOPPED) == ["c", "b", "a"]
    assert diary.order(EventKind.CUT) == ["c", "b", "a"]


async def test_stop_now_as_the_first_request(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("a", deaf, stop_timeout=100)])
    async with running(supervisor):
        supervisor.stop(now=True)
    assert trio.current_time() == 0


async def test_a_child_still_restarts_while_others_stop(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("journal", crashing_at(2)), ChildSpec("http", deaf, stop_timeout=10)])
    async with running(supervisor):
        supervisor.stop()
        await trio.sleep(5)
        assert supervisor.child("journal").restarts >= 1


async def test_an_escalation_during_the_stop_is_raised_at_its_end(autojump_clock: MockClock) -> None:
    journal = ChildSpec("journal", crashing_at(2), intensity=AT_ONCE, excess=Excess.ESCALATE)
    supervisor = a_supervisor([journal, ChildSpec("http", deaf, stop_timeout=10)])

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        with pytest.raises(EscalatedError):
            await supervisor.run(task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        supervisor.stop()
    assert trio.current_time() == pytest.approx(10)
