"""`python -m tests.benchmarks.profiled FILE ARGUMENTS…`: `python -m bottalk ARGUMENTS…`, sampled for its CPU time.

After each 2 ms of CPU time the main thread is looked at: the innermost frame that belongs to a part of the house says
whose time it was. At the end FILE holds the samples of each part as JSON. What the journal's own thread takes is told
by the kernel, and counted in samples too.
"""

import atexit
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from bottalk import cli

EVERY_S = 0.002
PARTS = {
    "bottalk/http/": "HTTP",
    "bottalk/ilink/": "iLink",
    "bottalk/actors/journal.py": "journal",
    "bottalk/store/": "journal",
    "bottalk/verbs/": "journal",
    "bottalk/outbox.py": "journal",
    "bottalk/directory.py": "journal",
    "bottalk/service/": "service",
    "bottalk/actors/": "channels",
    "bottalk/delivery/": "channels",
    "/hypercorn/": "HTTP",
    "/h11/": "HTTP",
    "/quart": "HTTP",
}
"""Whose file it is; the first that fits counts."""
REST = "trio and the rest"
JOURNALS_THREAD = "journal, in its thread"

samples: Counter[str] = Counter()


def part_of(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        for place, part in PARTS.items():
            if place in name:
                return part
        frame = frame.f_back
    return REST


def sample(_number: int, frame: FrameType | None) -> None:
    samples[part_of(frame)] += 1


def tell(path: Path) -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    others = max(0.0, time.process_time() - time.thread_time())
    samples[JOURNALS_THREAD] = round(others / EVERY_S)
    in_main = sum(samples.values()) - samples[JOURNALS_THREAD]
    taken = time.thread_time() / EVERY_S
    scaled = {
        part: count if part == JOURNALS_THREAD else round(count * taken / in_main) for part, count in samples.items()
    }
    path.write_text(json.dumps(scaled))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    sys.argv[:2] = ["bottalk"]
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    atexit.register(tell, target)
    cli.main()
