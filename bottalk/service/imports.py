"""Imports: what comes from the database of BotTalk on Node.js, a batch at a time."""

from collections.abc import Sequence
from typing import Any

import structlog

from bottalk.messages import Arrived, ComingAccount, ComingLog, End, ImportAccounts, ImportLogs, Kind, UserChanged
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox, MailboxFull, NotTaken

log = structlog.get_logger()


class Imports:
    """Each batch is one commit. Raises CannotWrite, MailboxFull or NotTaken: then nothing of the batch was written."""

    def __init__(self, pictures: Pictures, journal: Mailbox[Any], channels: Mailbox[Any]) -> None:
        self._pictures = pictures
        self._journal = journal
        self._channels = channels

    async def accounts(self, accounts: Sequence[ComingAccount]) -> tuple[Arrived, ...]:
        """Take accounts over, with channels and reminders. The channels' actors start, where a daemon runs."""
        arrived = await self._journal.ask(ImportAccounts(tuple(accounts)), timeout=TAKEN_WITHIN_S)
        for account in arrived:
            if any(fate.kind is Kind.CHANNEL and fate.end in (End.TAKEN, End.RENEWED) for fate in account.fates):
                self._start_actors(account)
        log.info("import.accounts", accounts=len(arrived))
        return arrived

    async def logs(self, rows: Sequence[ComingLog]) -> int:
        """Write rows of an old log; how many were not here already."""
        return await self._journal.ask(ImportLogs(tuple(rows)), timeout=TAKEN_WITHIN_S)

    def _start_actors(self, account: Arrived) -> None:
        try:
            self._channels.tell(UserChanged(account.user_id))
        except (MailboxFull, NotTaken) as e:
            # none runs, or they are starting or stopping, which goes by what is committed
            log.debug("import.not_told", user=account.user_id, why=str(e))
