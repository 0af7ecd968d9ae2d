"""What every scenario uses: its size, the load of a push, and the bare route under the same load."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from statistics import median

from tests.benchmarks.daemon import BARE_PUSH
from tests.benchmarks.loadgen import Plan, Report, Target
from tests.benchmarks.process import Child, ChildFailed, child, load, measured_load
from tests.benchmarks.table import Figure

MB = 1_000_000

DELIVERED = '"message":"success"'
KEPT = '"queued":true'
TAKEN = '"code":0'
"""What the body of a good answer holds: the text is on the phone, it waits, or one of both."""


@dataclass(frozen=True)
class Scale:
    """Sizes of a run: `quick` shows that everything works, its figures are rough; `profile`: where the time goes."""

    quick: bool
    profile: bool = False

    def of(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@cache
def bare(clients: int, count: int, seconds: float = 60.0, wait: float = 0.0) -> tuple[Report, float]:
    """The bare route under the same load: its report and its CPU seconds for each request."""
    with bare_route(clients, wait) as route:
        return route.measured(count=count, seconds=seconds)


@dataclass(frozen=True)
class BareRoute:
    """The bare route, running and warm."""

    server: Child
    port: int
    clients: int

    def measured(self, *, count: int = 1_000_000, seconds: float = 60.0) -> tuple[Report, float]:
        """What it gives now: the report of a load, and CPU seconds for each request."""
        plan = pushes(self.port, [BARE_PUSH], clients=self.clients, count=count, seconds=seconds)
        report, cpu = measured_load(plan, self.server)
        return good(report), cpu


@contextmanager
def bare_route(clients: int, wait: float = 0.0) -> Iterator[BareRoute]:
    """Run the bare route until the block ends: beside a daemon it can be measured in turn with it."""
    with child("tests.benchmarks.bare", "--wait", str(wait)) as server:
        port = server.first_line()["port"]
        good(load(pushes(port, [BARE_PUSH], clients=clients, count=20 * clients)))
        yield BareRoute(server, port, clients)


@dataclass(frozen=True)
class Round:
    """The daemon and the bare route under the same load, one right after the other; CPU seconds for each request."""

    report: Report
    cpu: float
    bare: Report
    bare_cpu: float


def in_turn(route: BareRoute, plans: Iterable[Plan], daemon: Child) -> Iterator[Round]:
    """The bare route and the daemon in turn: how fast the machine is changes within a minute, and both feel it."""
    for plan in plans:
        bare_report, bare_cpu = route.measured(count=plan.count, seconds=plan.seconds)
        report, cpu = measured_load(plan, daemon)
        yield Round(good(report), cpu, bare_report, bare_cpu)


def paired(
    scenario: str,
    name: str,
    pairs: Sequence[tuple[float, float]],
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """The round whose ratio is the median one. A goal is a ratio."""
    value, beside = sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]
    goal = at_most if at_least is None else at_least
    return Figure(scenario, name, value, unit, goal, beside, at_least=at_least is not None)


def p99(scenario: str, rounds: Sequence[Round], goal: float) -> Figure:
    """The median of the rounds; the goal is in milliseconds."""
    value, beside = median(one.report.p99 for one in rounds), median(one.bare.p99 for one in rounds)
    return Figure(scenario, "p99", value, "ms", goal, beside, absolute=True)


def pushes(
    port: int,
    targets: Sequence[Target],
    *,
    clients: int,
    count: int = 1_000_000,
    seconds: float = 60.0,
    each: int = 0,
    expect: str = DELIVERED,
) -> Plan:
    return Plan("127.0.0.1", port, targets, clients, count, seconds, expect, each)


def good(report: Report) -> Report:
    """Raises ChildFailed if any answer was not the expected one: its speed would mean nothing."""
    if report.unexpected:
        raise ChildFailed(f"{report.unexpected} of {report.answers} answers were not good; the first: {report.sample}")
    return report
