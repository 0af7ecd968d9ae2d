"""The alarms: looks for troubles and tells them to an address of the operator's, until it has them.

Nothing waits for this actor, and it writes nothing: whatever the address does, pushes go on.
"""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import structlog
import trio

from bottalk.actors.alert import NotTold
from bottalk.alarms import Alarm, Sign, Watch
from bottalk.clock import Clock
from bottalk.delivery import retry
from bottalk.outbox import Wakeup
from bottalk.values import Secret
from supervisors import Child

log = structlog.get_logger()

LOOK_S = 15.0
"""Seconds between two looks: one takes some milliseconds with ten thousand channels."""

MOST = 100
"""Alarms that wait for an address that does not answer. Of more the oldest are given up: the newest say how it is."""

LADDER = (5.0, 15.0, 60.0, 300.0)
"""Seconds before each new try; the last repeats."""


class Alarms:
    """`signs` gives all that is wrong now, `tell` brings an alarm to an address and raises NotTold when it could not.

    `address` is asked for each time; an empty one: alarms are logged and told to nobody.
    """

    def __init__(
        self,
        signs: Callable[[], Iterable[Sign]],
        address: Callable[[], Secret],
        tell: Callable[[Secret, Alarm], Awaitable[None]],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._signs = signs
        self._address = address
        self._tell = tell
        self._clock = clock
        self._rng = rng
        self._watch = Watch(clock.now())
        self._waiting: deque[Alarm] = deque()
        self._news = Wakeup()

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Until a stop is asked, which cuts it: what was not told yet is in the log."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_on)
            nursery.start_soon(self._bring)
            await child.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _look_on(self) -> None:
        while True:
            for alarm in self._watch.look(self._signs(), self._clock.now()):
                _log(alarm)
                if self._address():
                    self._waiting.append(alarm)
            while len(self._waiting) > MOST:
                log.error("alarm.given_up", cause=self._waiting.popleft().trouble.value)
            if self._waiting:
                self._news.set()
            await trio.sleep(LOOK_S)

    async def _bring(self) -> None:
        failures = 0
        while True:
            while not self._waiting:
                await self._news.wait()
            alarm, address = self._waiting[0], self._address()
            try:
                if address:
                    await self._tell(address, alarm)
            except NotTold as e:
                failures += 1
                log.warning("alarm.not_told", cause=alarm.trouble.value, error=str(e), tries=failures)
                await trio.sleep(retry.delay(failures, LADDER, self._rng))
                continue
            failures = 0
            if self._waiting and self._waiting[0] is alarm:  # else it was given up meanwhile
                self._waiting.popleft()


def _log(alarm: Alarm) -> None:
    if alarm.is_over:
        log.info("alarm.over", cause=alarm.trouble.value, title=alarm.title)
    else:
        log.warning("alarm.raised", cause=alarm.trouble.value, title=alarm.title)
