"""The daemon: opens what a running BotTalk needs, builds the supervision tree, and stops it in order.

The stop's sums, which must fit systemd's TimeoutStopSec of 60 s: http 21.5 s (the longest `wait` and one more; waiting
callers are answered at once, so usually nothing), reminders 0.5 s, codes 1.5 s, sends in hand 11 s, journal 5 s: 39.5 s
in all.
"""

import random
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import structlog
import trio

from bottalk import __version__
from bottalk.actors.alarms import Alarms
from bottalk.actors.alert import Alert
from bottalk.actors.backups import Backups
from bottalk.actors.binding import BindingTools
from bottalk.actors.bindings import Bindings
from bottalk.actors.channels import Channels
from bottalk.actors.checkpoints import Checkpoints
from bottalk.actors.departed import Departed
from bottalk.actors.expiry import Expiry
from bottalk.actors.gate import Gates, GateStatus
from bottalk.actors.heartbeat import Heartbeats
from bottalk.actors.housekeeper import Housekeeper, HousekeeperStatus
from bottalk.actors.jobs import Job
from bottalk.actors.journal import Journal, JournalStatus, load_pictures
from bottalk.actors.line import Tools
from bottalk.actors.ratelimit import RateLimit
from bottalk.actors.recovery import begin_run, end_run
from bottalk.actors.reminders import Reminders
from bottalk.actors.retention import Retention
from bottalk.actors.telling import Telling
from bottalk.actors.texts import Texts
from bottalk.actors.watchdog import Manager, Vitals, Watchdog
from bottalk.clock import Clock, SystemClock
from bottalk.config import Config
from bottalk.delivery.digest import Style
from bottalk.errors import CannotWrite
from bottalk.http.actor import Web
from bottalk.http.app import create_app
from bottalk.ilink.client import Ilink, IlinkSettings
from bottalk.measures import Measures
from bottalk.messages import UserChanged
from bottalk.ops import backup, data_dir, limits
from bottalk.ops.sockets import listening_socket, url_of
from bottalk.service.accounts import Accounts
from bottalk.service.channels import Channels as ChannelService
from bottalk.service.export import Export
from bottalk.service.figures import Figures
from bottalk.service.healths import Healths
from bottalk.service.imports import Imports
from bottalk.service.logs import Logs
from bottalk.service.operations import Operations
from bottalk.service.pushes import Pushes
from bottalk.service.reminders import Reminders as ReminderService
from bottalk.service.services import Services
from bottalk.service.sessions import Sessions
from bottalk.service.stats import Stats
from bottalk.service.status import Status
from bottalk.service.texts import Texts as TextService
from bottalk.service.troubles import Troubles
from bottalk.service.users import Users
from bottalk.service.waiting import Waiting
from bottalk.store.database import Database, StoreError, open_database, unusable
from bottalk.store.threads import Runner
from bottalk.values import ChannelId, Secret, UserId
from bottalk.verbs.draft import Pictures
from bottalk.words import DEFAULT, Words, load_words
from supervisors import (
    Backoff,
    ChildSpec,
    ChildState,
    EventKind,
    Excess,
    Intensity,
    MailboxFull,
    NotTaken,
    SupervisionEvent,
    Supervisor,
    SupervisorStatus,
)

log = structlog.get_logger()

HTTP_STOP_S = 21.5
CHANNELS_STOP_S = 11.0
BINDINGS_STOP_S = 1.5
REMINDERS_STOP_S = 0.5
JOURNAL_STOP_S = 5.0

POLLS_BEGUN_S = 5.0
"""Seconds after the last channel's turn to begin polling: then its connection is open."""

