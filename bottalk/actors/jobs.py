"""What the housekeeper does: jobs, each a class in a file of its own that says what one round of it is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from bottalk.outbox import Wakeup

BREATH_S = 0.1
"""Seconds between two bites of about 20 ms: pushes keep the disk to themselves most of the time."""


class Job(ABC):
    """One thing that is done again and again, beside everybody else's work. The first round comes at once.

    Whatever a round does is small and may be cut between any two awaits: a stop does not wait for it.
    """

    name: ClassVar[str]
    """As the status shows it."""
    period: ClassVar[float]
    """Seconds from the end of a round to the next, trio's clock. What depends on the wall clock is looked at in the
    round itself: once a minute, so that a moved clock is noticed."""
    news: Wakeup | None = None
    """Set when there is something to do before the period is over."""
    done: int = 0
    """Rows, messages or files that were done in all, as the status shows it. The job counts them."""

    @abstractmethod
    async def round(self) -> None:
        """Do what there is to do now.

        A cancel may cut it anywhere. Raises CannotWrite, MailboxFull or NotTaken where the journal takes nothing: then
        the round is tried again soon. Anything else is a crash: the housekeeper starts anew, with all its jobs.
        """


@dataclass(frozen=True, slots=True)
class JobStatus:
    """`last_round_at` is wall time, None before the first round has ended; `done` counts since the daemon's start."""

    name: str
    last_round_at: float | None
    done: int
    refused: str | None
    """Why the journal takes nothing of it now; None while it does."""
