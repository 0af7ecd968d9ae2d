"""Pushes that come together: to one channel, after a reply, to many channels, from many callers."""

import time
from collections.abc import Iterable

from tests.benchmarks.common import KEPT, TAKEN, Scale, bare, bare_route, good, in_turn, p99, paired, pushes
from tests.benchmarks.daemon import TEXT, Bench, bench
from tests.benchmarks.loadgen import Report
from tests.benchmarks.process import ChildFailed, load
from tests.benchmarks.table import Figure

SPENT = 10
"""Messages after which a window is closed."""
GAP_S = 1.0
"""Seconds between two messages while more than 5 are left."""
DELIVERED_WITHIN_S = 30.0
AT_ONCE = TEXT + "&wait=0"


def burst(scale: Scale) -> Iterable[Figure]:
    """20 pushes at once to one channel"""
    beside = bare(20, 20)[0]
    with bench(1) as running:
        running.wait_for_polls(60)
        report = good(load(pushes(running.port, [running.seeded[0].push], clients=20, count=20, expect=TAKEN)))
        running.wait_for_delivery(DELIVERED_WITHIN_S)
        sends = running.upstream()["sends"]
    yield Figure("burst", "all 20 are answered", report.seconds, "s", 3, beside.seconds, absolute=True)
    yield Figure("burst", "WeChat messages", sends, "", 4)


def reply(scale: Scale) -> Iterable[Figure]:
    """50 pushes of 60 characters wait, then the user replies"""
    beside = bare(1, 50)[0]
    with bench(1, spent=SPENT) as running:
        running.wait_for_polls(60)
        one = running.seeded[0]
        texts = [one.pushing(f"title=alarm-{number:02}&desp={'x' * 52}") for number in range(50)]
        report = good(load(pushes(running.port, texts, clients=1, count=50, expect=KEPT)))
        began = time.monotonic()
        running.write(one)
        running.wait_for_delivery(DELIVERED_WITHIN_S)
        found = running.upstream()
    yield Figure("reply", "50 kept, p50", report.p50, "ms", None, beside.p50)
    yield Figure("reply", "the last is on the phone", found["last_send_at"] - began, "s", 3.5)
    yield Figure("reply", "WeChat messages", found["sends"], "", 4)
    if found["sends"] > 1:
        yield Figure("reply", "least gap", found["least_gap"], "s", 0.99 * GAP_S, at_least=True)


def spread(scale: Scale) -> Iterable[Figure]:
    """32 clients, 5,000 channels with open windows, one push each"""
    clients, channels, rounds = 32, scale.of(5000, 500), scale.of(5, 2)
    each = channels // rounds
    with bare_route(clients) as route, bench(channels, settings={"BOTTALK_ILINK_STARTS_PER_SECOND": "2000"}) as running:
        running.wait_for_polls(30 + channels / 50)
        targets = [one.push for one in running.seeded]
        plans = [
            pushes(running.port, targets[at : at + each], clients=clients, count=each)
            for at in range(0, rounds * each, each)
        ]
        done = list(in_turn(route, plans, running.daemon))
    yield paired(
        "spread", "pushes a second", [(one.report.per_second, one.bare.per_second) for one in done], "/s", at_least=0.5
    )
    yield p99("spread", done, 60)


def crowd(scale: Scale) -> Iterable[Figure]:
    """200 clients, each with 25 pushes to a channel of its own: without waiting, and with the usual wait"""
    channels, each = scale.of(200, 40), 25
    beside = bare(channels, channels * each)[0]
    report, delivered, most = _crowd(channels, each, AT_ONCE)
    yield Figure("crowd", "answers a second, wait=0", report.per_second, "/s", 0.8, beside.per_second, at_least=True)
    yield from _delivered("wait=0", delivered, most)
    report, delivered, most = _crowd(channels, each, TEXT)
    yield Figure("crowd", "all are answered, wait=3", report.seconds, "s", 5.5, beside.seconds, absolute=True)
    yield from _delivered("wait=3", delivered, most)


def _crowd(channels: int, each: int, text: str) -> tuple[Report, float, int]:
    """The load's report, seconds from its begin until the last text was delivered, most messages to one channel."""
    with bench(channels) as running:
        running.wait_for_polls(60)
        targets = [one.pushing(text) for one in running.seeded]
        began = time.monotonic()
        report = good(load(pushes(running.port, targets, clients=channels, each=each, expect=TAKEN)))
        if report.answers != channels * each:
            raise ChildFailed(f"{report.answers} answers to {channels * each} pushes")
        running.wait_for_delivery(DELIVERED_WITHIN_S)
        return report, running.upstream()["last_send_at"] - began, _most(running)


def _most(running: Bench) -> int:
    return max(int(count) for count in running.upstream()["accepted"].values())


def _delivered(how: str, seconds: float, most: int) -> Iterable[Figure]:
    yield Figure("crowd", f"all are delivered, {how}", seconds, "s", 12)
    yield Figure("crowd", f"messages per channel, {how}", most, "", 6)
