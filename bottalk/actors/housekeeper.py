"""The housekeeper: has the logs of deleted accounts removed, in small bites between everybody else's writes."""

from typing import Any

import structlog
import trio

from bottalk.directory import Directory
from bottalk.errors import CannotWrite
from bottalk.messages import ForgetUserLog
from supervisors import Child, Mailbox, MailboxFull, NotTaken

log = structlog.get_logger()

BREATH_S = 0.1
"""Seconds between two bites of about 20 ms: pushes keep the disk to themselves most of the time."""

RETRY_S = 3.0
"""Seconds between tries while the journal takes nothing."""


class Housekeeper:
    """What is still to be removed is known to the directory, and read from the log at start: a cut loses nothing."""

    def __init__(self, directory: Directory, journal: Mailbox[Any]) -> None:
        self._directory = directory
        self._journal = journal

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Work until a stop is asked, which cuts it: a bite that the journal has taken is written all the same."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work)
            await child.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _work(self) -> None:
        while True:
            if self._directory.gone:
                await trio.sleep(BREATH_S if await self._bite() else RETRY_S)
            else:
                await self._directory.someone_left.wait()

    async def _bite(self) -> bool:
        """One bite; whether the journal took it."""
        user_id = next(iter(self._directory.gone))
        try:
            count = await self._journal.ask(ForgetUserLog(user_id))
        except (CannotWrite, MailboxFull, NotTaken) as e:
            log.debug("housekeeper.waiting", why=str(e))
            return False
        log.debug("housekeeper.forgot", user=user_id, rows=count)
        return True
