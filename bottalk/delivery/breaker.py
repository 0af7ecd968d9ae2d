"""One breaker for each iLink host, shared by all its channels: while the host does not answer, few calls are made.

Down: three calls in a row failed or timed out with no well-formed answer between them. Up: the first well-formed
answer, whatever it says. Times are seconds of a clock that never goes back.
"""

from dataclasses import dataclass, replace

FAILURES_TO_DOWN = 3


@dataclass(frozen=True, slots=True)
class Breaker:
    failures: int = 0
    down_since: float | None = None
    next_slot: float = 0.0
    """The earliest time at which the next paced call may start."""

    @property
    def is_down(self) -> bool:
        return self.down_since is not None


def answered(breaker: Breaker) -> Breaker:
    """A well-formed answer came: the host is up."""
    if breaker.failures == 0 and breaker.down_since is None:
        return breaker
    return replace(breaker, failures=0, down_since=None, next_slot=0.0)


def failed(breaker: Breaker, now: float) -> Breaker:
    """A call failed or timed out."""
    failures = breaker.failures + 1
    if breaker.is_down or failures < FAILURES_TO_DOWN:
        return replace(breaker, failures=failures)
    return replace(breaker, failures=failures, down_since=now, next_slot=now)


def take_slot(breaker: Breaker, now: float, per_second: float) -> tuple[Breaker, float]:
    """Reserve the next place in a line that moves at `per_second` calls a second. Gives the time of that place."""
    slot = max(now, breaker.next_slot)
    return replace(breaker, next_slot=slot + 1 / per_second), slot
