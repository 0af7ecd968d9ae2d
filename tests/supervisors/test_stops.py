"""How one child is stopped and removed."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import Backoff, Child, ChildSpec, ChildState, DuplicateChild, EventKind, Excess, UnknownChild
from tests.supervisors.tools import Boom, Diary, a_box, a_supervisor, crashing, deaf, doubling, hangs, idle, running


async def test_a_child_that_does_not_end_is_cut(autojump_clock: MockClock) -> None:
    supervisor, diary = a_supervisor(), Diary()
    supervisor = a_supervisor([ChildSpec("a", deaf, stop_timeout=7)], on_event=diary.note)
    async with running(supervisor):
        begin = trio.current_time()
        await supervisor.stop_child("a")
        assert trio.current_time() - begin == pytest.approx(7)
        assert supervisor.child("a").state is ChildState.STOPPED
    assert diary.of("a") == [EventKind.STARTED, EventKind.CUT, EventKind.STOPPED]


async def test_an_actor_drains_its_mailbox_before_it_ends(autojump_clock: MockClock) -> None:
    done: list[int] = []

    async def slow(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        assert child.mailbox is not None
        task_status.started()
        while True:  # Stopping ends it, also through a nursery
            async with trio.open_nursery() as nursery:
                letter = await child.mailbox.take()
                nursery.start_soon(trio.sleep, 1)
            done.append(letter.message)

    box = a_box()
    supervisor = a_supervisor([ChildSpec("a", slow, box, stop_timeout=10)])
    async with running(supervisor):
        for n in range(4):
            box.tell(n)
    assert done == [0, 1, 2, 3]
    assert supervisor.child("a").last_error is None


async def test_a_crash_while_stopping_is_told_and_ends_the_stop(autojump_clock: MockClock) -> None:
    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        await idle(child, task_status=task_status)
        raise Boom("on the way out")

    diary = Diary()
    supervisor = a_supervisor([ChildSpec("a", body, excess=Excess.ESCALATE)], on_event=diary.note)
    async with running(supervisor):
        await supervisor.stop_child("a")
        assert supervisor.child("a").last_error == "Boom: on the way out"
    assert diary.of("a") == [EventKind.STARTED, EventKind.CRASHED, EventKind.STOPPED]


async def test_stopping_twice_does_not_prolong_it(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("a", deaf, stop_timeout=4)])
    async with running(supervisor) as nursery:
        begin = trio.current_time()
        nursery.start_soon(supervisor.stop_child, "a")
        await trio.sleep(3)
        await supervisor.stop_child("a")
        assert trio.current_time() - begin == pytest.approx(4)
        await supervisor.stop_child("a")  # down already
        assert trio.current_time() - begin == pytest.approx(4)


async def test_a_stop_does_not_prolong_a_start(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor()
    async with running(supervisor):
        with trio.move_on_after(1):
            await supervisor.start_child(ChildSpec("a", hangs, start_timeout=3, stop_timeout=100))
        await supervisor.stop_child("a")
        assert trio.current_time() == pytest.approx(3)


async def test_a_body_may_look_at_stopping_late() -> None:
    child = Child("a")
    child.ask_to_stop()
    await child.stopping.wait()


async def test_no_time_to_stop_is_a_cancel_and_no_event(autojump_clock: MockClock) -> None:
    diary = Diary()
    async with running(a_supervisor([ChildSpec("a", deaf, stop_timeout=0)], on_event=diary.note)):
        pass
    assert trio.current_time() == 0
    assert diary.of("a") == [EventKind.STARTED, EventKind.STOPPED]


async def test_stop_ends_a_backoff() -> None:
    supervisor = a_supervisor()
    async with running(supervisor):
        await supervisor.start_child(ChildSpec("a", crashing(), backoff=Backoff(first=1000, cap=1000)))
        await wait_all_tasks_blocked()
        assert supervisor.child("a").state is ChildState.BACKING_OFF
        await supervisor.stop_child("a")
        assert supervisor.child("a").state is ChildState.STOPPED


async def test_remove_closes_the_mailbox_and_forgets() -> None:
    supervisor, box = a_supervisor(), a_box()
    async with running(supervisor):
        for is_up in (True, False):
            box = a_box()
            await supervisor.start_child(ChildSpec("a", doubling, box))
            if not is_up:
                await supervisor.stop_child("a")
            await supervisor.remove_child("a")
            assert box.is_closed
            assert supervisor.status().children == ()
        with pytest.raises(ValueError, match="closed for good"):
            await supervisor.start_child(ChildSpec("a", doubling, box))


async def test_a_removal_is_not_undone_by_the_end_of_the_supervisor(autojump_clock: MockClock) -> None:
    supervisor, box = a_supervisor(), a_box()
    async with running(supervisor):
        await supervisor.start_child(ChildSpec("a", deaf, box, stop_timeout=5))
        with trio.move_on_after(1):
            await supervisor.remove_child("a")
    assert box.is_closed
    assert supervisor.status().children == ()


async def test_a_cancelled_remove_still_removes(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor()
    async with running(supervisor):
        await supervisor.start_child(ChildSpec("a", deaf, stop_timeout=5))
        with trio.move_on_after(1):
            await supervisor.remove_child("a")
        with pytest.raises(UnknownChild):
            await supervisor.restart_child("a")
        with pytest.raises(DuplicateChild):  # the old one lives still
            await supervisor.start_child(ChildSpec("a", idle))
        assert supervisor.child("a").state is ChildState.STOPPING
        await supervisor.remove_child("a")  # joins
        assert trio.current_time() == pytest.approx(5)
        await supervisor.start_child(ChildSpec("a", idle))
