"""The daemon's account of itself for administrators: which poller is ill, since when, why, and what to do."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path

import trio
from msgspec import Struct

from bottalk import __version__
from bottalk.actors.gate import Gates
from bottalk.actors.journal import JournalStatus
from bottalk.clock import Clock, utc_text, utc_text_or_none
from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.health import Health, Level
from bottalk.service.healths import Healths, Survey
from bottalk.values import Channel
from bottalk.verbs.draft import Pictures
from supervisors import ChildState, ChildStatus, SupervisorStatus

MOST_LISTED = 1000
LISTED = 100


class Which(StrEnum):
    """Which channels a status lists in detail."""

    NONE = ""
    ALL = "all"
    YELLOW = "yellow"
    RED = "red"


class ActorView(Struct, frozen=True):
    """One actor of the tree. Times are UTC texts. `children`: how many of its own are in which state, None for an
    actor that is no supervisor."""

    name: str
    state: str
    restarts: int
    since: str
    last_error: str | None
    last_error_at: str | None
    mailbox_depth: int | None
    mailbox_peak: int | None
    children: dict[str, int] | None


class ChannelStatusView(Struct, frozen=True):
    """One channel as an administrator sees it: no token, no text. `poller` is the state of its actor, `crash` the last
    error that ended it; `last_error` is the last failed call of iLink."""

    id: int
    user_id: int
    status: str
    poller: str
    poller_since: str | None
    restarts: int
    crash: str | None
    crash_at: str | None
    last_ok_seconds_ago: float | None
    last_inbound_at: str | None
    window_left: int
    window_closes_at: str | None
    queued: int
    health: Level
    reason: str | None
    since: str | None
    advice: str
    last_error: str


class ChannelCounts(Struct, frozen=True):
    """Channels that are not deleted. `reasons`: how many are ill by which cause."""

    total: int
    green: int
    yellow: int
    red: int
    reasons: dict[str, int]


class StoreView(Struct, frozen=True):
    """Sizes in bytes."""

    file_bytes: int
    wal_bytes: int
    last_commit_at: str | None
    last_backup_at: str | None
    commits: int
    verbs: int
    largest_group: int
    cannot_write: str | None


class HostView(Struct, frozen=True):
    """One iLink host and its breaker."""

    host: str
    up: bool
    down_since: str | None
    failures: int


class Totals(Struct, frozen=True):
    users: int
    channels: int
    queued: int
    open_codes: int


class StatusView(Struct, frozen=True):
    """The whole answer. `channels` is there when details were asked for, `after` when there are more of them."""

    version: str
    uptime_seconds: float
    health: Level
    tree: list[ActorView]
    channel_counts: ChannelCounts
    store: StoreView
    ilink: list[HostView]
    totals: Totals
    channels: list[ChannelStatusView] | None = None
    after: int | None = None


class Status:
    """Renders what the tree, the journal and the heartbeats say; it keeps nothing of its own."""

    def __init__(
        self,
        pictures: Pictures,
        healths: Healths,
        gates: Gates,
        journal: Callable[[], JournalStatus],
        tree: Callable[[], SupervisorStatus],
        database: Path,
        settings: DeliverySettings,
        clock: Clock,
        newest_backup_at: Callable[[], float | None],
    ) -> None:
        """`newest_backup_at`: when the newest backup was made, wall time, by whoever made it."""
        self._pictures = pictures
        self._healths = healths
        self._settings = settings
        self._gates = gates
        self._journal = journal
        self._tree = tree
        self._database = database
        self._clock = clock
        self._newest_backup_at = newest_backup_at
        self._started = clock.now()

    def view(self, which: Which = Which.NONE, limit: int = LISTED, after: int = 0) -> StatusView:
        """The present status; `which` channels are listed from the id after `after` on, at most `limit`."""
        survey = self._healths.survey()
        counts = _counts(survey)
        found = list(islice(self._wanted(which, after, survey), limit + 1))
        listed = [self._channel(channel, survey.of(channel.id)) for channel in found[:limit]]
        store, hosts, tree = self.store(), self.hosts(), [_actor(child) for child in self._tree().children]
        return StatusView(
            version=__version__,
            uptime_seconds=round(self._clock.now() - self._started, 1),
            health=_worst(counts, store, hosts, tree),
            tree=tree,
            channel_counts=counts,
            store=store,
            ilink=hosts,
            totals=self._totals(survey),
            channels=listed if which is not Which.NONE else None,
            after=listed[-1].id if len(found) > limit else None,
        )

    def line(self) -> str:
        """How things are, in one line for a service manager's status."""
        survey = self._healths.survey()
        counts = _counts(survey)
        found = [
            f"{counts.total} channels: {counts.green} green, {counts.yellow} yellow, {counts.red} red",
            f"{survey.queued} rows wait",
        ]
        found += [f"{host.host} does not answer since {host.down_since}" for host in self.hosts() if not host.up]
        cannot_write = self._journal().cannot_write
        if cannot_write is not None:
            found.append(f"the journal cannot write ({cannot_write}): free disk space; a restart does not help")
        return "; ".join(found)

    def store(self) -> StoreView:
        journal = self._journal()
        return StoreView(
            file_bytes=_size(self._database),
            wal_bytes=_size(self._database.with_name(self._database.name + "-wal")),
            last_commit_at=utc_text_or_none(journal.last_commit_at),
            last_backup_at=utc_text_or_none(self._newest_backup_at()),
            commits=journal.commits,
            verbs=journal.verbs,
            largest_group=journal.largest_group,
            cannot_write=journal.cannot_write,
        )

    def hosts(self) -> list[HostView]:
        return [
            HostView(gate.host, gate.down_since is None, utc_text_or_none(gate.down_since), gate.failures)
            for gate in self._gates.status()
        ]

    def _totals(self, survey: Survey) -> Totals:
        return Totals(
            users=self._pictures.directory.user_count(),
            channels=survey.total,
            queued=survey.queued,
            open_codes=sum(not binding.state.is_end for binding in self._pictures.bindings.values()),
        )

    def not_ready(self) -> list[str]:
        """What keeps the daemon from being ready, in words; nothing when it is."""
        found = [
            f"{child.name}: {child.state.value}"
            for child in self._tree().children
            if child.state is not ChildState.RUNNING
        ]
        cannot_write = self._journal().cannot_write
        return found if cannot_write is None else [*found, f"journal: {cannot_write}"]

    def _wanted(self, which: Which, after: int, survey: Survey) -> Iterator[Channel]:
        """The channels that a page lists, by id, from the one after `after` on."""
        directory = self._pictures.directory
        if which is Which.NONE:
            return
        if which is Which.ALL:
            for channel in directory.channels():
                if channel.id > after and not channel.is_deleted:
                    yield channel
        else:
            for channel_id, health in survey.ill.items():
                found = directory.channel(channel_id)
                if channel_id > after and health.level.value == which.value and found is not None:
                    yield found

    def _channel(self, channel: Channel, health: Health) -> ChannelStatusView:
        heartbeat, child = self._healths.heartbeat(channel.id), self._healths.child(channel.id)
        polled = heartbeat.polled_at
        return ChannelStatusView(
            id=channel.id,
            user_id=channel.user_id,
            status=channel.status.value,
            poller=child.state.value if child is not None else "none",
            poller_since=utc_text_or_none(child.since) if child is not None else None,
            restarts=child.restarts if child is not None else 0,
            crash=child.last_error if child is not None else None,
            crash_at=utc_text_or_none(child.last_error_at) if child is not None else None,
            last_ok_seconds_ago=None if polled is None else round(trio.current_time() - polled, 1),
            last_inbound_at=utc_text_or_none(channel.last_inbound_at),
            window_left=windows.left(channel.window, self._clock.now(), self._settings),
            window_closes_at=utc_text_or_none(windows.closes_at(channel.window)),
            queued=self._pictures.outboxes.pushes(channel.id),
            health=health.level,
            reason=health.cause.value if health.cause is not None else None,
            since=utc_text_or_none(health.since),
            advice=health.advice,
            last_error=heartbeat.last_error,
        )


def _counts(survey: Survey) -> ChannelCounts:
    levels = Counter(health.level for health in survey.ill.values())
    reasons = Counter(health.cause.value for health in survey.ill.values() if health.cause is not None)
    green = survey.total - len(survey.ill)
    return ChannelCounts(survey.total, green, levels[Level.YELLOW], levels[Level.RED], dict(reasons))


def _actor(child: ChildStatus) -> ActorView:
    return ActorView(
        name=child.name,
        state=child.state.value,
        restarts=child.restarts,
        since=utc_text(child.since),
        last_error=child.last_error,
        last_error_at=utc_text_or_none(child.last_error_at),
        mailbox_depth=child.mailbox.depth if child.mailbox is not None else None,
        mailbox_peak=child.mailbox.peak if child.mailbox is not None else None,
        children=None if child.counts is None else {state.value: n for state, n in child.counts.items()},
    )


def _worst(counts: ChannelCounts, store: StoreView, hosts: list[HostView], tree: list[ActorView]) -> Level:
    if counts.red or store.cannot_write is not None or any(actor.state != ChildState.RUNNING for actor in tree):
        return Level.RED
    return Level.YELLOW if counts.yellow or not all(host.up for host in hosts) else Level.GREEN


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
