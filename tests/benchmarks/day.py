"""What a day and an outage come to, in virtual time against the sandbox: counts of messages and calls, not of CPU."""

import tempfile
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio
import trio.testing

from tests.actors.test_day import PUSHES, live_a_day
from tests.actors.test_long_outage import DOWN_RATE, HOUR, START_RATE, suffer
from tests.benchmarks.common import Scale
from tests.benchmarks.table import Figure

T = TypeVar("T")


def day(scale: Scale) -> Iterable[Figure]:
    """a day of one channel with 300 pushes and six replies, by the clock of a sandbox"""
    found = _lived(partial(live_a_day, pushes=scale.of(PUSHES, 60)))
    calls = found.closed_calls
    hours = [sum(begin < at <= begin + HOUR - 1 for at in calls) + 1 for begin in calls]
    yield Figure("day", "delivered", found.delivered, "", None)
    yield Figure("day", "waiting at its end", found.waiting, "", None)
    yield Figure("day", "failed by their senders' limits", sum(found.failed.values()), "", None)
    yield Figure("day", "messages sent", found.messages, "", None)
    yield Figure("day", "messages of the fullest window", found.fullest_window, "", 10)
    yield Figure("day", "calls while closed", len(calls), "", None)
    yield Figure("day", "calls while closed within an hour", max(hours, default=0), "", 1)


def outage(scale: Scale) -> Iterable[Figure]:
    """an hour without any answer of iLink, for 1,000 channels that all have something waiting"""
    found = _lived(lambda directory: suffer(directory, scale.of(1000, 50), HOUR))
    yield Figure("outage", "calls a second while down", found.busiest_second, "", DOWN_RATE)
    yield Figure("outage", "polls within 0.1 s after", found.busiest_tenth_after, "", START_RATE / 10 + 1)
    yield Figure("outage", "known to be over after", found.seconds_until_known, "s", 80)
    yield Figure("outage", "all delivered, from then", found.seconds_until_delivered, "s", 60)


def _lived(play: Callable[[Path], Awaitable[T]]) -> T:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="bottalk-bench-") as directory:
        return trio.run(play, Path(directory), clock=trio.testing.MockClock(autojump_threshold=0))
