"""`/metrics` in Prometheus' text format: what the status says, what was counted, how the process is. Labels are
bounded: no id, no key, no address. `docs/metrics.md` lists them all."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from bottalk.health import Cause
from bottalk.measures import Histogram, Measures
from bottalk.ops.process import process_figures
from bottalk.service.figures import Figures, Gauges
from bottalk.service.status import Status, StatusView
from supervisors import ChildState

L = TypeVar("L", bound=tuple[str, ...])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


class _FromDaemon(Collector):
    """Reads everything anew at each scrape."""

    def __init__(self, status: Status, figures: Figures) -> None:
        self._status = status
        self._figures = figures

    def collect(self) -> Iterable[Family]:
        view, gauges = self._status.view(), self._figures.gauges()
        yield _gauge("bottalk_uptime_seconds", "Seconds since the daemon started.", view.uptime_seconds)
        yield _labelled("bottalk_build_info", "Always 1; the version is the label.", "version", {view.version: 1})
        yield from _pushes(self._figures.measures)
        yield from _channels(view, gauges)
        yield from _journal(view, self._figures.measures)
        yield from _backups(gauges)
        yield from _tree(view, self._figures.measures)
        yield from _ilink(view, self._figures.measures)
        yield from _http(self._figures.measures)
        yield from _process()

    def describe(self) -> Iterable[Family]:
        return ()  # nothing is asked of the status before it runs


def registry(status: Status, figures: Figures) -> CollectorRegistry:
    """A registry of its own: two daemons in one process do not mix."""
    found = CollectorRegistry(auto_describe=False)
    found.register(_FromDaemon(status, figures))
    return found


def render(found: CollectorRegistry) -> bytes:
    return generate_latest(found)


def _pushes(measures: Measures) -> Iterable[Family]:
    labels = ("outcome", "reason")
    yield _counted("bottalk_pushes", "Pushes, by what their caller was told.", labels, measures.pushes)
    yield _counted("bottalk_rows", "A push's rows, one for each channel, by how they ended.", labels, measures.rows)
    yield _histogram(
        "bottalk_delivery_seconds", "From acceptance, or the end of a delay, to iLink's acceptance.", measures.delivery
    )


def _channels(view: StatusView, gauges: Gauges) -> Iterable[Family]:
    counts = view.channel_counts
    levels = {"green": counts.green, "yellow": counts.yellow, "red": counts.red}
    yield _labelled("bottalk_channels", "Channels that are not deleted, by health.", "health", levels)
    reasons = {cause.value: counts.reasons.get(cause.value, 0) for cause in Cause}
    yield _labelled("bottalk_channels_ill", "Channels that are not green, by their gravest cause.", "reason", reasons)
    yield _labelled("bottalk_windows", "Live channels, by how their window stands.", "state", gauges.windows)
    yield _gauge("bottalk_poll_age_seconds", "Since the last finished poll, the greatest of all.", gauges.poll_age)
    yield _gauge("bottalk_queue_rows", "Rows that wait to be sent.", view.totals.queued)
    yield _gauge(
        "bottalk_queue_oldest_seconds", "How long the oldest row waits whose time has come.", gauges.oldest_row_age
    )
    yield _gauge("bottalk_users", "Accounts.", view.totals.users)
    yield _gauge("bottalk_open_codes", "QR codes that are being scanned.", view.totals.open_codes)


def _journal(view: StatusView, measures: Measures) -> Iterable[Family]:
    store = view.store
    yield _counter("bottalk_journal_commits", "Transactions committed.", store.commits)
    yield _counter("bottalk_journal_verbs", "Messages written; by commits: the size of a group.", store.verbs)
    yield _histogram("bottalk_journal_group_verbs", "Messages written in one transaction.", measures.group)
    yield _histogram("bottalk_journal_commit_seconds", "How long a transaction takes.", measures.commit)
    yield _gauge("bottalk_journal_up", "Whether the journal can write.", float(store.cannot_write is None))
    sizes = {"database": store.file_bytes, "wal": store.wal_bytes}
    yield _labelled("bottalk_store_bytes", "Size of the database's files.", "file", sizes)


def _backups(gauges: Gauges) -> Iterable[Family]:
    yield _gauge(
        "bottalk_backup_newest_timestamp_seconds",
        "When the newest backup was made, since 1970; 0: there is none.",
        gauges.newest_backup_at,
    )
    text = "Whether the daemon's own backups fail; 0 also where it makes none."
    yield _gauge("bottalk_backup_failing", text, float(gauges.backups_fail))


def _tree(view: StatusView, measures: Measures) -> Iterable[Family]:
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
    again = CounterMetricFamily(
        "bottalk_child_restarts", "Restarts of a supervisor's children after a crash.", labels=["supervisor"]
    )
    for actor in view.tree:
        if actor.children is not None:
            again.add_metric([actor.name], measures.restarts.get(actor.name, 0))
            for state in ChildState:
                states.add_metric([actor.name, state.value], actor.children.get(state.value, 0))
    yield states
    yield again


def _ilink(view: StatusView, measures: Measures) -> Iterable[Family]:
    up = {host.host: float(host.up) for host in view.ilink}
    yield _labelled("bottalk_ilink_up", "Whether an iLink host answers.", "host", up)
    labels = ("endpoint", "outcome")
    yield _counted("bottalk_ilink_calls", "Calls of iLink, by what came of them.", labels, measures.calls)
    yield _histogram("bottalk_ilink_send_seconds", "How long iLink takes to accept a message.", measures.send)


def _http(measures: Measures) -> Iterable[Family]:
    labels = ("route", "method", "status")
    yield _counted("bottalk_http_requests", "Requests answered, by route as declared.", labels, measures.requests)
    times = HistogramMetricFamily("bottalk_http_request_seconds", "How long an answer takes.", labels=["route"])
    for route, histogram in list(measures.request_seconds.items()):
        times.add_metric([route], histogram.buckets(), histogram.total)
    yield times


def _process() -> Iterable[Family]:
    """By the names that every Prometheus client library has for them."""
    found = process_figures()
    if found is None:
        return
    yield _gauge("process_resident_memory_bytes", "Resident memory.", found.resident_bytes)
    yield _counter("process_cpu_seconds", "Processor time, of the user and of the system.", found.cpu_seconds)
    yield _gauge("process_start_time_seconds", "When the process started, since 1970.", found.started_at)
    yield _gauge("process_open_fds", "Open file descriptors.", found.open_files)
    yield _gauge("process_max_fds", "How many may be open.", found.most_open_files)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, text, buckets=histogram.buckets(), sum_value=histogram.total)


def _labelled(name: str, text: str, label: str, values: dict[str, float] | dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counted(name: str, text: str, labels: L, values: Mapping[L, int]) -> CounterMetricFamily:
    """`values` by the values of the labels, in their order."""
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
