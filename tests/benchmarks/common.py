"""What every scenario uses: its size, the load of a push, and the bare route under the same load."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tests.benchmarks.daemon import BARE_PUSH
from tests.benchmarks.loadgen import Plan, Report, Target
from tests.benchmarks.process import ChildFailed, child, load, measured_load

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
    with child("tests.benchmarks.bare", "--wait", str(wait)) as server:
        port = server.first_line()["port"]
        good(load(pushes(port, [BARE_PUSH], clients=clients, count=20 * clients)))
        report, cpu = measured_load(pushes(port, [BARE_PUSH], clients=clients, count=count, seconds=seconds), server)
        return good(report), cpu


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
