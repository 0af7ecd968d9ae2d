"""Whether a bot's session still lives, asked once for both loops of its channel: a poll and a send both see −14."""

from collections.abc import Awaitable, Callable

import trio

from bottalk.delivery.verdict import Verdict

SHARED_S = 5.0
"""Seconds for which an answer serves the other loop, too: longer than a poll's pause after −14."""


class SessionCheck:
    """One notifystart at a time, and one for each time that iLink answers −14 to either loop."""

    __slots__ = ("_answer", "_ask", "_ended_at", "_running", "poll_is_suspect")

    def __init__(self, ask: Callable[[], Awaitable[Verdict | None]]) -> None:
        self.poll_is_suspect = False
        """The last poll was answered −14: the next one decides, for the send loop too. Written by the poll loop."""
        self._ask = ask
        self._answer: Verdict | None = None
        self._ended_at = float("-inf")
        self._running: trio.Event | None = None

    async def run(self, began_at: float) -> Verdict | None:
        """What a notifystart is answered; None: well. `began_at`: when the call began that was answered −14, trio's
        clock.

        The other loop's check serves, where it is under way, has ended since that call began, or has only just ended.
        A cancel of the one that asks leaves it to the one that waits.
        """
        while self._running is not None:
            await self._running.wait()
        if began_at < self._ended_at or trio.current_time() - self._ended_at < SHARED_S:
            return self._answer
        running = self._running = trio.Event()
        try:
            self._answer = await self._ask()
            self._ended_at = trio.current_time()
        finally:
            self._running = None
            running.set()
        return self._answer
