"""A running BotTalk, as its opener holds it: where it listens, its use cases, its status, its end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from bottalk.actors.channels import Channels
from bottalk.actors.gate import Gates, GateStatus
from bottalk.actors.heartbeat import Heartbeats
from bottalk.actors.housekeeper import Housekeeper, HousekeeperStatus
from bottalk.actors.journal import Journal, JournalStatus
from bottalk.actors.watchdog import Watchdog
from bottalk.config import Config
from bottalk.service.services import Services
from bottalk.verbs.draft import Pictures
from supervisors import Supervisor, SupervisorStatus


@dataclass(frozen=True, slots=True)
class TreeStatus:
    """What the tree says of itself."""

    tree: SupervisorStatus
    journal: JournalStatus
    housekeeper: HousekeeperStatus
    hosts: tuple[GateStatus, ...]


class Daemon:
    """A running BotTalk. `url` is where it listens, `services` are its use cases, all its parts hold `config`."""

    def __init__(
        self,
        url: str,
        services: Services,
        pictures: Pictures,
        journal: Journal,
        housekeeper: Housekeeper,
        gates: Gates,
        heartbeats: Heartbeats,
        channels: Channels,
        root: Supervisor,
        watchdog: Watchdog,
        stopping: trio.Event,
        config: Config,
    ) -> None:
        self.url = url
        self.config = config
        self.services = services
        self.pictures = pictures
        self.journal = journal
        self.housekeeper = housekeeper
        self.gates = gates
        self.heartbeats = heartbeats
        self.channels = channels
        self.root = root
        self.watchdog = watchdog
        self.ended = trio.Event()
        self._stopping = stopping

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """The tree's life; `ended` is set when it is over."""
        try:
            await self.root.run(task_status=task_status)
        finally:
            self.ended.set()

    def stop(self, *, now: bool = False) -> None:
        """Ask for an orderly end: callers that wait are answered with what is known. `now` skips the waits."""
        self.watchdog.stopping()
        self._stopping.set()
        self.pictures.outboxes.look_again()
        self.root.stop(now=now)

    async def reload(self, work: Callable[[], Awaitable[None]]) -> None:
        """Let `work` take over new settings; the service manager is told when it begins and that it is over.

        What `work` raises is raised here; a cancel cancels it.
        """
        with self.watchdog.reloading():
            await work()

    def status(self) -> TreeStatus:
        return TreeStatus(self.root.status(), self.journal.status(), self.housekeeper.status(), self.gates.status())
