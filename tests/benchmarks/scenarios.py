"""What is measured, and the goal of each figure. Every scenario is bounded in requests and in time."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from tests.benchmarks.daemon import BARE_PUSH, Bench, bench, get
from tests.benchmarks.loadgen import Plan, Report, Target
from tests.benchmarks.process import ChildFailed, child, load, measured_load
from tests.benchmarks.table import Figure

MB = 1_000_000
COMMIT = 0.010
"""Seconds of a commit in `slow-disk`."""
COMMITS_PER_PUSH = 2
"""A waiting caller sees two: his push is accepted, its outcome is settled."""


@dataclass(frozen=True)
class Scale:
    """Sizes of a run: `quick` shows that everything works, its figures are rough."""

    quick: bool

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


def sequential(scale: Scale) -> Iterable[Figure]:
    """pushes one after another, each to a channel of its own with an open window"""
    return _sequential("sequential", scale, 0.0)


def slow_disk(scale: Scale) -> Iterable[Figure]:
    """the same with each commit slowed to 10 ms; the bare route waits for two such commits"""
    return _sequential("slow-disk", scale, COMMIT)


def _sequential(name: str, scale: Scale, commit: float) -> Iterable[Figure]:
    count, warm_up = scale.of(200, 50), 20
    bare = _bare(1, count, 60, COMMITS_PER_PUSH * commit)[0]
    with bench(count + warm_up, commit_seconds=commit) as running:
        running.wait_for_polls(60)
        pushes = [one.push for one in running.seeded]
        _good(load(_pushes(running.port, pushes[:warm_up], clients=1, count=warm_up)))
        report = _good(load(_pushes(running.port, pushes[warm_up:], clients=1, count=count)))
    yield Figure(name, "p50", report.p50, "ms", 2.5, bare.p50)
    yield Figure(name, "p99 (beside the bare p50)", report.p99, "ms", 6, bare.p50)


def warm(scale: Scale) -> Iterable[Figure]:
    """32 clients over 1,000 channels whose connections are warm"""
    clients, channels, seconds = 32, scale.of(1000, 100), scale.of(20, 3)
    bare, bare_cpu = _bare(clients, 1_000_000, seconds, 0.0)
    # Windows without end, and no gap: what is measured is the way of a push, not WeChat's limits.
    settings = {"BOTTALK_DELIVERY_QUOTA": "1000", "BOTTALK_DELIVERY_GAP": "0"}
    with bench(channels, settings=settings) as running:
        running.wait_for_polls(60)
        pushes = [one.push for one in running.seeded]
        _good(load(_pushes(running.port, pushes, clients=clients, count=2 * channels)))
        sent = running.upstream()["sends"]
        report, cpu = measured_load(_pushes(running.port, pushes, clients=clients, seconds=seconds), running.daemon)
        _good(report)
        sent = running.upstream()["sends"] - sent
    yield Figure("warm", "CPU per push", cpu * 1000, "ms", 1.1, bare_cpu * 1000)
    yield Figure("warm", "pushes a second", report.per_second, "/s", 0.9, bare.per_second, at_least=True)
    yield Figure("warm", "p99", report.p99, "ms", 25)
    yield Figure("warm", "messages per push", sent / report.answers, "", 1)


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
    settings = {"BOTTALK_MONITOR_TOKEN": "bench", "BOTTALK_ILINK_STARTS_PER_SECOND": "2000"}
    with bench(channels, settings=settings) as running:
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
    headers = {"Authorization": "Bearer bench"}
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


@cache
def _bare(clients: int, count: int, seconds: float, wait: float) -> tuple[Report, float]:
    """The bare route under the same load: its report and its CPU seconds for each request."""
    with child("tests.benchmarks.bare", "--wait", str(wait)) as server:
        port = server.first_line()["port"]
        _good(load(_pushes(port, [BARE_PUSH], clients=clients, count=20 * clients)))
        report, cpu = measured_load(_pushes(port, [BARE_PUSH], clients=clients, count=count, seconds=seconds), server)
        return _good(report), cpu


def _pushes(
    port: int, targets: Sequence[Target], *, clients: int, count: int = 1_000_000, seconds: float = 60.0
) -> Plan:
    return Plan("127.0.0.1", port, targets, clients, count, seconds, expect='"message":"success"')


def _good(report: Report) -> Report:
    """Raises ChildFailed if any answer was not the one of a delivered push: its speed would mean nothing."""
    if report.unexpected:
        raise ChildFailed(f"{report.unexpected} of {report.answers} answers were not good; the first: {report.sample}")
    return report


SCENARIOS: dict[str, Callable[[Scale], Iterable[Figure]]] = {
    "sequential": sequential,
    "slow-disk": slow_disk,
    "warm": warm,
    "polling": polling,
    "polling-10k": polling_10k,
    "status": status,
    "ratelimit": ratelimit,
}
