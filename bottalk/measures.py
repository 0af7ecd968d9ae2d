"""What is counted while the daemon runs, for `/metrics`: plain numbers, changed on trio's thread alone.

Whoever sees a thing happen counts it here, in less than a microsecond; nothing decides by it. Labels are of a bounded
set: reasons, endpoints, declared routes; never an id, a key or an address.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from bottalk.values import Outcome, Reason, RowStatus

ENDS = (
    Reason.QUEUE_FULL,
    Reason.ILINK_OTHER,
    Reason.NO_CONTEXT_TOKEN,
    Reason.EXPIRED,
    Reason.REPLACED,
    Reason.DELETED,
)
"""Why a row fails for ever."""

DELIVERY_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200, 86400, 604800)
"""From what a waiting caller feels to what a shut window costs."""

COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
"""A fast disk commits in less than a millisecond, a cheap server's in 2 to 20; SQLite waits 5 s for a lock."""

GROUP = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Up to the journal's own bound."""

SEND_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
"""15 s is the time-out of a send."""

HTTP_S = (0.005, 0.025, 0.1, 0.5, 1, 3, 5, 20)
"""A push waits 3 s for its outcome by default, 20 at most."""

ENDPOINTS = (
    "getupdates",
    "sendmessage",
    "notifystart",
    "notifystop",
    "getconfig",
    "get_bot_qrcode",
    "get_qrcode_status",
)
CALL_OUTCOMES = ("ok", "refused", "http", "timeout", "network", "malformed", "cut")
"""What came of a call of iLink: well answered; answered with a number, or with an HTTP status that is no success; not
answered in time; broken off; answered with what cannot be read; cancelled by us."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Histogram:
    """Counts of observed values by upper bound, and their sum."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and how many values were not above it, as Prometheus has them; the last bound is +Inf."""
        names = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))


class Measures:
    """One per daemon."""

    def __init__(self) -> None:
        self.pushes = _counter()
        """What callers were told, and why."""
        self.rows = _counter(("success", ""), ("skipped", "no_context_token"), *(("failed", why.value) for why in ENDS))
        """Rows that ended, by outcome and reason; without our own words."""
        self.delivery = Histogram(DELIVERY_S)
        """Seconds from acceptance, or from the end of a delay, to a settled success."""
        self.group = Histogram(GROUP)
        """Verbs per transaction."""
        self.commit = Histogram(COMMIT_S)
        """Seconds per transaction, the way to the writer's thread and back included."""
        self.calls = _counter(*((endpoint, outcome) for endpoint in ENDPOINTS for outcome in CALL_OUTCOMES))
        self.send = Histogram(SEND_S)
        """Seconds of a sendmessage that iLink has accepted."""
        self.requests: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """Route as declared, method, status."""
        self.request_seconds: dict[str, Histogram] = {}
        """By route."""
        self.restarts: defaultdict[str, int] = defaultdict(int)
        """Of actors after a crash, by their supervisor."""

    def ended(self, outcome: Outcome, accepted_at: float | None, now: float) -> None:
        """A row of a push was settled. `accepted_at`: when its time began, None where it never waited; wall times."""
        self.rows[outcome.status, outcome.reason or ""] += 1  # members of a StrEnum are their texts, as keys too
        if outcome.status is RowStatus.SUCCESS and accepted_at is not None:
            self.delivery.observe(max(0.0, now - accepted_at))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is declared, or `-`; `method` one of METHODS, or `other`."""
        self.requests[route, method, str(status)] += 1
        histogram = self.request_seconds.get(route)
        if histogram is None:
            histogram = self.request_seconds[route] = Histogram(HTTP_S)
        histogram.observe(seconds)


def _counter(*known: tuple[str, str]) -> defaultdict[tuple[str, str], int]:
    """With a 0 for what is known to come, so that its first increase is seen as one."""
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    found.update(dict.fromkeys(known, 0))
    return found
