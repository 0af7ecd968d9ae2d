"""Looks each minute for what the journal should say: nudges before windows close, notices of closed channels.

It only proposes. The journal judges anew, says it and notes that it was said, in one commit.
"""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import structlog
import trio

from bottalk.actors.jobs import Job
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery import telling
from bottalk.messages import Notice, Nudge
from bottalk.values import Channel, ChannelId, Priority
from bottalk.verbs.draft import Pictures
from bottalk.verbs.telling import reminders_for
from bottalk.words import Words
from supervisors import Mailbox

log = structlog.get_logger()

BITE = 50
"""Channels that are nudged in one commit: a few milliseconds, so that no push waits long."""

LOOK = 200
"""Channels that are looked at between two checkpoints: about a millisecond."""


class Telling(Job):
    """It keeps nothing: what was said stands with the channels."""

    name = "telling"
    period = 60.0

    def __init__(self, pictures: Pictures, journal: Mailbox[Any], config: Config, words: Words, clock: Clock) -> None:
        self._pictures = pictures
        self._journal = journal
        self._settings = config.delivery
        self._zone = ZoneInfo(config.tz)
        self._words = words
        self._clock = clock

    async def round(self) -> None:
        """Have said what is to be said now."""
        await self._nudges()
        await self._notices()

    async def _nudges(self) -> None:
        if not self._settings.nudge or not self._words.nudge:
            return
        found: list[ChannelId] = []
        waking = telling.waking_of(self._settings, self._zone)
        for number, channel in enumerate(list(self._pictures.directory.channels()), 1):
            if number % LOOK == 0:
                await trio.lowlevel.checkpoint()
            if self._wants_nudge(channel, waking):
                found.append(channel.id)
        for at in range(0, len(found), BITE):
            count = await self._journal.ask(Nudge(tuple(found[at : at + BITE])))
            self.done += count
            log.info("telling.nudged", channels=count)

    def _wants_nudge(self, channel: Channel, waking: telling.Waking) -> bool:
        if not telling.is_nudge_due(channel, self._clock.now(), waking, self._settings):
            return False
        if not self._is_enabled(channel) or self._is_urgent(channel.id):
            return False
        own = self._pictures.directory.channels_of(channel.user_id)
        reminders = reminders_for(channel, own, self._pictures.reminders.of(channel.user_id))
        return telling.has_use(channel, reminders, is_welcomed=bool(self._words.welcome))

    async def _notices(self) -> None:
        for channel_id in list(self._unnoticed()):
            count = await self._journal.ask(Notice(channel_id))
            self.done += count
            if count:
                log.info("telling.noticed", channel=channel_id, told=count)

    def _unnoticed(self) -> Iterator[ChannelId]:
        """Closed and dead channels with waiting pushes, of which another channel should be told."""
        now, directory = self._clock.now(), self._pictures.directory
        for channel_id in self._pictures.outboxes.push_depths():
            channel = directory.channel(channel_id)
            if channel is None or not self._is_enabled(channel):
                continue
            closing = telling.closing(channel, now, self._settings)
            if not closing or closing == channel.noticed or not self._has_come(channel_id, now):
                continue
            words = self._words.dead_elsewhere if channel.is_dead else self._words.closed_elsewhere
            others = directory.channels_of(channel.user_id)
            if words and any(
                other.id != channel_id and telling.can_carry_notice(other, now, self._settings) for other in others
            ):
                yield channel_id

    def _has_come(self, channel_id: ChannelId, now: float) -> bool:
        """Whether a push waits there whose time has come."""
        outbox = self._pictures.outboxes.of(channel_id)
        return any(not row.is_system and (row.not_before or 0.0) <= now for row in outbox)

    def _is_urgent(self, channel_id: ChannelId) -> bool:
        """Whether something waits there that goes before all else."""
        return any(row.priority is Priority.URGENT for row in self._pictures.outboxes.of(channel_id))

    def _is_enabled(self, channel: Channel) -> bool:
        user = self._pictures.directory.user(channel.user_id)
        return user is not None and not user.is_disabled
