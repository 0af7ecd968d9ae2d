"""What follows the end of a child: by its policy, and by hand."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import (
    Backoff,
    Child,
    ChildSpec,
    ChildState,
    EventKind,
    Excess,
    Intensity,
    NotTaken,
    Restart,
    StartFailed,
)
from tests.supervisors.tools import (
    STEADY,
    Boom,
    Diary,
    Double,
    a_box,
    a_supervisor,
    crashing,
    deaf,
    doubling,
    idle,
    running,
)


async def test_a_crashed_child_comes_back_after_its_backoff(autojump_clock: MockClock) -> None:
    begins: list[float] = []

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        begins.append(trio.current_time())
        task_status.started()
        if len(begins) < 4:
            raise Boom(str(len(begins)))
        await child.stopping.wait()

    diary = Diary()
    supervisor = a_supervisor([ChildSpec("a", body, backoff=STEADY)], on_event=diary.note)
    async with running(supervisor):
        await trio.sleep(100)
        status = supervisor.child("a")
    assert [t - begins[0] for t in begins] == pytest.approx([0, 1, 3, 7])
    assert (status.state, status.restarts, status.last_error) == (ChildState.RUNNING, 3, "Boom: 3")
    assert status.last_error_at == pytest.approx(begins[2])
    assert diary.of("a")[:4] == [EventKind.STARTED, EventKind.CRASHED, EventKind.RESTARTING, EventKind.STARTED]
    assert [event.delay for event in diary.events if event.kind is EventKind.RESTARTING] == [1, 2, 4]
    assert isinstance(diary.events[1].error, Boom)


async def test_the_old_incarnation_is_gone_before_the_new_one(autojump_clock: MockClock) -> None:
    alive = 0

    async def linger() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal alive
        alive += 1
        assert alive == 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(linger)
                task_status.started()
                await trio.sleep(1)
                raise Boom
        finally:
            alive -= 1

    supervisor = a_supervisor([ChildSpec("a", body, excess=Excess.KEEP_ON)])
    async with running(supervisor):
        await trio.sleep(50)
        restarts = supervisor.child("a").restarts
        assert restarts >= 5
        await supervisor.restart_child("a")
    assert supervisor.child("a").last_error == "Boom: "


@pytest.mark.parametrize(
    ("restart", "crashes", "state"),
    [
        (Restart.PERMANENT, False, ChildState.BACKING_OFF),
        (Restart.TRANSIENT, True, ChildState.BACKING_OFF),
        (Restart.TRANSIENT, False, ChildState.FINISHED),
        (Restart.TEMPORARY, True, ChildState.FINISHED),
        (Restart.TEMPORARY, False, ChildState.FINISHED),
    ],
)
async def test_what_follows_an_end(restart: Restart, crashes: bool, state: ChildState) -> None:
    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        if crashes:
            raise Boom

    diary = Diary()
    supervisor = a_supervisor([ChildSpec("a", body, restart=restart)], on_event=diary.note)
    async with running(supervisor):
        await wait_all_tasks_blocked()
        assert supervisor.child("a").state is state
        assert (supervisor.child("a").last_error is not None) is crashes
    assert diary.of("a")[1] is (EventKind.CRASHED if crashes else EventKind.RETURNED)


async def test_a_finished_child_is_forgotten_when_its_spec_says_so() -> None:
    async def once(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    supervisor, box = a_supervisor(), a_box()
    async with running(supervisor):
        await supervisor.start_child(ChildSpec("a", once, box, restart=Restart.TRANSIENT, forget=True))
        await wait_all_tasks_blocked()
        assert supervisor.status().children == ()
        assert box.is_closed


async def test_past_its_intensity_it_is_parked_until_restarted_by_hand(autojump_clock: MockClock) -> None:
    is_broken = True

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        if is_broken:
            task_status.started()
            raise Boom
        await doubling(child, task_status=task_status)

    box, diary = a_box(), Diary()
    supervisor = a_supervisor(
        [ChildSpec("a", body, box, intensity=Intensity(2, 60)), ChildSpec("b", idle)], on_event=diary.note
    )
    async with running(supervisor):
        await trio.sleep(100)
        status = supervisor.child("a")
        assert (status.state, status.restarts, status.last_error) == (ChildState.PARKED, 2, "Boom: ")
        assert supervisor.child("b").state is ChildState.RUNNING
        with pytest.raises(NotTaken):
            await box.ask(Double(1))
        for _ in range(8):
            box.tell(Double(3))

        is_broken = False
        await supervisor.restart_child("a")
        await wait_all_tasks_blocked()
        assert box.depth == 0  # the tells were kept, and now taken
        assert await box.ask(Double(1)) == 2
        status = supervisor.child("a")
        assert (status.state, status.restarts) == (ChildState.RUNNING, 0)
    assert diary.of("a").count(EventKind.PARKED) == 1


async def test_restart_by_hand_clears_the_record(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("a", crashing(at=1), intensity=Intensity(2, 1000), backoff=STEADY)])
    async with running(supervisor):
        for _ in range(3):
            await trio.sleep(4)  # lives 1 s, waits 1 s, lives 1 s, and is in its wait of 2 s
            status = supervisor.child("a")
            assert (status.state, status.restarts) == (ChildState.BACKING_OFF, 2)
            await supervisor.restart_child("a")
            assert supervisor.child("a").restarts == 0
        await trio.sleep(100)
        assert supervisor.child("a").state is ChildState.PARKED


async def test_a_steady_run_resets_the_backoff(autojump_clock: MockClock) -> None:
    diary = Diary()
    spec = ChildSpec("a", crashing(at=61), backoff=STEADY, intensity=Intensity(1, 60))
    async with running(a_supervisor([spec], on_event=diary.note)):
        await trio.sleep(400)
    assert {event.delay for event in diary.events if event.kind is EventKind.RESTARTING} == {1}


async def test_restart_of_a_running_child_waits_for_the_old_one(autojump_clock: MockClock) -> None:
    lives: list[tuple[float, float]] = []

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        begin = trio.current_time()
        task_status.started()
        try:
            await child.stopping.wait()
            await trio.sleep(3)
        finally:
            lives.append((begin, trio.current_time()))

    supervisor = a_supervisor([ChildSpec("a", body)])
    async with running(supervisor) as nursery:
        for _ in range(3):  # three callers, one restart
            nursery.start_soon(supervisor.restart_child, "a")
        await trio.sleep(10)
        assert len(lives) == 1
        assert supervisor.child("a").since == pytest.approx(lives[0][1])


async def test_restart_out_of_a_backoff_is_at_once(autojump_clock: MockClock) -> None:
    supervisor = a_supervisor([ChildSpec("a", crashing(at=1), backoff=Backoff(first=1000, cap=1000))])
    async with running(supervisor):
        await trio.sleep(5)
        begin = trio.current_time()
        await supervisor.restart_child("a")
        assert trio.current_time() == begin
        assert supervisor.child("a").state is ChildState.RUNNING


async def test_a_restart_that_does_not_start_is_told_and_then_the_policy_goes_on(autojump_clock: MockClock) -> None:
    fails = False

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        if fails:
            raise Boom
        await idle(child, task_status=task_status)

    supervisor = a_supervisor([ChildSpec("a", body, backoff=STEADY)])
    async with running(supervisor):
        fails = True
        with pytest.raises(StartFailed):
            await supervisor.restart_child("a")
        assert supervisor.child("a").state is ChildState.BACKING_OFF
        fails = False
        await trio.sleep(2)
        assert supervisor.child("a").state is ChildState.RUNNING


async def test_a_restart_overtaken_by_a_stop_fails_and_one_that_overtakes_a_stop_wins(
    autojump_clock: MockClock,
) -> None:
    supervisor = a_supervisor([ChildSpec("a", deaf, stop_timeout=2)])

    async def fails_to_restart() -> None:
        with pytest.raises(StartFailed, match="stopped before"):
            await supervisor.restart_child("a")

    async with running(supervisor):
        async with trio.open_nursery() as inner:
            inner.start_soon(supervisor.stop_child, "a")
            await wait_all_tasks_blocked()
            await supervisor.restart_child("a")
        assert supervisor.child("a").state is ChildState.RUNNING
        async with trio.open_nursery() as inner:
            inner.start_soon(fails_to_restart)
            await trio.sleep(1)
            await supervisor.stop_child("a")
        assert supervisor.child("a").state is ChildState.STOPPED
