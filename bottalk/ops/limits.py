"""Limits of the process that a daemon with thousands of connections needs raised."""

import resource
import sys


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