VITAL = ("journal", "ratelimit", "http")
"""The actors without which no push is accepted: the process is not left to run for long without one of them."""


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


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is open before the tree is built."""

    config: Config
    style: Style
    clock: Clock
    rng: random.Random
    database: Database
    pictures: Pictures
    next_row_id: int
    ilink: Ilink
    secret: Secret
    manager: Manager | None
    sockets: tuple[socket.socket, ...]
    runner: Runner | None
    measures: Measures
    alert_transport: httpx.AsyncBaseTransport | None


@asynccontextmanager
async def open_daemon(
    config: Config,
    *,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    runner: Runner | None = None,
    ilink_transport: httpx.AsyncBaseTransport | None = None,
    alert_transport: httpx.AsyncBaseTransport | None = None,
    sockets: bool = True,
    words: Words | None = None,
    manager: Manager | None = None,
) -> AsyncIterator[Daemon]:
    """A daemon whose tree has started. Leaving the context stops it in order; a cancel cuts it.

    `runner` runs the store's blocking calls (None: threads). `ilink_transport` stands in for the network to iLink,
    `alert_transport` for the one to the operator's address. `sockets=False` leaves http out: a test hands in its own.
    `words` is what it says on the phone (None: as the settings say). `manager` is the service manager that wants to
    hear how things go.

    Raises ConfigError (in the file of words), DataDirError, AddressError or StoreError before anything runs,
    EscalatedError (in a group) when the journal has crashed, and CannotWrite at the end when the database could not be
    written any more: the next start then takes this run for one that was cut.
    """
    clock, rng, measures = clock or SystemClock(), rng or random.Random(), Measures()
    config = replace(config, delivery=replace(config.delivery))  # its own: a reload changes it in place
    style = style_of(config, words)
    directory = Path(config.data_dir)
    with ExitStack() as held:
        held.enter_context(data_dir.locked(directory))
        opened = tuple(held.enter_context(s) for s in _open_sockets(config, directory)) if sockets else ()
        if opened and config.port == 0:
            config = replace(config, port=opened[0].getsockname()[1])
        secret = config.session_secret or data_dir.session_secret(directory)
        async with (
            open_database(config.database, now=clock.now(), runner=runner) as database,
            Ilink(_ilink_settings(config), rng=rng, transport=ilink_transport, measures=measures) as ilink,
        ):
            try:
                pictures, next_row_id = await load_pictures(database, clock.now())
                await begin_run(database, pictures, config, style, clock.now())
            except sqlite3.OperationalError as e:
                raise StoreError(f"the database {config.database} cannot be written: {e}. {_why(e)}") from e
            except sqlite3.DatabaseError as e:
                raise unusable(config.database, e) from e
            parts = _Parts(
                config=config,
                style=style,
                clock=clock,
                rng=rng,
                database=database,
                pictures=pictures,
                next_row_id=next_row_id,
                ilink=ilink,
                secret=secret,
                manager=manager,
                sockets=opened,
                runner=runner,
                measures=measures,
                alert_transport=alert_transport,
            )
            daemon = _build(parts)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ilink.sweep)
                await nursery.start(daemon.run)
                limits.settle_garbage()
                nursery.start_soon(_settle_connections, pictures, config)
                yield daemon
                daemon.stop()
                await daemon.ended.wait()
                nursery.cancel_scope.cancel()
            try:
                await end_run(database)
            except sqlite3.Error as e:
                raise CannotWrite(str(e)) from e


async def _settle_connections(pictures: Pictures, config: Config) -> None:
    """When each channel has had its turn to begin polling."""
    await trio.sleep(POLLS_BEGUN_S + pictures.directory.channel_count() / config.ilink.starts_per_second)
    limits.settle_connections()


def _why(error: sqlite3.OperationalError) -> str:
    return "Which other program has it open?" if "locked" in str(error) else "Is the disk full?"


def _open_sockets(config: Config, directory: Path) -> tuple[socket.socket, ...]:
    tcp = listening_socket(config.host, config.port)
    try:
        return tcp, data_dir.operator_socket(directory)
    except BaseException:
        tcp.close()
        raise


def _build(p: _Parts) -> Daemon:
    """Every part by its constructor: what it talks to is what it is given."""
    stopping = trio.Event()

    def turned(user_id: UserId) -> None:
        """An account was disabled or enabled: its actors follow, whoever asked for it."""
        try:
            channels.mailbox.tell(UserChanged(user_id))
        except (MailboxFull, NotTaken) as e:
            # they are starting or stopping, which goes by what is committed
            log.warning("channels.not_told", user=user_id, why=str(e))

    def is_running(channel_id: ChannelId) -> bool:
        return heartbeats.of(channel_id).started_at is not None

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
    ratelimit = RateLimit()
    heartbeats, gates = Heartbeats(), Gates(p.config.ilink, p.clock)
    directory, outboxes = p.pictures.directory, p.pictures.outboxes
    tools = Tools(
        directory=directory,
        outboxes=outboxes,
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
    channels = Channels(tools, _supervisor("channels", p))
    binding_tools = BindingTools(p.ilink, journal.mailbox, directory, p.clock, channels.restart)
    bindings = Bindings(binding_tools, p.pictures, _supervisor("bindings", p), p.config)
    healths = Healths(p.pictures, channels, heartbeats, gates, p.config, p.clock)
    waiting = Waiting(
        p.pictures,
        heartbeats,
        gates,
        p.config,
        p.style,
        p.clock,
        is_running=is_running,
        stopping=stopping,
    )
    sessions = Sessions(p.pictures, journal.mailbox, p.database, p.clock)
    services = Services(
        pushes=Pushes(
            p.pictures, journal.mailbox, ratelimit.mailbox, p.database, waiting, p.config, p.clock, p.measures
        ),
        channels=ChannelService(p.pictures, bindings, healths, p.config, p.clock, journal.mailbox, channels.mailbox),
        accounts=Accounts(
            p.pictures, journal.mailbox, channels.mailbox, sessions, Export(p.pictures, p.database, p.clock), p.config
        ),
        users=Users(p.pictures, journal.mailbox, channels.mailbox, p.database),
        operations=Operations(p.pictures, journal.mailbox, p.config, p.clock, healths.of),
        imports=Imports(p.pictures, journal.mailbox, channels.mailbox),
        sessions=sessions,
        reminders=ReminderService(p.pictures, journal.mailbox, p.clock),
        logs=Logs(journal.mailbox, p.database, p.config),
        texts=TextService(p.database, p.config, p.clock),
        stats=Stats(p.pictures, p.database, p.config, p.clock),
        status=Status(
            p.pictures,
            healths,
            gates,
            journal.status,
            lambda: root.status(deep=False),
            p.config.database,
            p.config.delivery,
            p.clock,
            partial(backup.newest_at, p.config.backups),
        ),
        figures=Figures(p.measures, p.pictures, heartbeats, p.config, p.clock),
    )
    reminders = Reminders(p.pictures.reminders, journal.mailbox, p.config, p.clock)
    web = None
    if p.sockets:
        app = create_app(services, p.config, p.secret)
        web = Web(app, app.door, p.sockets)
    backups = _backups(p)
    housekeeper = Housekeeper([*_jobs(p, journal, is_running), *backups], p.clock)
    troubles = Troubles(
        healths,
        gates,
        journal.status,
        partial(data_dir.free_bytes, Path(p.config.data_dir)),
        lambda: p.config.alert_disk_free,
        lambda: next((job.failed for job in backups), None),
        p.clock,
    )
    alarms = Alarms(troubles.signs, lambda: p.config.alert_url, Alert(p.alert_transport).tell, p.clock, p.rng)
    watchdog = Watchdog(p.manager, lambda: _vitals(root, journal), services.status.line)
    root = _root(p, journal, ratelimit, channels, bindings, reminders, housekeeper, alarms, web, watchdog)
    url = url_of(p.sockets[0]) if p.sockets else ""
    return Daemon(
        url=url,
        services=services,
        pictures=p.pictures,
        journal=journal,
        housekeeper=housekeeper,
        gates=gates,
        heartbeats=heartbeats,
        channels=channels,
        root=root,
        watchdog=watchdog,
        stopping=stopping,
        config=p.config,
    )


def _vitals(root: Supervisor, journal: Journal) -> Vitals:
    children = root.status(deep=False).children
    down = [f"{c.name}: {c.state.value}" for c in children if c.name in VITAL and c.state is not ChildState.RUNNING]
    mailbox = journal.mailbox.status()
    return Vitals(tuple(down), mailbox.depth + mailbox.in_hand, journal.status().tries)


def _jobs(p: _Parts, journal: Journal, is_running: Callable[[ChannelId], bool]) -> list[Job]:
    """What the housekeeper does."""
    checkpoints = Checkpoints(p.database, lambda: journal.status().commits)
    return [
        Departed(p.pictures.directory, journal.mailbox),
        Expiry(p.pictures.outboxes, is_running, journal.mailbox, p.clock),
        Retention(journal.mailbox, p.config, p.clock, checkpoints.soon),
        Telling(p.pictures, journal.mailbox, p.config, p.style.words, p.clock),
        checkpoints,
    ]


def _root(
    p: _Parts,
    journal: Journal,
    ratelimit: RateLimit,
    channels: Channels,
    bindings: Bindings,
    reminders: Reminders,
    housekeeper: Housekeeper,
    alarms: Alarms,
    web: Web | None,
    watchdog: Watchdog,
) -> Supervisor:
    """Start top to bottom, stop bottom to top. A crash of the journal ends the process; the others come back."""
    for_ever = Backoff(first=0.2, factor=2.0, cap=30.0, jitter=0.2)
    once = Intensity(max_restarts=0, period_s=60.0)
    children = [
        ChildSpec(
            "journal",
            journal.run,
            mailbox=journal.mailbox,
            intensity=once,
            excess=Excess.ESCALATE,
            stop_timeout=JOURNAL_STOP_S,
        ),
        ChildSpec(
            "ratelimit",
            ratelimit.run,
            mailbox=ratelimit.mailbox,
            backoff=for_ever,
            excess=Excess.KEEP_ON,
            stop_timeout=0.0,
        ),
        ChildSpec(
            "channels",
            channels.run,
            mailbox=channels.mailbox,
            supervisor=channels.supervisor,
            backoff=for_ever,
            excess=Excess.KEEP_ON,
            start_timeout=120.0,
            stop_timeout=CHANNELS_STOP_S,
        ),
        ChildSpec(
            "bindings",
            bindings.run,
            mailbox=bindings.mailbox,
            supervisor=bindings.supervisor,
            backoff=for_ever,
            excess=Excess.KEEP_ON,
            stop_timeout=BINDINGS_STOP_S,
        ),
        ChildSpec("reminders", reminders.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=REMINDERS_STOP_S),
        ChildSpec("housekeeper", housekeeper.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=0.0),
        ChildSpec("alarms", alarms.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=0.0),
    ]
    if web is not None:
        children.append(ChildSpec("http", web.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=HTTP_STOP_S))
    children.append(ChildSpec("watchdog", watchdog.run, backoff=for_ever, excess=Excess.KEEP_ON, stop_timeout=0.0))
    return _supervisor("root", p, children)


def _backups(p: _Parts) -> list[Backups]:
    config = p.config
    if not config.backup_every:
        return []
    make = partial(backup.make, config.database, config.backups, config.backup_keep)
    every = config.backup_every * 3600.0
    return [Backups(make, partial(backup.newest_at, config.backups), every, p.clock, p.runner)]


def _supervisor(name: str, p: _Parts, children: Sequence[ChildSpec] = ()) -> Supervisor:
    return Supervisor(name, children, rng=p.rng, wall=p.clock.now, on_event=partial(_tell, p.measures))


def style_of(config: Config, words: Words | None = None) -> Style:
    """How messages are made up. Raises ConfigError for a bad file of words, which is read where `words` is None."""
    if words is None:
        words = load_words(Path(config.words)) if config.words else DEFAULT
    return Style(config.delivery, ZoneInfo(config.tz), words, config.pages_url)


def _ilink_settings(config: Config) -> IlinkSettings:
    section = config.ilink
    return IlinkSettings(
        base_url=section.base_url,
        app_id=section.app_id,
        client_version=section.client_version,
        bot_agent=f"BotTalk/{__version__}",
        route_tag=section.route_tag or None,
        allowed_hosts=section.allowed_hosts,
        allow_http=config.demo,
    )


def _tell(measures: Measures, event: SupervisionEvent) -> None:
    """The tree's events as log lines: what an operator reads first when something is ill."""
    name = f"{event.supervisor}.{event.child}"
    match event.kind:
        case EventKind.CRASHED:
            log.error("actor.crashed", actor=name, exc_info=event.error)
        case EventKind.PARKED | EventKind.ESCALATED:
            log.error(f"actor.{event.kind.value}", actor=name, what_to_do="read the error above, restart it")
        case EventKind.RESTARTING:
            measures.restarts[event.supervisor] += 1
            log.warning("actor.restarting", actor=name, after_s=event.delay)
        case EventKind.CUT:
            log.warning("actor.cut", actor=name)
        case EventKind.STARTED | EventKind.STOPPED | EventKind.FINISHED | EventKind.RETURNED:
            log.debug(f"actor.{event.kind.value}", actor=name)
