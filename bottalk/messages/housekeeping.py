"""To the journal: what the housekeeper has it remove, each a small bite."""

from msgspec import Struct

from bottalk.values import ChannelId, RowId
from supervisors import Ask


class SettleOver(Ask[int], Struct, frozen=True):
    """Settle the channel's rows that will never go: past their time, or replaced. One bite of them; how many it was.

    For channels whose actor does not run: else the rows have their judge. One that starts meanwhile is no danger: what
    it has in hand is left to it.
    """

    channel_id: ChannelId


class Place(Struct, frozen=True):
    """Where in the log, in the order of acceptance, a bite has ended. Wall time."""

    accepted_at: float
    row_id: RowId


class Bite(Struct, frozen=True):
    """What one bite of the log was: rows removed or emptied, and where the next one begins; None: nothing is left."""

    rows: int
    end: Place | None


class ForgetSettled(Ask[Bite], Struct, frozen=True):
    """Delete one bite of the rows settled before `before`, wall time, from `after` on. Never a waiting one."""

    before: float
    after: Place | None = None


class ForgetPassing(Ask[int], Struct, frozen=True):
    """Forget one bite of what is remembered for some time only, and whose time is over: idempotency keys, sessions,
    messages of the user, codes. Answers how many."""


class EmptyTexts(Ask[Bite], Struct, frozen=True):
    """Empty one bite of the texts of settled rows, from `after` on, that were settled while the log kept more than it
    does now. Nothing is left once all of them are: the file remembers it."""

    after: Place | None = None


class EmptyLinked(Ask[int], Struct, frozen=True):
    """Empty one bite of the texts that were kept for a link, and whose week is over. Answers how many."""
