"""How well each channel is, now: what is seen of its actor, judged by the one table of causes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import trio

from bottalk.actors.channels import Channels as ChannelTree
from bottalk.actors.gate import Gates
from bottalk.actors.heartbeat import Heartbeat, Heartbeats
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.health import GREEN, POLL_OVERDUE_S, Health, Signs, judge, suspects
from bottalk.values import Channel, ChannelId
from bottalk.verbs.draft import Pictures
from supervisors import ChildState, ChildStatus


@dataclass(frozen=True, slots=True)
class Survey:
    """How well all channels are at one moment. `ill`: those that are not green, by id; all others that are not
    deleted are. `queued`: rows that wait, of all channels together."""

    ill: Mapping[ChannelId, Health]
    total: int
    queued: int

    def of(self, channel_id: ChannelId) -> Health:
        return self.ill.get(channel_id, GREEN)


class Healths:
    """One channel is judged as it is asked for. Where all are, most are seen to be green without being judged."""

    def __init__(
        self,
        pictures: Pictures,
        tree: ChannelTree,
        heartbeats: Heartbeats,
        gates: Gates,
        config: Config,
        clock: Clock,
    ) -> None:
        self._pictures = pictures
        self._tree = tree
        self._heartbeats = heartbeats
        self._gates = gates
        self._config = config
        self._clock = clock

    def of(self, channel: Channel) -> Health:
        child = self._tree.child(channel.id)
        parked_since = child.since if child is not None and child.state is ChildState.PARKED else None
        return self._judge(channel, self._clock.now(), trio.current_time(), parked_since)

    def every(self) -> Iterator[tuple[Channel, Health]]:
        """Every channel that is not deleted, by id, all judged at one moment."""
        survey = self.survey()
        for channel in self._pictures.directory.channels():
            if not channel.is_deleted:
                yield channel, survey.of(channel.id)

    def survey(self) -> Survey:
        """All channels that are not deleted, judged at one moment."""
        directory, now, at = self._pictures.directory, self._clock.now(), trio.current_time()
        total, ill = directory.channel_count(), {}
        parked, depths = self._parked(), self._pictures.outboxes.push_depths()
        for channel_id in sorted(self._suspects(at).union(parked, depths)):
            channel = directory.channel(channel_id)
            if channel is None:
                continue
            if channel.is_deleted:
                total -= 1
                continue
            health = self._judge(channel, now, at, parked.get(channel_id))
            if health.cause is not None:
                ill[channel_id] = health
        return Survey(ill, total, sum(depths.values()))

    def _suspects(self, at: float) -> set[ChannelId]:
        """All that are deleted, or ill by what is committed, by their host or by their heartbeat; and perhaps others.
        `at`: trio's clock."""
        channels = self._pictures.directory.channels()
        if self._gates.is_any_down():
            return {channel.id for channel in channels}
        return {*suspects(channels), *self._heartbeats.suspects(at, POLL_OVERDUE_S)}

    def _parked(self) -> dict[ChannelId, float]:
        """Since when (wall time) each parked channel is."""
        children = {channel_id: self._tree.child(channel_id) for channel_id in self._tree.parked()}
        return {channel_id: child.since for channel_id, child in children.items() if child is not None}

    def heartbeat(self, channel_id: ChannelId) -> Heartbeat:
        return self._heartbeats.of(channel_id)

    def child(self, channel_id: ChannelId) -> ChildStatus | None:
        return self._tree.child(channel_id)

    def _judge(self, channel: Channel, now: float, at: float, parked_since: float | None) -> Health:
        heartbeat = self._heartbeats.of(channel.id)
        signs = Signs(
            is_parked=parked_since is not None,
            parked_since=parked_since,
            seconds_since_poll=heartbeat.seconds_since_poll(at),
            retrying_since=heartbeat.retrying_since,
            host_down_since=self._gates.of(channel.base_url).down_since,
            waiting_since=self._pictures.outboxes.waiting_since(channel.id),
        )
        return judge(channel, signs, now, self._config.delivery)
