"""One child's life: incarnation after incarnation, by its policy, until it rests.

The keeper is the one task a living child costs. It awaits the child's body itself, inside one cancel scope whose
deadline serves in turn as the limit of the start, nothing, and the limit of the stop. So the next incarnation cannot
begin before the last one is gone: they are the same task.
"""

from enum import Enum
from math import inf
from typing import Protocol, final

import trio

from supervisors.actor import Child, ChildSpec
from supervisors.errors import EscalatedError, StartFailed, Stopping, error_text
from supervisors.restart import Chance, History, Verdict
from supervisors.starting import FirstStart, StartSignal, start_failed
from supervisors.status import ChildState, ChildStatus, EventKind

_RESTING = (ChildState.PARKED, ChildState.STOPPED, ChildState.FINISHED)


class Home(Protocol):
    """What a keeper needs of its supervisor. All of it is synchronous."""

    @property
    def name(self) -> str: ...
    @property
    def rng(self) -> Chance: ...
    def wall(self) -> float: ...
    def spawn(self, keeper: "Keeper") -> None: ...
    def emit(self, child: str, kind: EventKind, error: Exception | None = None, delay: float | None = None) -> None: ...
    def escalate(self, error: EscalatedError) -> None: ...
    def forget(self, keeper: "Keeper") -> None: ...


class Want(Enum):
    """What is to follow the present incarnation. RUN: what the policy says. AGAIN: another one, at once.
    STOP: rest. REMOVE: rest, be forgotten, mailbox closed for good. GIVE_UP: rest and be forgotten (its first start
    failed; its mailbox may serve another try)."""

    RUN = "run"
    AGAIN = "again"
    STOP = "stop"
    REMOVE = "remove"
    GIVE_UP = "give_up"


