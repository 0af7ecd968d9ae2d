"""`/metrics`: what the status says, in Prometheus' text format. Labels are bounded: no id, no key, no address."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bottalk.health import Cause
from bottalk.service.status import Status, StatusView
from supervisors import ChildState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Family = GaugeMetricFamily | CounterMetricFamily


class _FromStatus(Collector):
    """Reads the status anew at each scrape."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Family]:
        view = self._status.view()
        yield _gauge("bottalk_uptime_seconds", "Seconds since the daemon started.", view.uptime_seconds)
        yield _labelled("bottalk_build_info", "Always 1; the version is the label.", "version", {view.version: 1})
        yield from _channels(view)
        yield from _journal(view)
        yield from _tree(view)
        up = {host.host: float(host.up) for host in view.ilink}
        yield _labelled("bottalk_ilink_up", "Whether an iLink host answers.", "host", up)

    def describe(self) -> Iterable[Family]:
        return ()  # nothing is asked of the status before it runs


def registry(status: Status) -> CollectorRegistry:
    """A registry of its own: two daemons in one process do not mix."""
    found = CollectorRegistry(auto_describe=False)
    found.register(_FromStatus(status))
    return found


def render(found: CollectorRegistry) -> bytes:
    return generate_latest(found)


def _channels(view: StatusView) -> Iterable[Family]:
    counts = view.channel_counts
    levels = {"green": counts.green, "yellow": counts.yellow, "red": counts.red}
    yield _labelled("bottalk_channels", "Channels that are not deleted, by health.", "health", levels)
    reasons = {cause.value: counts.reasons.get(cause.value, 0) for cause in Cause}
    yield _labelled("bottalk_channels_ill", "Channels that are not green, by their gravest cause.", "reason", reasons)
    yield _gauge("bottalk_queue_rows", "Rows that wait to be sent.", view.totals.queued)
    yield _gauge("bottalk_users", "Accounts.", view.totals.users)
    yield _gauge("bottalk_open_codes", "QR codes that are being scanned.", view.totals.open_codes)


def _journal(view: StatusView) -> Iterable[Family]:
    store = view.store
    yield _counter("bottalk_journal_commits", "Transactions committed.", store.commits)
    yield _counter("bottalk_journal_verbs", "Messages written; by commits: the size of a group.", store.verbs)
    yield _gauge("bottalk_journal_up", "Whether the journal can write.", float(store.cannot_write is None))
    sizes = {"database": store.file_bytes, "wal": store.wal_bytes}
    yield _labelled("bottalk_store_bytes", "Size of the database's files.", "file", sizes)


def _tree(view: StatusView) -> Iterable[Family]:
    running = {actor.name: float(actor.state == "running") for actor in view.tree}
    yield _labelled("bottalk_actor_up", "Whether an actor of the tree runs.", "actor", running)
    restarts = CounterMetricFamily("bottalk_actor_restarts", "Restarts of an actor of the tree.", labels=["actor"])
    depths = GaugeMetricFamily("bottalk_mailbox_depth", "Letters that wait in an actor's mailbox.", labels=["actor"])
    for actor in view.tree:
        restarts.add_metric([actor.name], actor.restarts)
        if actor.mailbox_depth is not None:
            depths.add_metric([actor.name], actor.mailbox_depth)
    yield restarts
    yield depths
    states = GaugeMetricFamily("bottalk_children", "Children of a supervisor.", labels=["supervisor", "state"])
    for actor in view.tree:
        if actor.children is not None:
            for state in ChildState:
                states.add_metric([actor.name, state.value], actor.children.get(state.value, 0))
    yield states


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
