"""How well each channel is, now: what is seen of its actor, judged by the one table of causes."""

from collections.abc import Iterator

import trio

from bottalk.actors.channels import Channels as ChannelTree
from bottalk.actors.gate import Gates
from bottalk.actors.heartbeat import Heartbeat, Heartbeats
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.health import Health, Signs, judge
from bottalk.values import Channel, ChannelId
from bottalk.verbs.draft import Pictures
from supervisors import ChildStatus


class Healths:
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
        return self._judge(channel, self._tree.parked(), self._clock.now(), trio.current_time())

    def every(self) -> Iterator[tuple[Channel, Health]]:
        """Every channel that is not deleted, by id: one look at the clock and the tree for all of them."""
        parked, now, at = self._tree.parked(), self._clock.now(), trio.current_time()
        for channel in self._pictures.directory.channels():
            if not channel.is_deleted:
                yield channel, self._judge(channel, parked, now, at)

    def heartbeat(self, channel_id: ChannelId) -> Heartbeat:
        return self._heartbeats.of(channel_id)

    def child(self, channel_id: ChannelId) -> ChildStatus | None:
        return self._tree.child(channel_id)

    def _judge(self, channel: Channel, parked: frozenset[ChannelId], now: float, at: float) -> Health:
        heartbeat = self._heartbeats.of(channel.id)
        is_parked = channel.id in parked
        child = self._tree.child(channel.id) if is_parked else None
        signs = Signs(
            is_parked=is_parked,
            parked_since=child.since if child is not None else None,
            seconds_since_poll=heartbeat.seconds_since_poll(at),
            retrying_since=heartbeat.retrying_since,
            host_down_since=self._gates.of(channel.base_url).down_since,
            waiting=self._pictures.outboxes.depth(channel.id),
        )
        return judge(channel, signs, now, self._config.delivery)
