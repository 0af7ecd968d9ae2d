"""Whether the journal can write, as everybody may see it: nobody begins what could not be noted afterwards.

Set by the journal alone. What happened while it could not write is owed: it is written first, before anything new
begins.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Writable:
    """`lost` and `regained` are the journal's; the others wait."""

    __slots__ = ("_back", "_is_lost", "_ok", "_owed", "forgotten")

    def __init__(self) -> None:
        self.forgotten: str | None = None
        """Why something that happened was given up unwritten; such a run is not noted as one that ended in order."""
        self._is_lost = False
        self._owed = 0
        self._back = trio.Event()
        self._ok = trio.Event()

    @property
    def is_ok(self) -> bool:
        """The journal can write, and has written what happened while it could not."""
        return not self._is_lost and self._owed == 0

    async def ok(self) -> None:
        """Return when something new may begin: without a checkpoint if that is now. True until the next checkpoint."""
        while not self.is_ok:
            await self._ok.wait()

    async def again(self, at_most: float) -> None:
        """For those who owe: wait until the journal can write again, but only so many seconds: asking it finds out."""
        with trio.move_on_after(at_most):
            await self._back.wait()

    @contextmanager
    def owed(self) -> Iterator[None]:
        """Something that happened is kept in memory meanwhile, because it could not be written."""
        self._owed += 1
        try:
            yield
        finally:
            self._owed -= 1
            self._tell()

    def lost(self) -> None:
        """The database refuses to be written."""
        self._is_lost = True

    def regained(self) -> None:
        """The database takes writes again."""
        self._is_lost = False
        self._back.set()
        self._back = trio.Event()
        self._tell()

    def _tell(self) -> None:
        if self.is_ok:
            self._ok.set()
            self._ok = trio.Event()
