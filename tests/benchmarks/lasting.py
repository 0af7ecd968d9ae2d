"""What goes on for long: how smoothly the event loop runs, and what waiting rows take of memory."""

import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.common import KEPT, MB, Scale, bare, good, pushes
from tests.benchmarks.daemon import bench
from tests.benchmarks.process import load
from tests.benchmarks.table import Figure
from tests.benchmarks.waves import SPENT

WORDS = "x" * 2000
"""A long text: what it takes to keep it in memory shows."""


def pauses(scale: Scale) -> Iterable[Figure]:
    """5,000 channels alive and a minute of pushes: the longest stop of the event loop"""
    clients, channels, seconds = 32, scale.of(5000, 500), scale.of(60, 5)
    beside = bare(clients, 1_000_000, scale.of(20, 3))[0]
    settings = {
        "BOTTALK_DELIVERY_QUOTA": "1000",
        "BOTTALK_DELIVERY_GAP": "0",
        "BOTTALK_ILINK_STARTS_PER_SECOND": "2000",
    }
    with tempfile.TemporaryDirectory(prefix="bottalk-bench-") as directory:
        told = Path(directory) / "late.jsonl"
        with bench(channels, run=("tests.benchmarks.paused", str(told)), settings=settings) as running:
            running.wait_for_polls(30 + channels / 50)
            targets = [one.push for one in running.seeded]
            good(load(pushes(running.port, targets, clients=clients, count=channels)))  # all connections are warm
            began = time.monotonic()
            report = good(load(pushes(running.port, targets, clients=clients, seconds=seconds)))
            ended = time.monotonic()
        lines = [json.loads(line) for line in told.read_text().splitlines()]
    late = [line["late"] * 1000 for line in lines if began <= line["at"] <= ended]
    yield Figure("pauses", "longest stop", max(late, default=0.0), "ms", 50)
    yield Figure("pauses", "stops over 20 ms", sum(each > 20 for each in late), "", None)
    yield Figure("pauses", "p99 of a push", report.p99, "ms", None, beside.p99)
    yield Figure("pauses", "pushes a second", report.per_second, "/s", None, beside.per_second)


def waiting(scale: Scale) -> Iterable[Figure]:
    """10,000 long texts wait in 100 closed channels, and 1,000 go to one that takes 500: memory"""
    channels, each, more = 100, scale.of(100, 20), 1000
    beside = bare(8, channels * each)[0]
    with bench(channels + 1, spent=SPENT) as running:
        running.wait_for_polls(60)
        *ordinary, crowded = [one.pushing(f"title=waiting&desp={WORDS}&wait=0") for one in running.seeded]
        time.sleep(1)
        start = running.daemon.memory().rss
        report = good(load(pushes(running.port, ordinary, clients=8, count=channels * each, expect=KEPT)))
        refused = load(pushes(running.port, [crowded], clients=8, count=more, expect=KEPT)).unexpected
        time.sleep(1)
        end = running.daemon.memory().rss
        queued = running.status()["totals"]["queued"]
    yield Figure("waiting", "kept a second", report.per_second, "/s", None, beside.per_second)
    yield Figure("waiting", "rows that wait", queued, "", channels * each + more // 2, at_least=True)
    yield Figure("waiting", "refused, the queue is full", refused, "", more / 2)
    yield Figure("waiting", "memory (RSS) before", start / MB, "MB", None)
    yield Figure("waiting", "memory (RSS) with them", end / MB, "MB", None)
    yield Figure("waiting", "memory per row that waits", (end - start) / queued / 1000, "KB", 1.0)
