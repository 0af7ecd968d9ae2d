"""How an actor tells the journal what has happened and must not be lost."""

from typing import Any, TypeVar

import structlog
import trio

from bottalk.errors import CannotWrite
from bottalk.messages import ChannelDied, Inbound, Settle
from bottalk.writable import Writable
from supervisors import Ask, Mailbox, MailboxFull, NotTaken

R = TypeVar("R")
log = structlog.get_logger()

RETRY_S = 3.0

GRACE_S = 0.7
"""Seconds for a last try after a cancel: a cut actor's bounded cleanup, within the second between its own stop's limit
and its supervisor's."""


async def persist(journal: Mailbox[Any], message: Ask[R], writable: Writable | None = None) -> R:
    """Ask the journal until it has written `message`: while it cannot, what happened is kept here, in memory.

    For facts (a message was sent, the user wrote), not for requests that somebody else may repeat. A cancel leaves one
    more try of GRACE_S, so that neither a stop nor the crash of a sibling task loses what iLink will not tell twice: a
    message may thus be written twice, and its verb must do nothing the second time (or err on the safe side).
    With `writable` it is written as soon as the journal can write again, and until then nothing new begins there; what
    is given up is remembered there, for the next start.
    Raises OutcomeUnknown when the journal dies with it in hand: then the process ends.
    """
    try:
        return await _until_written(journal, message, writable or Writable())
    except trio.Cancelled:
        why = await _last_try(journal, message)
        if writable is not None and why is not None:
            writable.forgotten = why
        raise


async def _until_written(journal: Mailbox[Any], message: Ask[R], writable: Writable) -> R:
    try:
        return await journal.ask(message)
    except (CannotWrite, MailboxFull, NotTaken) as e:
        log.warning("journal.waiting", fact=type(message).__name__, why=str(e))
    with writable.owed():
        while True:
            await writable.again(RETRY_S)
            try:
                answer = await journal.ask(message)
            except (CannotWrite, MailboxFull, NotTaken):
                continue
            log.info("journal.written", fact=type(message).__name__)
            return answer


async def _last_try(journal: Mailbox[Any], message: Ask[R]) -> str | None:
    """None when it is written, else why not."""
    why = f"not written within {GRACE_S:g} s"
    with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_S):
        try:
            await journal.ask(message)
        except (CannotWrite, MailboxFull, NotTaken) as e:
            why = str(e)
        else:
            return None
    log.error("journal.lost", fact=type(message).__name__, why=why, **_consequence(message))
    return why


def _consequence(message: Ask[R]) -> dict[str, object]:
    """What will come of it that this is not written, for the log."""
    match message:
        case Settle():
            rows = sorted({*(one.row_id for one in message.settlements), *message.tried})
            return {"channel": message.channel_id, "rows": rows, "what_follows": "they are sent again, maybe twice"}
        case Inbound():
            return {"channel": message.channel_id, "what_follows": "what waits goes after the user's next word"}
        case ChannelDied():
            return {"channel": message.channel_id, "what_follows": "it is found out again after the next start"}
        case _:
            return {"what_follows": "it was not done, and has to be asked for again"}
