"""Limits of the process that a daemon with thousands of connections needs raised, and its garbage collector's pace."""

import gc
import resource
import sys

GENERATION_0 = 10_000
"""Allocations between two young collections: Python's 700 would collect several times per push."""


def raise_open_files() -> int:
    """Raise the limit of open files to the hard one; which it is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def open_files() -> int:
    """How many files and connections this process may have open at once; without a limit, a number beyond all need."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def most_open_files() -> int:
    """What a daemon started like this process would raise that limit to."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _number(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def settle_garbage() -> None:
    """Take what lives now (all channels run) out of the collector's sight, and let it run less often.

    With 5,000 channels polling this takes the longest stop of the event loop from half a second to some 10 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GENERATION_0, 20, 20)


def settle_connections() -> None:
    """The same for what has come since, when all polls run: each channel's connection and poll, which stay. Only what
    is young is collected first, since a full collection would be the stop that this is against."""
    gc.collect(1)
    gc.freeze()
