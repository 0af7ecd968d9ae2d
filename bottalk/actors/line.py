"""The plain state that a channel's two loops share, and what both do with it: the line to one bot of iLink."""

import random
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from bottalk.actors.gate import Gate, Gates
from bottalk.actors.heartbeat import Heartbeat, Heartbeats
from bottalk.actors.persist import persist
from bottalk.actors.session_check import SessionCheck
from bottalk.actors.texts import Texts
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.delivery.digest import Style
from bottalk.delivery.verdict import Fault, Verdict, judge
from bottalk.directory import Directory
from bottalk.ilink.client import Bot, Ilink
from bottalk.ilink.errors import IlinkError, IlinkHttpError, IlinkRefused
from bottalk.messages import ChannelDied
from bottalk.outbox import Outbox, Outboxes
from bottalk.values import Channel, ChannelId, InactiveReason, Secret
from bottalk.writable import Writable
from supervisors import Ask, Mailbox

R = TypeVar("R")
log = structlog.get_logger()

AUTH_CONFIRM_S = 5.0
"""Seconds after which an HTTP 401 or 403 is confirmed by a second call."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every channel's actor works with."""

    directory: Directory
    outboxes: Outboxes
    texts: Texts
    heartbeats: Heartbeats
    journal: Mailbox[Any]
    writable: Writable
    ilink: Ilink
    gates: Gates
    config: Config
    clock: Clock
    rng: random.Random
    style: Style


class SessionEnded(Exception):
    """iLink has ended the bot's session: the actor's work is over until a new scan."""

    def __init__(self, reason: InactiveReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Line:
    """One incarnation of a channel's actor. The committed channel is read anew each time."""

    __slots__ = ("bot", "channel_id", "check", "gate", "heartbeat", "outbox", "stopping", "token", "tools")

    def __init__(self, tools: Tools, channel: Channel) -> None:
        self.tools = tools
        self.channel_id: ChannelId = channel.id
        self.token: Secret = channel.bot_token
        self.bot: Bot = tools.ilink.bot(channel.bot_token, channel.base_url)
        self.gate: Gate = tools.gates.of(channel.base_url)
        self.heartbeat: Heartbeat = tools.heartbeats.of(channel.id)
        self.outbox: Outbox = tools.outboxes.of(channel.id)
        self.check = SessionCheck(self.notify_start)
        self.stopping = False

    def channel(self) -> Channel:
        channel = self.tools.directory.channel(self.channel_id)
        if channel is None:
            raise LookupError(f"channel {self.channel_id} is not in the directory")
        return channel

    async def persist(self, message: Ask[R]) -> R:
        """Have the journal write what has happened, however long it takes; see `persist`."""
        return await persist(self.tools.journal, message, self.tools.writable)

    def fault(self, error: IlinkError) -> Verdict:
        """Tell the breaker of a failed call, and say what it means."""
        if isinstance(error, IlinkRefused):
            self.gate.answered()
            return judge(Fault(ret=error.ret))
        if isinstance(error, IlinkHttpError):
            # 401, 403 and 429 are answers of a host that is up; 5xx are not
            if error.status < 500:
                self.gate.answered()
            else:
                self.gate.failed()
            return judge(Fault(status=error.status))
        self.gate.failed()
        return Verdict.TRANSPORT

    async def notify_start(self) -> Verdict | None:
        """Tell iLink that a client is here; a failure matters only as a sign. None: it was well answered."""
        try:
            await self.bot.notify_start()
        except IlinkError as e:
            log.debug("channel.notifystart_failed", channel=self.channel_id, error=str(e))
            return self.fault(e)
        self.gate.answered()
        return None

    async def end_session(self, reason: InactiveReason) -> None:
        """Make the channel `inactive`, and end the actor."""
        await self.persist(ChannelDied(self.channel_id, self.token, reason))
        self.heartbeat.forget()
        log.warning("channel.dead", channel=self.channel_id, reason=reason.value, what_to_do="scan a new code")
        raise SessionEnded(reason)


def rest_after(error: IlinkError, config: Config) -> float | None:
    """Seconds of silence that iLink asks for: the Retry-After of an HTTP 429, within the longest rest of a penalty.
    None where it asks for none, or for less than a second: that would be hammering."""
    if not isinstance(error, IlinkHttpError) or error.status != 429:
        return None
    seconds = error.retry_after or 0.0
    return min(seconds, max(config.delivery.penalty)) if seconds >= 1.0 else None
