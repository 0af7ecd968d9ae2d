"""What a caller is told of a row that is not settled yet, and whether waiting for it can help: the outcome table."""

from collections.abc import Callable

from msgspec import Struct

from bottalk.config import DeliverySettings
from bottalk.delivery import pacing
from bottalk.delivery.window import State, closed_by, state
from bottalk.values import Channel, Closed, Outcome, Reason, RowStatus

QUEUED = Outcome(RowStatus.QUEUED, kept=True)
DEAD = Outcome(RowStatus.FAILED, kept=True, reason=Reason.CHANNEL_DEAD, token_invalid=True)
CLOSED = Outcome(RowStatus.FAILED, kept=True, reason=Reason.CONTEXT_EXPIRED)
RESTRICTED = Outcome(RowStatus.FAILED, kept=True, reason=Reason.ACCOUNT_RESTRICTED)


class Prospect(Struct, frozen=True):
    """`due` is the earliest wall time at which the row may go; None where only news from iLink can bring it."""

    outcome: Outcome
    due: float | None = None


def prospect(
    channel: Channel,
    waiting: Callable[[], pacing.Waiting],
    now: float,
    settings: DeliverySettings,
    not_before: float | None = None,
) -> Prospect:
    """A kept row's standing at `now`: the truth, whatever may become of it later.

    `waiting` is asked only where the window is open: before a closed one hundreds of rows may wait.
    """
    if channel.is_dead:
        return Prospect(DEAD)
    if not_before is not None and not_before > now:
        return Prospect(QUEUED, not_before)
    if state(channel.window, now, settings) is State.OPEN:
        return Prospect(QUEUED, pacing.earliest(channel.window, waiting(), now, settings))
    if closed_by(channel.window, now, settings) is Closed.SESSION:
        return Prospect(RESTRICTED)
    return Prospect(CLOSED)
