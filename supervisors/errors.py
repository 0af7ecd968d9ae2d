"""What can go wrong between actors. Every error here says plainly what did and what did not happen."""


class SupervisionError(Exception):
    """Root of this library's errors."""


class MailboxFull(SupervisionError):
    """The mailbox holds as many letters as it may. Nothing was kept; the same message may be sent again later."""


class NotTaken(SupervisionError):
    """The actor did not take the message and never will: it did not happen and will not happen later.

    Its deadline passed, or the actor died, was stopped, parked or removed first.
    """


class OutcomeUnknown(SupervisionError):
    """The actor took the ask and died before it answered: it may have happened, wholly, in part or not at all."""


class Stopping(SupervisionError):
    """A stop was asked for and the mailbox is empty: the actor has drained it and should end. Not a failure."""


class AnswerError(SupervisionError):
    """A letter was answered twice, or it was a tell, which has no answer. A mistake in the actor."""


class UnknownChild(SupervisionError, LookupError):
    """The supervisor has no child of that name (or, for a restart, it is being removed)."""


class DuplicateChild(SupervisionError, ValueError):
    """The supervisor has a child of that name already; remove it first."""


class NotRunning(SupervisionError):
    """The supervisor is not running, or is stopping, and starts nothing any more."""


class StartFailed(SupervisionError):
    """A child did not start: it crashed, took too long, returned, or was stopped first. The cause is `__cause__`."""

    def __init__(self, child: str, why: str) -> None:
        super().__init__(f"{child}: {why}")
        self.child = child
        self.why = why


class EscalatedError(SupervisionError):
    """A child failed more often than its intensity allows and its policy is to end its supervisor.

    `child` names it; its last failure is `__cause__` (None when it kept on returning without an error).
    """

    def __init__(self, supervisor: str, child: str) -> None:
        super().__init__(f"{supervisor}: child {child} failed more often than it may")
        self.supervisor = supervisor
        self.child = child


_TEXT_LIMIT = 500  # characters of an error that a status carries


def error_text(error: BaseException) -> str:
    """`ValueError: no such cell`; of a group, its leaves. Cut to a length that a status can carry."""
    leaves = [error]
    while any(isinstance(leaf, BaseExceptionGroup) for leaf in leaves):
        leaves = [
            one for leaf in leaves for one in (leaf.exceptions if isinstance(leaf, BaseExceptionGroup) else [leaf])
        ]
    return "; ".join(f"{type(leaf).__qualname__}: {leaf}" for leaf in leaves)[:_TEXT_LIMIT]
