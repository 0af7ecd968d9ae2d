"""A day of mixed load in virtual time: what it takes of memory and descriptors in the evening is what it took at noon."""

import gc
import os
import random
import tracemalloc
from pathlib import Path

import pytest
import trio

from bottalk.store.pushes import next_id
from tests.support.agreement import assert_memory_is_database
from tests.support.http import Site, open_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

HOUR = 3600.0
MOST_GROWTH = 400_000
"""Bytes: half of what an empty daemon's own objects take. One small object kept for each push would be more."""


def own_bytes() -> int:
    """What our own code has allocated and holds; the sandbox, in this process too, keeps everything by design."""
    gc.collect()
    ours = (tracemalloc.Filter(True, "*/bottalk/*"), tracemalloc.Filter(True, "*/supervisors/*"))
    snapshot = tracemalloc.take_snapshot().filter_traces(ours)
    snapshot = snapshot.filter_traces((tracemalloc.Filter(False, "*/bottalk/sandbox/*"),))
    return sum(trace.size for trace in snapshot.traces)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