@final
class Keeper:
    """One entry of a supervisor's table. The supervisor calls its verbs; only `keep` moves it along."""

    __slots__ = (
        "_child",
        "_first",
        "_gone",
        "_history",
        "_home",
        "_last_error",
        "_last_error_at",
        "_restarts",
        "_scope",
        "_since",
        "_started_at",
        "_want",
        "listed",
        "spec",
        "state",
    )

    def __init__(self, spec: ChildSpec, home: Home, *, listed: bool) -> None:
        self.spec = spec
        self.listed = listed  # one of the supervisor's own children, which start and stop in order
        self.state = ChildState.STOPPED
        self._home = home
        self._since = home.wall()
        self._restarts = 0
        self._last_error: str | None = None
        self._last_error_at: float | None = None
        self._want = Want.STOP
        self._first: FirstStart | None = None
        self._history: History | None = None  # made at the first failure
        self._child: Child | None = None
        self._scope: trio.CancelScope | None = None  # around the body, or around the back-off
        self._started_at: float | None = None  # trio's clock, of this incarnation
        self._gone: trio.Event | None = None  # made when somebody waits

    # ---- verbs, for the supervisor

    @property
    def is_resting(self) -> bool:
        """It has no task. (Its last incarnation is gone, and none follows unless it is launched.)"""
        return self.state in _RESTING

    @property
    def is_leaving(self) -> bool:
        """It is being removed."""
        return self._want is Want.REMOVE

    @property
    def is_stopping(self) -> bool:
        """It was asked to end and has not yet."""
        return self.state is ChildState.STOPPING

    def launch(self, *, must: bool = False) -> FirstStart:
        """Begin to live. Only while resting."""
        self._want = Want.RUN
        self._restarts = 0
        self._first = first = FirstStart(must=must)
        self._enter(ChildState.STARTING)
        self._home.spawn(self)
        return first

    def restart(self) -> FirstStart:
        """Another incarnation as soon as the present one, if any, is gone; the history is forgotten."""
        if self.is_resting:
            return self.launch()
        if self._first is None:
            self._first = FirstStart(must=False)
        self._request(Want.AGAIN)
        return self._first

    def stop(self, *, at_once: bool = False, remove: bool = False) -> None:
        """Ask the present incarnation to end, and see that none follows. `at_once`: do not wait, cancel."""
        if not self.is_resting:
            self._request(Want.REMOVE if remove else Want.STOP)
            if at_once:
                self.cut()

    def retire(self) -> None:
        """Be removed. Only while resting."""
        if self.spec.mailbox is not None:
            self.spec.mailbox.close()
        self._home.forget(self)

    def cut(self) -> None:
        """Cancel what runs now."""
        if self._scope is not None:
            self._scope.cancel()

    async def gone(self) -> None:
        """Wait until the present incarnation, if there is one, is gone. Call it after `stop` or `restart`."""
        if not self.is_resting:
            if self._gone is None:
                self._gone = trio.Event()
            await self._gone.wait()

    def _request(self, want: Want) -> None:
        if self._want is not Want.REMOVE:
            self._want = want
        if self._child is None:
            self.cut()  # a back-off, or nothing yet
        elif self.state is not ChildState.STOPPING:
            self._enter(ChildState.STOPPING)
            self._child.ask_to_stop()
            if self._scope is not None:
                self._scope.deadline = min(self._scope.deadline, trio.current_time() + self.spec.stop_timeout)

    # ---- the task

    async def keep(self) -> None:
        """Live until it is time to rest. Only a cancel from outside, or what is no `Exception`, leaves it."""
        try:
            again = self._want is Want.RUN or self._want is Want.AGAIN
            while again:
                # The crash is not bound to a name: during the back-off its frames would stay alive.
                delay = self._after(await self._incarnation())
                again = delay is not None and await self._back_off(delay)
        finally:
            self._rest()

    async def _incarnation(self) -> Exception | None:
        """Run the body once. The crash that ended it, or None for a return."""
        self._tell_gone()  # a stop may have been overtaken by a restart
        self._want, self._started_at = Want.RUN, None
        self._enter(ChildState.STARTING)
        if self.spec.mailbox is not None:
            self.spec.mailbox.open()
        self._child = Child(self.spec.name, self.spec.mailbox)
        self._scope = scope = trio.CancelScope(deadline=trio.current_time() + self.spec.start_timeout)
        try:
            with scope:
                await self.spec.run(self._child, task_status=StartSignal(self.note_started))
        except Exception as error:
            return None if self._want is not Want.RUN and _is_only_stopping(error) else error
        if self._started_at is None and self._want is Want.RUN:
            why = (
                f"not started within {self.spec.start_timeout:g} s" if scope.cancelled_caught else "returned unstarted"
            )
            return StartFailed(self.spec.name, why)
        return None

    def note_started(self) -> None:
        """The body called `started()`."""
        if self._want is Want.RUN and self._scope is not None and not self._scope.cancel_called:
            self._scope.deadline = inf
            self._started_at = trio.current_time()
            self._enter(ChildState.RUNNING)
            self._decide_first(None)
            self._home.emit(self.spec.name, EventKind.STARTED)

    def _after(self, crash: Exception | None) -> float | None:
        """The incarnation is gone. Seconds until the next one, or None: rest (`state` then says how)."""
        was_cut = self._scope is not None and self._scope.cancelled_caught
        self._child = self._scope = None
        if self.spec.mailbox is not None:
            self.spec.mailbox.settle()
        if crash is not None:
            self._last_error, self._last_error_at = error_text(crash), self._home.wall()
            self._home.emit(self.spec.name, EventKind.CRASHED, crash)
        if self._want is Want.RUN:
            return self._by_policy(crash)
        if was_cut and self.spec.stop_timeout > 0:
            self._home.emit(self.spec.name, EventKind.CUT)
        return 0.0 if self._want is Want.AGAIN else None

    def _by_policy(self, crash: Exception | None) -> float | None:
        """It ended unasked."""
        name = self.spec.name
        if self._started_at is None and self._first is not None:
            must = self._first.must
            self._decide_first(start_failed(name, crash))
            if must:
                self._want = Want.STOP if self.listed else Want.GIVE_UP
                return None
        if crash is None:
            self._home.emit(name, EventKind.RETURNED)
        if self._history is None:
            self._history = History()
        now = trio.current_time()
        ran_for = 0.0 if self._started_at is None else now - self._started_at
        decision = self._history.decide(
            self.spec, crashed=crash is not None, ran_for=ran_for, now=now, rng=self._home.rng
        )
        if decision.verdict is Verdict.RESTART:
            self._restarts += 1
            self._enter(ChildState.BACKING_OFF)
            self._home.emit(name, EventKind.RESTARTING, delay=decision.delay)
            return decision.delay
        if decision.verdict is Verdict.ESCALATE:
            error = EscalatedError(self._home.name, name)
            error.__cause__ = crash
            self._home.escalate(error)
            self._home.emit(name, EventKind.ESCALATED, crash)
        elif decision.verdict is Verdict.PARK:
            self._enter(ChildState.PARKED)
        else:
            self._enter(ChildState.FINISHED)
        return None

    async def _back_off(self, delay: float) -> bool:
        """Whether another incarnation follows."""
        if self._want is Want.RUN:
            with trio.CancelScope() as self._scope:
                await trio.sleep(delay)
            self._scope = None
        if self._want is Want.AGAIN:
            self._restarts, self._history = 0, None
            return True
        return self._want is Want.RUN

    def _rest(self) -> None:
        """The task ends."""
        self._child = self._scope = self._history = None
        if self.state not in _RESTING:
            self._enter(ChildState.STOPPED)
        leaves = self._want is Want.REMOVE or (self.state is ChildState.FINISHED and self.spec.forget)
        if self.spec.mailbox is not None:
            self.spec.mailbox.refuse()
        if self._first is not None:
            self._decide_first(StartFailed(self.spec.name, "stopped before it had started"))
        if leaves:
            self.retire()
        elif self._want is Want.GIVE_UP:
            self._home.forget(self)
        self._tell_gone()
        self._home.emit(self.spec.name, _EVENT_OF_REST[self.state])

    def _tell_gone(self) -> None:
        if self._gone is not None:
            self._gone.set()
            self._gone = None

    def _decide_first(self, error: StartFailed | None) -> None:
        if self._first is not None:
            first, self._first = self._first, None
            first.decide(error)

    # ---- for those who watch

    def status(self, *, deep: bool = True) -> ChildStatus:
        """`deep`: with its own children, if it is a supervisor; else they are only counted."""
        spec, branch = self.spec, self.spec.supervisor
        return ChildStatus(
            name=spec.name,
            state=self.state,
            restarts=self._restarts,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
            since=self._since,
            mailbox=None if spec.mailbox is None else spec.mailbox.status(),
            children=branch.status() if branch is not None and deep else None,
            counts=None if branch is None else branch.counts(),
        )

    def _enter(self, state: ChildState) -> None:
        self.state = state
        self._since = self._home.wall()


_EVENT_OF_REST = {
    ChildState.PARKED: EventKind.PARKED,
    ChildState.STOPPED: EventKind.STOPPED,
    ChildState.FINISHED: EventKind.FINISHED,
}


def _is_only_stopping(error: Exception) -> bool:
    """`Stopping` itself, or nurseries' groups of nothing else."""
    return isinstance(error, Stopping) or (isinstance(error, ExceptionGroup) and error.split(Stopping)[1] is None)
