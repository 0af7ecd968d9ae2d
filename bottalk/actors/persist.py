"""How an actor tells the journal what has happened and must not be lost."""

from typing import Any, TypeVar

import structlog
import trio

from bottalk.errors import CannotWrite
from supervisors import Ask, Mailbox, MailboxFull, NotTaken

R = TypeVar("R")
log = structlog.get_logger()

RETRY_S = 3.0


async def persist(journal: Mailbox[Any], message: Ask[R]) -> R:
    """Ask the journal until it has written `message`: while it cannot, what happened is kept here, in memory.

    For facts (a message was sent, the user wrote), not for requests that somebody else may repeat. A cancel gives up.
    Raises OutcomeUnknown when the journal dies with it in hand: then the process ends.
    """
    waited = False
    while True:
        try:
            answer = await journal.ask(message)
        except (CannotWrite, MailboxFull, NotTaken) as e:
            if not waited:
                log.warning("journal.waiting", fact=type(message).__name__, why=str(e))
            waited = True
            await trio.sleep(RETRY_S)
        else:
            if waited:
                log.info("journal.written", fact=type(message).__name__)
            return answer
