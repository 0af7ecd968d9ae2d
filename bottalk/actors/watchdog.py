"""The watchdog: tells the service manager what the tree says of itself, and that the process deserves to live.

`WATCHDOG=1` is sent while a restart of the process could not better anything. It is withheld when the journal neither
takes nor answers what it was asked, when an actor is down without which no push is accepted, or when the event loop is
far behind: if that lasts, systemd ends the process and starts a new one. A database that cannot be written (disk full)
is no reason: a new process could not write it either, and this one keeps in memory what it is yet to write.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

from supervisors import Child

log = structlog.get_logger()

LOOK_S = 2.0
"""Seconds between two looks at what the process' life depends on."""

LINE_S = 10.0
"""Seconds between two status lines at least, unless the illness changes: with an iLink host down and ten thousand
channels a line takes some 50 ms."""

JOURNAL_S = 20.0
"""Seconds in which the journal must have ended at least one transaction, well or not, while something waits for it.
A commit on a slow disk takes some 20 ms, SQLite's own patience with a lock is 5 s."""

LAG_S = 5.0
"""Seconds that the event loop may be late. A look that is later does not count as well."""


class Manager(Protocol):
    """The service manager, as `bottalk.ops.systemd` knows it."""

    watchdog_s: float | None

    def tell(self, *lines: str) -> bool:
        """Send lines of sd_notify's protocol; whether they were taken. Neither waits nor raises."""
        ...


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the process' life depends on.

    `down`: the actors without which nobody is served, that do not run, each with its state. `journal_waiting`: letters
    that wait for the journal or are in its hand. `journal_tries`: transactions that it has ended since the start, well
    or not.
    """

    down: tuple[str, ...]
    journal_waiting: int
    journal_tries: int


class Watchdog:
    """`vitals` says how the tree is, `line` how things are, in one line for `systemctl status`.

    Without a manager there is nobody to tell. Whatever fails here ends this actor alone, which is started again.
    """

    def __init__(self, manager: Manager | None, vitals: Callable[[], Vitals], line: Callable[[], str]) -> None:
        self._manager = manager
        self._vitals = vitals
        self._line = line
        self._is_stopping = False

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Say READY, then look on until a stop is asked. It is the last child: when it runs, the others do."""
        task_status.started()
        if self._manager is None:
            await child.stopping.wait()
        else:
            await self._watch(child, self._manager)

    def stopping(self) -> None:
        """Tell that the daemon has begun to stop. With a last sign of life: the stop fits the watchdog's time."""
        if self._manager is not None and not self._is_stopping:
            self._is_stopping = True
            self._manager.tell("STOPPING=1", "WATCHDOG=1", "STATUS=stopping")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Around a reload of the settings: told to have begun, and to be over however it ends."""
        if self._manager is None:
            yield
            return
        # systemd waits for a READY=1 that is not older than this: CLOCK_MONOTONIC, in microseconds
        self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            self._manager.tell("READY=1")

    async def _watch(self, child: Child, manager: Manager) -> None:
        every = None if manager.watchdog_s is None else manager.watchdog_s / 2
        look_s = LOOK_S if every is None else min(LOOK_S, every)
        pinged_at = told_at = trio.current_time()
        pulse, told, was_ill = Pulse(pinged_at), self._line(), ""
        manager.tell("READY=1", f"STATUS={told}")
        while not await _stops_within(child, look_s):
            now = trio.current_time()
            ill = pulse.look(self._vitals(), now, look_s)
            _log_turn(ill, was_ill)
            if every is not None and not ill and now + look_s - pinged_at > every:  # the next look would be late
                manager.tell("WATCHDOG=1")
                pinged_at = now
            if ill != was_ill or now - told_at >= LINE_S:
                line = f"not well: {ill}; {self._line()}" if ill else self._line()
                if line != told:
                    manager.tell(f"STATUS={line}")
                told, told_at, was_ill = line, now, ill


class Pulse:
    """What is remembered from look to look. `now` is trio's clock."""

    def __init__(self, now: float) -> None:
        self._looked_at = now
        self._moved_at = now
        self._tries = -1

    def look(self, vitals: Vitals, now: float, look_s: float) -> str:
        """Why the process is ill, in words; empty when it is well. `look_s`: seconds from look to look, if in time."""
        late = now - self._looked_at - look_s
        self._looked_at = now
        if vitals.journal_waiting == 0 or vitals.journal_tries != self._tries:
            self._moved_at, self._tries = now, vitals.journal_tries
        found = list(vitals.down)
        if now - self._moved_at > JOURNAL_S:
            found.append(f"the journal has not moved for more than {JOURNAL_S:.0f} s")
        if late > LAG_S:
            found.append(f"the event loop was {late:.0f} s late")
        return ", ".join(found)


async def _stops_within(child: Child, seconds: float) -> bool:
    """Wait so long; whether a stop was asked meanwhile."""
    with trio.move_on_after(seconds):
        await child.stopping.wait()
        return True
    return False


def _log_turn(ill: str, was_ill: str) -> None:
    if ill and not was_ill:
        log.error("watchdog.ill", why=ill, what_to_do="restart it if this lasts; systemd does so by itself")
    elif was_ill and not ill:
        log.info("watchdog.well", after=was_ill)
