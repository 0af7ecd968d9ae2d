"""What is measured, and the goal of each figure. Every scenario is bounded in requests and in time."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from tests.benchmarks import day, lasting, waves
from tests.benchmarks.common import MB, Scale, bare_route, good, in_turn, p99, paired, pushes
from tests.benchmarks.daemon import MONITOR, Bench, bench, get
from tests.benchmarks.process import ChildFailed, child, load
from tests.benchmarks.table import Figure

COMMIT = 0.010
"""Seconds of a commit in `slow-disk`."""
COMMITS_PER_PUSH = 2
"""A waiting caller sees two: his push is accepted, its outcome is settled."""


def sequential(scale: Scale) -> Iterable[Figure]:
    """pushes one after another, each to a channel of its own with an open window"""
    return _sequential("sequential", scale, 0.0)


def slow_disk(scale: Scale) -> Iterable[Figure]:
    """the same with each commit slowed to 10 ms; the bare route waits for two such commits"""
    return _sequential("slow-disk", scale, COMMIT)


def _sequential(name: str, scale: Scale, commit: float) -> Iterable[Figure]:
    each, rounds, warm_up = scale.of(60, 25), scale.of(9, 2), 20
    run = ("tests.benchmarks.slow_commit", str(commit)) if commit else ("bottalk",)
    with bare_route(1, COMMITS_PER_PUSH * commit) as route, bench(each * rounds + warm_up, run=run) as running:
        running.wait_for_polls(60)
        targets = [one.push for one in running.seeded]
        good(load(pushes(running.port, targets[:warm_up], clients=1, count=warm_up)))
        begins = range(warm_up, len(targets), each)
        plans = [pushes(running.port, targets[at : at + each], clients=1, count=each) for at in begins]
        done = list(in_turn(route, plans, running.daemon))
    yield paired(name, "p50", [(one.report.p50, one.bare.p50) for one in done], "ms", at_most=2.5)
    yield paired(name, "p99 (beside the bare p50)", [(one.report.p99, one.bare.p50) for one in done], "ms", at_most=6)


def warm(scale: Scale) -> Iterable[Figure]:
    """32 clients over 1,000 channels whose connections are warm; with --profile where the CPU time goes"""
    clients, channels, seconds = 32, scale.of(1000, 100), scale.of(5, 1)
    # Windows without end, and no gap: what is measured is the way of a push, not WeChat's limits.
    settings = {"BOTTALK_DELIVERY_QUOTA": "1000", "BOTTALK_DELIVERY_GAP": "0"}
    with tempfile.TemporaryDirectory(prefix="bottalk-bench-") as directory, bare_route(clients) as route:
        samples = Path(directory) / "samples.json"
        run = ("tests.benchmarks.profiled", str(samples)) if scale.profile else ("bottalk",)
        with bench(channels, run=run, settings=settings) as running:
            running.wait_for_polls(60)
            targets = [one.push for one in running.seeded]
            good(load(pushes(running.port, targets, clients=clients, count=2 * channels)))
            sent, before = running.upstream()["sends"], running.status()["store"]
            plan = pushes(running.port, targets, clients=clients, seconds=seconds)
            rounds = list(in_turn(route, [plan] * scale.of(6, 2), running.daemon))
            sent, after = running.upstream()["sends"] - sent, running.status()["store"]
        cpu = median(one.cpu for one in rounds) * 1000
        if scale.profile:
            yield from _split(json.loads(samples.read_text()), cpu)
    answers = sum(one.report.answers for one in rounds)
    commits = after["commits"] - before["commits"]
    yield paired("warm", "CPU per push", [(one.cpu * 1000, one.bare_cpu * 1000) for one in rounds], "ms")
    yield paired(
        "warm", "pushes a second", [(one.report.per_second, one.bare.per_second) for one in rounds], "/s", at_least=0.8
    )
    yield p99("warm", rounds, 25)
    yield Figure("warm", "messages per push", sent / answers, "", 1)
    yield Figure("warm", "rows per commit", answers / commits, "", None)
    yield Figure("warm", "journal's letters per commit", (after["verbs"] - before["verbs"]) / commits, "", None)


def _split(samples: dict[str, int], cpu: float) -> Iterable[Figure]:
    """What each part takes of the CPU time of a push (milliseconds), by samples of the whole run."""
    whole = sum(samples.values())
    for part, count in sorted(samples.items(), key=lambda item: -item[1]):
        yield Figure("warm", f"CPU per push: {part}", cpu * count / whole, "ms", None)


def polling(scale: Scale) -> Iterable[Figure]:
    """1,000 bound channels, nothing to send: memory, CPU at rest, time until all poll"""
    return _polling("polling", scale, scale.of(1000, 200), memory=100, cpu=1, start=6)


def polling_10k(scale: Scale) -> Iterable[Figure]:
    """the same with 10,000"""
    return _polling("polling-10k", scale, scale.of(10_000, 2000), memory=300, cpu=5, start=None)


def _polling(
    name: str, scale: Scale, channels: int, *, memory: float, cpu: float, start: float | None
) -> Iterable[Figure]:
    minute, settle = scale.of(60, 10), scale.of(5, 1)
    with bench(channels) as running:
        all_poll = running.wait_for_polls(30 + channels / 50)
        time.sleep(settle)
        before = running.daemon.cpu_seconds()
        time.sleep(minute)
        spent = running.daemon.cpu_seconds() - before
        size = running.daemon.memory()
        still = running.upstream()["open_polls"]
    if still < channels * 0.95:  # a poll that was just answered is on its way again
        raise ChildFailed(f"only {still} of {channels} channels poll after {minute} s")
    yield Figure(name, "memory (RSS)", size.rss / MB, "MB", memory)
    yield Figure(name, "CPU at rest", spent / minute * 100, "% of a core", cpu)
    if start is not None:
        yield Figure(name, "start until all poll", all_poll, "s", start)


def status(scale: Scale) -> Iterable[Figure]:
    """what a monitor's question costs with 10,000 channels: status, a page of 1,000, metrics"""
    channels, times = scale.of(10_000, 1000), scale.of(50, 10)
    with bench(channels, settings={"BOTTALK_ILINK_STARTS_PER_SECOND": "2000"}) as running:
        running.wait_for_polls(30 + channels / 50)
        for name, path, cpu, size in (
            ("summary", "/api/admin/status", 8, 4),
            ("page of 1,000", "/api/admin/status?channels=all&limit=1000", 30, 400),
            ("metrics", "/metrics", 10, 8),
        ):
            spent, body = _asked(running, path, times)
            yield Figure("status", f"{name}: CPU", spent * 1000, "ms", cpu)
            yield Figure("status", f"{name}: answer", len(body) / 1000, "KB", size)


