"""`python -m tests.benchmarks.soak --minutes 60`: a daemon under mixed load for long; what it holds at both ends.

Pushes, replies, pages and status go on all the time. It ends with 1 when more descriptors are open in the end than
after the first minute, or a tenth more memory is taken: a leak that a day would show.
"""

import argparse
import sys
import time

from tests.benchmarks.common import MB, pushes
from tests.benchmarks.daemon import TEXT, Bench, bench, get
from tests.benchmarks.process import ChildFailed, load

CHANNELS = 50
ROUND_S = 1.0
"""Seconds of pushes between two looks."""
PUSHES = 100
"""In a round. The rate limit remembers each push of the last hour (50 bytes): a flood would look like a leak."""

SPARE_FILES = 20
"""Connections for sending come and go by themselves: they are closed after 30 s without use."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long, after a minute to warm up [10]")
    options = parser.parse_args()
    try:
        return soak(options.minutes)
    except ChildFailed as error:
        print(error, file=sys.stderr)
        return 1


def soak(minutes: float) -> int:
    settings = {"BOTTALK_DELIVERY_GAP": "0", "BOTTALK_RATE_LIMIT": "100000"}
    with bench(CHANNELS, settings=settings) as running:
        running.wait_for_polls(60)
        pushed = under_load(running, 60.0)
        start = held(running)
        print(f"start  RSS {start[0] / MB:7.1f} MB  {start[1]:4} descriptors", flush=True)
        pushed += under_load(running, minutes * 60)
        end = held(running)
        print(f"end    RSS {end[0] / MB:7.1f} MB  {end[1]:4} descriptors  {pushed} pushes, none refused")
    return int(end[0] > start[0] * 1.1 or end[1] > start[1] + SPARE_FILES)


def under_load(running: Bench, seconds: float) -> int:
    """Rounds of pushes with replies, pages and status between them; how many pushes. Raises ChildFailed."""
    count, until = 0, time.monotonic() + seconds
    targets = [one.pushing(f"{TEXT}&wait=0&replace_key=soak") for one in running.seeded]
    while time.monotonic() < until:
        began = time.monotonic()
        report = load(pushes(running.port, targets, clients=8, count=PUSHES, seconds=ROUND_S, expect=""))
        if set(report.statuses) != {"200"}:
            raise ChildFailed(f"answers other than 200: {report.statuses}; the first: {report.sample}")
        count += report.answers
        running.write(*running.seeded)
        for path in ("/", "/healthz", "/api/config"):
            if get(running.port, path)[0] != 200:
                raise ChildFailed(f"{path} is not served")
        running.status()
        time.sleep(max(0.0, began + ROUND_S - time.monotonic()))
    return count


def held(running: Bench) -> tuple[int, int]:
    """Bytes of memory (RSS) and open descriptors of the daemon, when nothing waits."""
    running.write(*running.seeded)
    running.wait_for_delivery(60)
    return running.daemon.memory().rss, running.daemon.open_files()


if __name__ == "__main__":
    sys.exit(main())
