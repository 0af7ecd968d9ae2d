"""The machine under a run: a disk that can be full, and tasks that must come to rest."""

import random
import sqlite3
from collections.abc import Callable
from typing import TypeVar

import trio

R = TypeVar("R")

STEPS = 200_000
"""Steps of tasks between two looks at the clock: a hundred times what the busiest moment of a life takes."""


class Disk:
    """Runs one run's calls of the store in place, with seeded checkpoints before and after: what is committed is known
    only some time later. `is_full` and `is_dead` fail every write."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.is_full = False
        self.is_dead = False
        self.writes = 0

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            await self._breathe()
            if "Database.write" in function.__qualname__:
                self.writes += 1
                if self.is_full or self.is_dead:
                    raise sqlite3.OperationalError("database or disk is full")
            found = function()
            await self._breathe()
            return found

    async def _breathe(self) -> None:
        for _ in range(self._rng.randrange(4)):
            await trio.lowlevel.checkpoint()


class Spin(trio.abc.Instrument):
    """Ends the play when tasks are busy for ever: virtual time passes only while all of them are at rest."""

    def __init__(self, breach: Callable[[str], None], scope: trio.CancelScope) -> None:
        self._breach = breach
        self._scope = scope
        self._at = 0.0
        self._steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps += 1
        if self._steps >= STEPS:
            at, self._steps = trio.current_time(), 0
            if at == self._at and not self._scope.cancel_called:
                self._breach(f"busy for ever: {task.coro!r}")
                self._scope.cancel()
            self._at = at
