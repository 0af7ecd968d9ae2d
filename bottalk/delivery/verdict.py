"""What an answer of iLink means for a channel: the table of the protocol's error numbers, read once, here."""

from dataclasses import dataclass
from enum import Enum, auto

SESSION_TIMEOUT = -14
REFUSED = -2
RATE_LIMIT = -13
"""One report calls it the true rate limit."""


UNFIT = frozenset((400, 413, 422))
"""HTTP statuses that speak of what was sent, not of the way: never reported, but a text that is always answered so must
not hold up those behind it for days."""


class Verdict(Enum):
    """What the channel does about a call that was not accepted."""

    WINDOW = auto()
    """Refused as −2 is: the window's books decide which kind."""
    BURST = auto()
    """A rate limit, in so many words: the channel rests, whatever the books say."""
    SESSION = auto()
    """The token is stale, or the account may not send: one check tells which."""
    AUTH = auto()
    """HTTP 401 or 403: confirmed once, then dead."""
    OTHER = auto()
    """Another number, or an HTTP status of UNFIT: this text, or this moment, is not liked; tried slowly."""
    TRANSPORT = auto()
    """No well-formed answer: the same bytes again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A call's failure, without the client's types. `ret` is iLink's number, `status` HTTP's; both None: transport."""

    ret: int | None = None
    status: int | None = None


def judge(fault: Fault) -> Verdict:
    if fault.ret == REFUSED:
        return Verdict.WINDOW
    if fault.ret == RATE_LIMIT or fault.status == 429:
        return Verdict.BURST
    if fault.ret == SESSION_TIMEOUT:
        return Verdict.SESSION
    if fault.ret is not None:
        return Verdict.OTHER
    if fault.status in UNFIT:
        return Verdict.OTHER
    return Verdict.AUTH if fault.status in (401, 403) else Verdict.TRANSPORT
