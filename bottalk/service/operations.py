"""Operations: what the operator at the command line sees and does of all channels, whether a daemon runs or not."""

from collections.abc import Callable
from typing import Any

import structlog
from msgspec import Struct

from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import window as windows
from bottalk.errors import Refused
from bottalk.health import Health, Signs, judge
from bottalk.messages import DropRows, MoveRows
from bottalk.service.patience import TAKEN_WITHIN_S
from bottalk.values import Channel, ChannelId, UserId
from bottalk.verbs.channels import NO_CHANNEL
from bottalk.verbs.draft import Pictures
from supervisors import Mailbox

log = structlog.get_logger()


class ChannelLine(Struct, frozen=True):
    """One channel in the operator's list. `left` and `window` are the forecast; `waiting_since` is wall time."""

    channel: Channel
    health: Health
    window: windows.State
    left: int
    queued: int
    waiting_since: float | None


class Operations:
    """`health_of` sees the running actors. Without it channels are judged by what is committed alone.

    What writes raises Refused, and CannotWrite, MailboxFull or NotTaken: then nothing was changed.
    """

    def __init__(
        self,
        pictures: Pictures,
        journal: Mailbox[Any],
        config: Config,
        clock: Clock,
        health_of: Callable[[Channel], Health] | None = None,
    ) -> None:
        self._pictures = pictures
        self._journal = journal
        self._config = config
        self._clock = clock
        self._health_of = health_of or self._health_by_state

    def channels(self, owner: UserId | None = None) -> list[ChannelLine]:
        """Every channel that is not deleted, of all accounts or one, by id."""
        directory = self._pictures.directory
        found = directory.channels() if owner is None else directory.channels_of(owner)
        return [self._line(channel) for channel in sorted(found, key=lambda c: c.id) if not channel.is_deleted]

    async def move(self, channel_id: ChannelId, to: ChannelId) -> int:
        """What waits goes to another channel of the same account, but for what is being sent; how many rows."""
        count = await self._journal.ask(MoveRows(channel_id, to), timeout=TAKEN_WITHIN_S)
        log.info("channel.rows_moved", channel=channel_id, to=to, rows=count)
        return count

    async def drop(self, channel_id: ChannelId) -> int:
        """What waits is settled as deleted, but for what is being sent; how many rows."""
        channel = self._pictures.directory.channel(channel_id)
        if channel is None or channel.is_deleted:
            raise Refused(NO_CHANNEL, 404)
        count = await self._journal.ask(DropRows(channel_id), timeout=TAKEN_WITHIN_S)
        log.info("channel.rows_dropped", channel=channel_id, rows=count)
        return count

    def _line(self, channel: Channel) -> ChannelLine:
        now, settings, outboxes = self._clock.now(), self._config.delivery, self._pictures.outboxes
        return ChannelLine(
            channel=channel,
            health=self._health_of(channel),
            window=windows.state(channel.window, now, settings),
            left=windows.left(channel.window, now, settings),
            queued=outboxes.depth(channel.id),
            waiting_since=outboxes.waiting_since(channel.id),
        )

    def _health_by_state(self, channel: Channel) -> Health:
        signs = Signs(waiting_since=self._pictures.outboxes.waiting_since(channel.id))
        return judge(channel, signs, self._clock.now(), self._config.delivery)
