"""How a start is told: by the body that starts, to whoever asked for it."""

from collections.abc import Callable
from typing import final

import trio

from supervisors.errors import StartFailed, error_text


@final
class StartSignal:
    """The `task_status` of a body: trio's protocol, without the second nursery of `trio.Nursery.start`."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def started(self, value: None = None) -> None:
        tell, self._tell = self._tell, None
        if tell is None:
            raise RuntimeError("started() was called twice")
        tell()


@final
class FirstStart:
    """How the start that somebody asked for went. With `must`, a child that fails it is given up."""

    __slots__ = ("_decided", "error", "must")

    def __init__(self, *, must: bool) -> None:
        self.must = must
        self.error: StartFailed | None = None
        self._decided = trio.Event()

    def decide(self, error: StartFailed | None) -> None:
        self.error = error
        self._decided.set()

    async def wait(self) -> None:
        """Return when the child has started; a cancel stops the waiting, not the start.

        Raises:
            StartFailed: it has not, caused by what went wrong.
        """
        await self._decided.wait()
        if self.error is not None:
            raise self.error


def start_failed(name: str, crash: Exception | None) -> StartFailed:
    if isinstance(crash, StartFailed) and crash.child == name:
        return crash
    failed = StartFailed(name, "returned unstarted" if crash is None else error_text(crash))
    failed.__cause__ = crash
    return failed
