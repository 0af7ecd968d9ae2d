"""The pace of Python's garbage collector, in a process whose loop must not stop while thousands of tasks live.

A collection stops everything for as long as it takes to look at each object it is about: half a second for all that
5,000 channels hold. So what lives from the start is out of its sight, what is young is looked at often and in small
lots, and the rest only when the housekeeper says so. Nearly all garbage is freed without any of this: the collector
is for objects that refer to each other.
"""

import gc

YOUNG = 2_000
"""Objects more than at the last collection of young ones: then comes the next. Python's 700 would be several per push,
and 10,000 a stop of up to 90 ms, because the young ones that took the place of old ones are not counted."""

ALWAYS = 0
"""Each second collection takes what the one before it has left, too. What is still alive then is old."""

NEVER = 1_000_000_000
"""Old objects are not looked at by the way: a quiet moment is chosen for them."""


def settle() -> None:
    """Take what lives now (all channels run) out of the collector's sight, and set its pace."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, ALWAYS, NEVER)


def settle_connections() -> None:
    """The same for what has come since, when all polls run: each channel's connection and poll, which stay. Only what
    is young is collected first, since a full collection would be the stop that this is against."""
    gc.collect(1)
    gc.freeze()


def collect() -> int:
    """A full collection: how many unreachable objects it found. About 0.1 ms for each channel that runs."""
    return gc.collect()
