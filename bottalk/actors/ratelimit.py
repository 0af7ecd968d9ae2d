"""The rate limit: a sliding hour per account, exact, in memory; a restart forgets it.

Each granted push leaves the time it was granted; a push is granted while fewer than the limit lie within the last hour.
Every time is added once and dropped once, so a decision costs O(1) on the average, and accounts that were silent for an
hour take no memory.
"""

from collections import OrderedDict, deque
from math import ceil

import trio

from bottalk.messages import Spend, Spent
from bottalk.values import UserId
from supervisors import Child, Mailbox

HOUR_S = 3600.0

MAILBOX = 10_000
"""As the journal's: a push that finds this full would find the journal's full too."""


class RateLimit:
    """Takes one `Spend` per push."""

    def __init__(self) -> None:
        self.mailbox: Mailbox[Spend] = Mailbox("ratelimit", MAILBOX)
        self._granted: OrderedDict[UserId, deque[float]] = OrderedDict()  # last granted last

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Decide until a stop is asked. A restart begins with nobody known."""
        self._granted.clear()
        task_status.started()
        async for letter in self.mailbox:
            letter.reply(self.spend(letter.message, trio.current_time()))

    def spend(self, m: Spend, now: float) -> Spent:
        """Decide at `now` (trio's clock). A refusal costs nothing."""
        self._forget(now)
        times = self._granted.get(m.user_id)
        while times and times[0] <= now - HOUR_S:
            times.popleft()
        used = len(times) if times else 0
        granted = used < m.limit
        if granted:
            if times is None:
                times = self._granted[m.user_id] = deque()
            times.append(now)
            self._granted.move_to_end(m.user_id)
            used += 1
        resets_in = ceil(HOUR_S - (now - times[0])) if times else ceil(HOUR_S)
        return Spent(granted, m.limit, max(0, m.limit - used), resets_in)

    def accounts(self) -> int:
        """How many accounts are remembered."""
        return len(self._granted)

    def _forget(self, now: float) -> None:
        """Drop accounts whose last push is over an hour old: they are the first in the order."""
        while self._granted:
            user_id, times = next(iter(self._granted.items()))
            if times and times[-1] > now - HOUR_S:
                return
            del self._granted[user_id]
