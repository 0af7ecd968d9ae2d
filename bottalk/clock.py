"""The one source of wall time. Durations use trio's clock; due times and stored times use this one, by injection."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970, UTC. It may jump both ways when somebody sets the machine's clock."""
        ...


class SystemClock:
    """The machine's own wall clock."""

    def now(self) -> float:
        return time.time()


def utc_text(when: float) -> str:
    """`when` (seconds since 1970) as the contract writes times: UTC, `YYYY-MM-DD HH:MM:SS`."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%S")


def utc_text_or_none(when: float | None) -> str | None:
    """As `utc_text`; None stays None."""
    return None if when is None else utc_text(when)
