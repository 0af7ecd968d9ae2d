"""What goes wrong inside: a disk that is full or slow, a service with a bug."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import trio

R = TypeVar("R")


class Disk:
    """Runs the store's calls inline; writes after the start fail while `full`, or wait while `stalled`."""

    def __init__(self) -> None:
        self.full = False
        self.go = trio.Event()
        self.go.set()

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            await trio.lowlevel.checkpoint()
            writes = "Database.write" in function.__qualname__
            if writes:
                await self.go.wait()
            if writes and self.full:
                raise sqlite3.OperationalError("database or disk is full")
            return function()


class Broken:
    """A service with a bug."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("a planted bug with a secret-looking text")
