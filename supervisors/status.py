"""What a tree says of itself: frozen values, and the events by which it tells what happens. Nothing here acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class ChildState(StrEnum):
    """Where a child stands.

    STARTING: its body runs and has not yet called `started()`. RUNNING: it has. BACKING_OFF: it ended and will be
    started again. PARKED: it failed too often and waits for `restart_child`. STOPPING: it was asked to end.
    STOPPED: it was asked to end and has, or was never started. FINISHED: it ended and its policy says that is all.
    """

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    PARKED = "parked"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """`depth`: letters waiting now, `peak`: the most that ever waited, `in_hand`: asks taken and not yet answered,
    `refused`: letters turned away because it was full, since it was made."""

    name: str
    capacity: int
    depth: int
    peak: int
    in_hand: int
    refused: int


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One child. `since` (wall time) is when it entered `state`; `restarts` counts those of its policy since it was
    last started by hand; `last_error` outlives restarts. Of a child that is a supervisor, `counts` says how many of
    its children are in which state, and `children` which ones those are, unless the status was asked for without."""

    name: str
    state: ChildState
    restarts: int
    last_error: str | None
    last_error_at: float | None
    since: float
    mailbox: "MailboxStatus | None"
    children: "SupervisorStatus | None"
    counts: Mapping[ChildState, int] | None = None


@dataclass(frozen=True, slots=True)
class SupervisorStatus:
    """A supervisor and its children, in the order they were added."""

    name: str
    children: tuple[ChildStatus, ...]


class HasStatus(Protocol):
    """What a child that is itself a supervisor shows of its own children."""

    def status(self, *, deep: bool = True) -> SupervisorStatus: ...
    def counts(self) -> Mapping[ChildState, int]: ...


class EventKind(StrEnum):
    """What happened to a child.

    STARTED: it called `started()`. RETURNED: its body returned without being asked to. CRASHED: an exception left its
    body, or it was too slow to start. RESTARTING: it will be started again after `delay` seconds. PARKED, FINISHED,
    STOPPED: it entered that state. ESCALATED: it ends its supervisor. CUT: it did not end within its `stop_timeout`
    (unless that is 0), or was hurried, and was cancelled.
    """

    STARTED = "started"
    RETURNED = "returned"
    CRASHED = "crashed"
    RESTARTING = "restarting"
    PARKED = "parked"
    FINISHED = "finished"
    STOPPED = "stopped"
    ESCALATED = "escalated"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class SupervisionEvent:
    """One thing that happened, at wall time `at`. `error` is the live exception of a crash, for a log with its
    traceback: render it at once, do not keep it (it holds every frame it passed)."""

    supervisor: str
    child: str
    kind: EventKind
    at: float
    error: Exception | None = None
    delay: float | None = None
