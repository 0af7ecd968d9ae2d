"""Where the store's blocking calls run: worker threads, the writer's one of its own."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import outcome
import trio

R = TypeVar("R")


class Runner(Protocol):
    """Runs a blocking function somewhere; in tests with virtual time, in place. A cancel waits for its end."""

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R: ...


async def in_thread(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
    """One of trio's worker threads. A cancel waits for the function's end."""
    return await trio.to_thread.run_sync(function, limiter=limiter)


class OwnThread:
    """One thread for one caller, as the writer is: two thirds of the CPU of a hop to one of trio's, at each commit.

    A cancel waits for the function's end: a commit is never left half-known. `close` ends the thread.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        """Run `function` there. `limiter` is not needed: the thread does one thing at a time."""
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

        def job() -> None:
            token.run_sync_soon(trio.lowlevel.reschedule, task, outcome.capture(function))

        self._jobs.put(job)
        result: R = await trio.lowlevel.wait_task_rescheduled(_not_now)
        return result

    def close(self) -> None:
        """End the thread when it has done what it was given. Blocks until then."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _not_now(_raise_cancel: Any) -> trio.lowlevel.Abort:  # noqa: ANN401 - trio's signature
    return trio.lowlevel.Abort.FAILED