def _asked(running: Bench, path: str, times: int) -> tuple[float, bytes]:
    """CPU seconds of one answer, beyond what the daemon spends at rest in that time, and the answer."""
    headers = {"Authorization": f"Bearer {MONITOR}"}
    began, before = time.monotonic(), running.daemon.cpu_seconds()
    for _ in range(times):
        code, body = get(running.port, path, headers)
        if code != 200:
            raise ChildFailed(f"{path} answered {code}")
    took, spent = time.monotonic() - began, running.daemon.cpu_seconds() - before
    before = running.daemon.cpu_seconds()
    time.sleep(took)
    return (spent - (running.daemon.cpu_seconds() - before)) / times, body


def ratelimit(scale: Scale) -> Iterable[Figure]:
    """100,000 decisions of the rate limit, a full hour of 1,000 accounts"""
    decisions = scale.of(100_000, 10_000)
    with child("tests.benchmarks.ratelimit", "--decisions", str(decisions)) as running:
        found = running.first_line()
    yield Figure("ratelimit", "a decision", found["granted"] / 1000, "µs", 5)
    yield Figure("ratelimit", "a refusal", found["refused"] / 1000, "µs", 5)
    yield Figure("ratelimit", "a decision over the mailbox", found["asked"] / 1000, "µs", 100)
    yield Figure("ratelimit", "memory", found["bytes"] / MB, "MB", 10 * decisions / 100_000)


SCENARIOS: dict[str, Callable[[Scale], Iterable[Figure]]] = {
    "sequential": sequential,
    "slow-disk": slow_disk,
    "warm": warm,
    "polling": polling,
    "polling-10k": polling_10k,
    "status": status,
    "ratelimit": ratelimit,
    "burst": waves.burst,
    "reply": waves.reply,
    "spread": waves.spread,
    "crowd": waves.crowd,
    "pauses": lasting.pauses,
    "waiting": lasting.waiting,
    "day": day.day,
    "outage": day.outage,
}
