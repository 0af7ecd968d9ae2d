"""The supervisor: a table of children, one-for-one, and a `run` that is itself the body of a child."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import final

import trio

from supervisors.actor import Child, ChildSpec
from supervisors.errors import DuplicateChild, EscalatedError, NotRunning, StartFailed, UnknownChild
from supervisors.keeper import Keeper
from supervisors.status import ChildState, ChildStatus, EventKind, SupervisionEvent, SupervisorStatus


@final
class Supervisor:
    """Keeps children alive, each by the policy in its `ChildSpec`.

    The children listed at construction start top to bottom, each after the one before has started, and stop bottom to
    top. Children added later have no order among them: at the end they are all asked at once, before the listed ones.
    When the supervisor runs again, the listed ones come back and those added later do not.

    `wall` gives the wall time for status and events. `on_event` is called for everything that happens to a child, in
    the child's task and after the fact; it must not raise. If it does, the supervisor stops its children in order and
    `run` raises what it raised: a program that cannot say what happens to it is not left to run on.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec] = (),
        *,
        rng: random.Random,
        wall: Callable[[], float],
        on_event: Callable[[SupervisionEvent], None] | None = None,
    ) -> None:
        self.name = name
        self.rng = rng
        self.wall = wall
        self._on_event = on_event
        self._keepers: dict[str, Keeper] = {}
        for spec in children:
            self._add(spec, listed=True)
        self._nursery: trio.Nursery | None = None  # while it runs
        self._life = trio.CancelScope()  # around the start and the long wait; cancelled when it is to end
        self._context: Context = copy_context()
        self._is_hurried = False
        self._failure: Exception | None = None

    # ---- living

    async def run(
        self, child: Child | None = None, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Start the listed children, call `started()`, and keep them until `stop()` (or, nested, `child.stopping`).

        Nested (with `child`), a listed child that fails its first start is handled by its policy; at the root it ends
        the run. A cancel cancels all children at once and unwinds.

        Raises:
            EscalatedError: a child failed past its intensity and its policy is to escalate. The others were stopped
                in order first.
            Exception: what `on_event` raised. The children were stopped in order first.
            StartFailed: at the root: a listed child did not start, or a stop came before all had. Those that had
                started were stopped in order first.
        """
        if self._nursery is not None:
            raise RuntimeError(f"supervisor {self.name} runs already")
        self._reset()
        is_started = False
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if child is not None:
                    nursery.start_soon(self._follow, child.stopping)
                with self._life:
                    await self._start_listed(must=child is None)
                    if not self._life.cancel_called:
                        is_started = True
                        task_status.started()
                        await trio.sleep_forever()
                await self._stop_all()
                nursery.cancel_scope.cancel()  # only `_follow` is left
        finally:
            self._nursery = None
            failure, self._failure = self._failure, None
            if failure is not None:  # also when a cancel came on top of it: it must not be lost
                try:
                    raise failure
                finally:
                    del failure  # no cycle through this frame
        if not is_started and child is None:
            raise StartFailed(self.name, "stopped before it had started")

    def stop(self, *, now: bool = False) -> None:
        """Ask for the end; `run` returns when all children are gone. Does nothing when it does not run. To stop a
        nested one for good, ask its parent (`stop_child`), whose policy would else start it again.

        With `now`, also as a second request, children are not waited for but cancelled, still in order.
        """
        if self._nursery is None:
            return
        self._life.cancel()
        if now:
            self._is_hurried = True
            for keeper in self._keepers.values():
                if keeper.is_stopping:
                    keeper.cut()

    def _reset(self) -> None:
        self._keepers = {name: keeper for name, keeper in self._keepers.items() if keeper.listed}
        self._life, self._is_hurried, self._failure = trio.CancelScope(), False, None
        self._context = copy_context()

    async def _follow(self, stopping: trio.Event) -> None:
        await stopping.wait()
        self.stop()

    async def _start_listed(self, *, must: bool) -> None:
        for keeper in list(self._keepers.values()):
            if not keeper.is_resting or self._keepers.get(keeper.spec.name) is not keeper:
                continue  # somebody was faster: restarted, or removed
            try:
                await keeper.launch(must=must).wait()
            except StartFailed as error:
                if must:
                    self._end_with(error)
                    return

    async def _stop_all(self) -> None:
        added = [keeper for keeper in self._keepers.values() if not keeper.listed]
        for keeper in added:
            keeper.stop(at_once=self._is_hurried)
        for keeper in added:
            await keeper.gone()
        for keeper in reversed([keeper for keeper in self._keepers.values() if keeper.listed]):
            keeper.stop(at_once=self._is_hurried)
            await keeper.gone()

    def _end_with(self, failure: Exception) -> None:
        if self._failure is None:
            self._failure = failure
        self._life.cancel()

    # ---- children at run time. A cancel of any of these stops the waiting only; what was begun goes on.

    async def start_child(self, spec: ChildSpec) -> None:
        """Add a child and return when it has started.

        Raises:
            StartFailed: it crashed, hung or returned before it had started, or was stopped. It is not kept.
            DuplicateChild: there is one of that name.
            NotRunning: the supervisor does not run, or is stopping.
            ValueError: its mailbox is closed for good.
        """
        self._check_running()
        await self._add(spec, listed=False).launch(must=True).wait()

    async def stop_child(self, name: str) -> None:
        """Ask it to end, wait at most its `stop_timeout`, cancel it; return when it is gone. It stays in the table,
        its mailbox refuses asks and keeps tells, until `restart_child`. Fine when it is down already.

        Raises:
            UnknownChild: there is none of that name.
        """
        keeper = self._get(name)
        keeper.stop()
        await keeper.gone()

    async def restart_child(self, name: str) -> None:
        """Stop it if it lives, then start it, with a clean record; also from PARKED, STOPPED and FINISHED. Return
        when it has started.

        Raises:
            StartFailed: it did not start. If it crashed, its policy goes on from there.
            UnknownChild: there is none of that name, or it is being removed.
            NotRunning: the supervisor does not run, or is stopping.
        """
        self._check_running()
        keeper = self._get(name)
        if keeper.is_leaving:
            raise UnknownChild(f"supervisor {self.name} is removing its child {name}")
        await keeper.restart().wait()

    async def remove_child(self, name: str) -> None:
        """Stop it if it lives, close its mailbox for good and forget it; return when that is done, also when
        somebody else began it.

        Raises:
            UnknownChild: there is none of that name.
        """
        keeper = self._get(name)
        if keeper.is_resting:
            keeper.retire()
        else:
            keeper.stop(remove=True)
            await keeper.gone()

    def _check_running(self) -> None:
        if self._nursery is None or self._life.cancel_called:
            raise NotRunning(f"supervisor {self.name} does not run or is stopping")

    def _get(self, name: str) -> Keeper:
        keeper = self._keepers.get(name)
        if keeper is None:
            raise UnknownChild(f"supervisor {self.name} has no child {name}")
        return keeper

    def _add(self, spec: ChildSpec, *, listed: bool) -> Keeper:
        if spec.name in self._keepers:
            raise DuplicateChild(f"supervisor {self.name} has a child {spec.name} already")
        if spec.mailbox is not None and spec.mailbox.is_closed:
            raise ValueError(f"child {spec.name}: its mailbox is closed for good")
        keeper = self._keepers[spec.name] = Keeper(spec, self, listed=listed)
        return keeper

    # ---- for those who watch

    def status(self, *, deep: bool = True) -> SupervisorStatus:
        """All children. Without `deep` theirs are only counted, which costs little where there are ten thousand."""
        return SupervisorStatus(self.name, tuple(keeper.status(deep=deep) for keeper in self._keepers.values()))

    def counts(self) -> Mapping[ChildState, int]:
        """How many children are in which state; states without any are left out."""
        return Counter([keeper.state for keeper in self._keepers.values()])

    def in_state(self, *states: ChildState) -> tuple[str, ...]:
        """The names of the children in these states: cheaper than `status` where there are ten thousand."""
        return tuple(name for name, keeper in self._keepers.items() if keeper.state in states)

    def child(self, name: str) -> ChildStatus:
        """One child's status.

        Raises:
            UnknownChild: there is none of that name.
        """
        return self._get(name).status()

    # ---- for the keepers

    def spawn(self, keeper: Keeper) -> None:
        """Give the keeper its task. It inherits the context variables of `run`, not of whoever asked for the child:
        a request's log context would else stay on it for ever."""
        if self._nursery is None:
            raise NotRunning(f"supervisor {self.name} does not run")
        self._context.run(partial(self._nursery.start_soon, keeper.keep, name=f"{self.name}/{keeper.spec.name}"))

    def emit(self, child: str, kind: EventKind, error: Exception | None = None, delay: float | None = None) -> None:
        if self._on_event is not None:
            try:
                self._on_event(SupervisionEvent(self.name, child, kind, self.wall(), error, delay))
            except Exception as failure:
                self._end_with(failure)

    def escalate(self, error: EscalatedError) -> None:
        self._end_with(error)

    def forget(self, keeper: Keeper) -> None:
        if self._keepers.get(keeper.spec.name) is keeper:
            del self._keepers[keeper.spec.name]
