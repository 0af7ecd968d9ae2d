"""What a child is to its supervisor (`ChildSpec`) and what the supervisor is to the child's running body (`Child`)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, final

import trio

from supervisors.mailbox import Mailbox
from supervisors.restart import Backoff, Excess, Intensity, Restart
from supervisors.status import HasStatus

_BACKOFF = Backoff()
_INTENSITY = Intensity()


@final
class Child:
    """What the running body sees of its place in the tree. Each incarnation gets a new one."""

    __slots__ = ("_stop_asked", "_stopping", "mailbox", "name")

    def __init__(self, name: str, mailbox: Mailbox[Any] | None = None) -> None:
        self.name = name
        self.mailbox = mailbox
        self._stop_asked = False
        self._stopping: trio.Event | None = None  # made when first looked at: most bodies only watch their mailbox

    @property
    def stopping(self) -> trio.Event:
        """Set when the child is asked to end. It then has its `stop_timeout` before it is cancelled."""
        if self._stopping is None:
            self._stopping = trio.Event()
            if self._stop_asked:
                self._stopping.set()
        return self._stopping

    def ask_to_stop(self) -> None:
        """Set `stopping` and let the mailbox run dry. For the supervisor, and for tests of a body without one."""
        self._stop_asked = True
        if self._stopping is not None:
            self._stopping.set()
        if self.mailbox is not None:
            self.mailbox.drain()


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run one child, and what to do when it ends.

    `run` is `async def run(child: Child, *, task_status: trio.TaskStatus[None]) -> None`. It calls
    `task_status.started()` as the last step of its start, within `start_timeout` seconds. An exception that leaves it
    is a crash, a return is a return; `Stopping` leaving it after a stop was asked is a return.

    A stop asks (`child.stopping`, the mailbox runs dry), waits `stop_timeout` seconds (0: not at all) and cancels.
    A nested supervisor's must be longer than those of its children together, or they are cut.

    `supervisor` names the supervisor whose `run` this is, so that its children appear in the status. A child that
    finishes with `forget` is dropped from the supervisor, and its mailbox closed, instead of staying as FINISHED.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    mailbox: Mailbox[Any] | None = None
    restart: Restart = Restart.PERMANENT
    backoff: Backoff = _BACKOFF
    intensity: Intensity = _INTENSITY
    excess: Excess = Excess.PARK
    start_timeout: float = 30.0
    stop_timeout: float = 5.0
    supervisor: HasStatus | None = None
    forget: bool = False
