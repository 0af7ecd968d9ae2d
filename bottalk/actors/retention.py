"""The log keeps what the settings say, and what is remembered for some time only is forgotten after it."""

from collections.abc import Callable
from typing import Any

import structlog
import trio

from bottalk.actors.jobs import BREATH_S, Job
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.messages import Bite, EmptyLinked, EmptyTexts, ForgetPassing, ForgetSettled, Place
from supervisors import Ask, Mailbox

log = structlog.get_logger()

DAY_S = 86400.0


class Retention(Job):
    """Bite after bite with a breath between, however much there is: after months without a daemon, too."""

    name = "retention"
    period = 3600.0

    def __init__(self, journal: Mailbox[Any], config: Config, clock: Clock, removed: Callable[[], None]) -> None:
        """`removed` is called after each round that has removed something."""
        self._journal = journal
        self._config = config
        self._clock = clock
        self._removed = removed

    async def round(self) -> None:
        before = self.done
        try:
            await self._all(ForgetPassing())
            await self._all(EmptyLinked())
            await self._through(EmptyTexts)
            until = self._clock.now() - self._config.log_days * DAY_S
            await self._through(lambda after: ForgetSettled(until, after))
        finally:
            if self.done > before:
                log.info("retention.removed", count=self.done - before)
                self._removed()

    async def _all(self, message: Ask[int]) -> None:
        """Ask until nothing is left."""
        while count := await self._journal.ask(message):
            self.done += count
            await trio.sleep(BREATH_S)

    async def _through(self, message: Callable[[Place | None], Ask[Bite]]) -> None:
        """Ask from the oldest row on, each bite where the last one has ended."""
        end: Place | None = None
        while True:
            bite = await self._journal.ask(message(end))
            self.done += bite.rows
            end = bite.end
            if end is None:
                return
            await trio.sleep(BREATH_S)
