"""Supervised actors on trio: bounded mailboxes, asks with honest answers, restarts with a policy."""

from supervisors.actor import Child, ChildSpec
from supervisors.ask import Ask
from supervisors.errors import (
    AnswerError,
    DuplicateChild,
    EscalatedError,
    MailboxFull,
    NotRunning,
    NotTaken,
    OutcomeUnknown,
    StartFailed,
    Stopping,
    SupervisionError,
    UnknownChild,
)
from supervisors.mailbox import Letter, Mailbox
from supervisors.restart import Backoff, Excess, Intensity, Restart
from supervisors.status import (
    ChildState,
    ChildStatus,
    EventKind,
    MailboxStatus,
    SupervisionEvent,
    SupervisorStatus,
)
from supervisors.supervisor import Supervisor

__all__ = [
    "AnswerError",
    "Ask",
    "Backoff",
    "Child",
    "ChildSpec",
    "ChildState",
    "ChildStatus",
    "DuplicateChild",
    "EscalatedError",
    "EventKind",
    "Excess",
    "Intensity",
    "Letter",
    "Mailbox",
    "MailboxFull",
    "MailboxStatus",
    "NotRunning",
    "NotTaken",
    "OutcomeUnknown",
    "Restart",
    "StartFailed",
    "Stopping",
    "SupervisionError",
    "SupervisionEvent",
    "Supervisor",
    "SupervisorStatus",
    "UnknownChild",
]
