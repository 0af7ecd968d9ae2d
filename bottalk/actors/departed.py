"""The logs of deleted accounts are removed, bite after bite, the newest rows first."""

from typing import Any

import structlog
import trio

from bottalk.actors.jobs import BREATH_S, Job
from bottalk.directory import Directory
from bottalk.messages import ForgetUserLog
from supervisors import Mailbox

log = structlog.get_logger()


class Departed(Job):
    """What is still to be removed is known to the directory, and read from the log at start: a cut loses nothing."""

    name = "departed"
    period = 3600.0

    def __init__(self, directory: Directory, journal: Mailbox[Any]) -> None:
        self._directory = directory
        self._journal = journal
        self.news = directory.someone_left

    async def round(self) -> None:
        """Remove all there is."""
        while self._directory.gone:
            user_id = next(iter(self._directory.gone))
            count = await self._journal.ask(ForgetUserLog(user_id))
            log.debug("departed.forgot", user=user_id, rows=count)
            self.done += count
            await trio.sleep(BREATH_S)
