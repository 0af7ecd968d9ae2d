"""The record: what was called, and what came of it. Tests read it; the daemon under test must not be able to."""

from collections import Counter, deque
from dataclasses import dataclass

CALLS_KEPT = 10_000


@dataclass(slots=True)
class Call:
    """One call. `outcome`: ok, empty (a poll without news), refused, bad_request, fault, gone (the client hung up)."""

    at: float
    endpoint: str
    token: str
    user: str = ""
    outcome: str = "gone"
    why: str = ""
    status: int = 0
    took_s: float = 0.0


class Record:
    """The last 10,000 calls, and counters that forget nothing: (endpoint, outcome, why) -> number of calls."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self.counters: Counter[tuple[str, str, str]] = Counter()

    def add(self, call: Call) -> None:
        self.calls.append(call)
        self.counters[call.endpoint, call.outcome, call.why] += 1

    def of(self, endpoint: str) -> list[Call]:
        return [call for call in self.calls if call.endpoint == endpoint]


def shortened(token: str) -> str:
    """Enough of a token to tell two apart, too little to use it."""
    return token[:6] + "…" if token else ""
