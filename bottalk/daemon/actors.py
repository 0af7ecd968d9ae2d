"""The actors that do the work, each by its constructor: what it talks to is what it is given."""

from dataclasses import dataclass

import structlog

from bottalk.actors.binding import BindingTools
from bottalk.actors.bindings import Bindings
from bottalk.actors.channels import Channels
from bottalk.actors.gate import Gates
from bottalk.actors.heartbeat import Heartbeats
from bottalk.actors.journal import Journal
from bottalk.actors.line import Tools
from bottalk.actors.ratelimit import RateLimit
from bottalk.actors.reminders import Reminders
from bottalk.actors.texts import Texts
from bottalk.daemon.parts import Parts, supervisor
from bottalk.messages import UserChanged
from bottalk.values import ChannelId, UserId
from supervisors import MailboxFull, NotTaken

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Actors:
    """The actors that pushes, scans and reminders need, and what outlives a channel's actor."""

    journal: Journal
    ratelimit: RateLimit
    channels: Channels
    bindings: Bindings
    reminders: Reminders
    heartbeats: Heartbeats
    gates: Gates

    def is_running(self, channel_id: ChannelId) -> bool:
        return self.heartbeats.of(channel_id).started_at is not None


def actors_of(p: Parts) -> Actors:
    def turned(user_id: UserId) -> None:
        """An account was disabled or enabled: its actors follow, whoever asked for it."""
        try:
            channels.mailbox.tell(UserChanged(user_id))
        except (MailboxFull, NotTaken) as e:
            # they are starting or stopping, which goes by what is committed
            log.warning("channels.not_told", user=user_id, why=str(e))

    journal = Journal(
        p.database,
        p.pictures,
        p.config,
        p.clock,
        next_row_id=p.next_row_id,
        words=p.style.words,
        turned=turned,
        measures=p.measures,
    )
    heartbeats, gates = Heartbeats(), Gates(p.config.ilink, p.clock)
    channels = Channels(_tools(p, journal, heartbeats, gates), supervisor("channels", p))
    binding_tools = BindingTools(p.ilink, journal.mailbox, p.pictures.directory, p.clock, channels.restart)
    return Actors(
        journal=journal,
        ratelimit=RateLimit(),
        channels=channels,
        bindings=Bindings(binding_tools, p.pictures, supervisor("bindings", p), p.config),
        reminders=Reminders(p.pictures.reminders, journal.mailbox, p.config, p.clock),
        heartbeats=heartbeats,
        gates=gates,
    )


def _tools(p: Parts, journal: Journal, heartbeats: Heartbeats, gates: Gates) -> Tools:
    """What every channel's actor works with."""
    return Tools(
        directory=p.pictures.directory,
        outboxes=p.pictures.outboxes,
        texts=Texts(p.database, p.config.delivery),
        heartbeats=heartbeats,
        journal=journal.mailbox,
        writable=p.pictures.writable,
        ilink=p.ilink,
        gates=gates,
        config=p.config,
        clock=p.clock,
        rng=p.rng,
        style=p.style,
    )
