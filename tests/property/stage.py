"""One BotTalk over several runs of its daemon, on one data directory, against one iLink, in virtual time."""

import random
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import trio
from structlog.typing import EventDict

from bottalk.daemon import Daemon, open_daemon
from bottalk.delivery.window import State, state
from bottalk.errors import CannotWrite
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.store.database import connect
from bottalk.values import Channel
from tests.property.machine import Disk, Spin
from tests.property.steps import Ending
from tests.property.witness import Books, Bug, Planted, Try, Watched, Wire
from tests.support.agreement import assert_memory_is_database
from tests.support.world import VirtualClock, World, config_for

HOUR = 3600.0
SLACK = 1e-3


@dataclass(slots=True)
class Run:
    """One run of the daemon. `callers` are the tasks of those who talk to it: a kill cuts them off."""

    number: int
    disk: Disk
    wire: Wire
    callers: trio.Nursery
    life: trio.CancelScope = field(default_factory=trio.CancelScope)
    daemon: Daemon | None = None
    under_way: int = 0
    """Callers that have not been answered yet."""


class Stage:
    """What outlives a run: the data, iLink, both clocks, the books. `breaches` are promises seen broken."""

    def __init__(self, data_dir: Path, seed: int, parameters: Parameters, overrides: Mapping[str, Any]) -> None:
        self.data_dir = data_dir
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        """The daemon's wall clock: it can be set."""
        self.true_clock = VirtualClock()
        self.sandbox = Watched(now=self.true_clock.now, rng=random.Random(seed + 1), parameters=parameters)
        self.books = Books()
        self.bugs: list[Bug] = []
        self.breaches: list[str] = []
        self.closed_calls: list[Try] = []
        """Those that began while the daemon's own books said: closed."""
        self.clock_was_set = False
        self.disk_was_full = False
        self.bug_was_planted = False
        self.runs = 0
        self.config = config_for(data_dir, **{"rate_limit": 100_000, **overrides})
        self._nursery: trio.Nursery | None = None
        self._run: Run | None = None
        self._stop = trio.Event()
        self._over = trio.Event()

    @property
    def run(self) -> Run:
        assert self._run is not None, "no daemon runs"
        return self._run

    @property
    def daemon(self) -> Daemon:
        assert self.run.daemon is not None, "it has not started"
        return self.run.daemon

    @property
    def world(self) -> World:
        return World(self.daemon, self.sandbox, self.clock)

    def breach(self, text: str) -> None:
        self.breaches.append(f"{trio.current_time():.3f}: {text}")

    # --- runs ---

    async def start(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._stop, self._over = trio.Event(), trio.Event()
        disk = Disk(random.Random(self.rng.getrandbits(32)))
        wire = Wire(self.sandbox, self.books, self.runs, self.bugs, self.clock.now)
        self._run = Run(self.runs, disk, wire, await nursery.start(_gather))
        self.runs += 1
        await nursery.start(self._live, self._run)

    async def _live(self, run: Run, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            await self._serve(run, task_status)
        except* (sqlite3.OperationalError, CannotWrite):
            if not run.disk.is_full:  # it could not write that it has ended in order
                raise
        except* Planted:
            if not run.life.cancel_called:  # a crash in the midst of being cut is nobody's to mend
                raise
        self._over.set()

    async def _serve(self, run: Run, task_status: trio.TaskStatus[None]) -> None:
        with run.life:
            async with open_daemon(
                self.config,
                clock=self.clock,
                rng=random.Random(self.rng.getrandbits(32)),
                runner=run.disk,
                ilink_transport=run.wire,
                sockets=False,
            ) as daemon:
                run.daemon = daemon
                run.wire.epoch_of, run.wire.look = self._epoch, self._look
                task_status.started()
                await self._stop.wait()

    async def end(self, ending: Ending) -> None:
        """End the run so; whoever talks to it is cut off when it is gone."""
        run = self.run
        was_well = not run.disk.is_full
        if ending == "orderly" and was_well and not self.clock_was_set:  # it goes by what has expired
            await assert_memory_is_database(self.world, self.data_dir)
        match ending:
            case "orderly":
                self._stop.set()
            case "hurried":
                run.callers.cancel_scope.cancel()
                self.daemon.stop(now=True)
                self._stop.set()
            case "cut":
                run.callers.cancel_scope.cancel()
                run.life.cancel()
            case "killed":
                run.disk.is_dead = run.wire.is_dead = True
                run.callers.cancel_scope.cancel()
                run.life.cancel()
        with trio.fail_after(45):
            await self._over.wait()
        if ending == "orderly":
            with trio.move_on_after(1):
                while run.under_way:  # noqa: ASYNC110 - no event tells of foreign tasks
                    await trio.sleep(0.01)
            if run.under_way:
                self.breach(f"{run.under_way} callers were not answered by an orderly stop")
        run.callers.cancel_scope.cancel()
        self._note_forgotten(may=ending != "orderly" or not was_well)
        self._run = None

    def _note_forgotten(self, *, may: bool) -> None:
        """Tries that iLink has answered and the journal never heard of."""
        with self.reading() as connection:
            found = connection.execute("SELECT client_id FROM push_logs WHERE client_id IS NOT NULL")
            settled = {row[0] for row in found}
            parts = {row[0] for row in connection.execute("SELECT id FROM push_logs WHERE parts_sent > 0")}
        for one in self.books.tries:
            if one.run != self.run.number or one.known != "accepted" or one.client_id in settled:
                continue
            if not any(one.client_id.startswith(f"bottalk:{row_id}-") for row_id in parts):
                one.is_forgotten = True
                if not may and not self._is_gone(one):
                    self.breach(f"an orderly stop has forgotten that {one.client_id} was accepted")

    def _is_gone(self, one: Try) -> bool:
        """Its account was deleted, its log with it."""
        with self.reading() as connection:
            channels = connection.execute("SELECT 1 FROM channels WHERE wechat_openid = ?", (one.to,)).fetchone()
            row_id = one.client_id.partition(":")[2].partition("-")[0]
            row = connection.execute("SELECT 1 FROM push_logs WHERE id = ?", (row_id,)).fetchone()
            return channels is None or row is None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """What is committed, seen from outside."""
        with closing(connect(self.data_dir / "bottalk.db", readonly=True)) as connection:
            yield connection

    # --- time ---

    def set_clock(self, seconds: float) -> None:
        self.clock.offset += seconds
        self.clock_was_set = True

    def sleep_machine(self, seconds: float) -> None:
        self.clock.offset += seconds
        self.true_clock.offset += seconds
        self.sandbox.set()  # whoever is held there looks at the time

    def plant(self, endpoint: str, times: int, *, answered: bool) -> None:
        self.bugs.append(Bug(endpoint, times, answered))
        self.bug_was_planted = True

    # --- each try, as it begins ---

    def channel_of(self, token: str) -> Channel | None:
        directory = self.daemon.pictures.directory
        return next((c for c in directory.channels() if c.bot_token.reveal() == token), None)

    def _epoch(self, token: str) -> int:
        channel = self.channel_of(token)
        return 0 if channel is None else channel.window.epoch

    def _look(self, one: Try) -> None:
        """May this message go out now, by what the daemon can know?"""
        earlier = list(self.books.of_token(one.token))
        if any(other.known is None and other.run == one.run for other in earlier):
            self.breach(f"two messages under way to {one.to}")
        others = (other for other in self.books.tries if other.client_id == one.client_id)
        if any((other.text, other.to) != (one.text, one.to) for other in others):
            self.breach(f"the client_id {one.client_id} carries another text")
        channel = self.channel_of(one.token)
        if channel is None:
            return  # a new scan has just brought another token
        settings, now, window = self.config.delivery, self.clock.now(), channel.window
        standing = state(window, now, settings)
        if standing is State.CLOSED:
            self.closed_calls.append(one)
        if standing is State.NEVER_OPENED:
            self.breach(f"a send to {one.to}, who has never written")
        spent = sum(other.counts and other.epoch == window.epoch for other in earlier)
        if (standing is State.CLOSED or spent >= settings.quota) and not self._may_probe(one, earlier):
            self.breach(f"a send to {one.to} though it is closed ({window.closed}), {spent} were counted")
        if standing is State.OPEN and window.penalty_until is not None:
            rest = settings.penalty[window.penalty_step - 1]
            if now < window.penalty_until - SLACK and not _have_passed(rest, one, earlier):
                self.breach(f"a send to {one.to} in a penalty")

    def _may_probe(self, one: Try, earlier: list[Try]) -> bool:
        """One call an hour."""
        return _have_passed(HOUR, one, earlier)

    # --- the log ---

    def take_event(self, _logger: object, level: str, event: EventDict) -> EventDict:
        """A structlog processor: an error that nothing planted here explains is a breach."""
        if level in ("error", "critical") and not self._is_explained(event):
            self.breach(f"logged: {event}")
        raise structlog.DropEvent

    def _is_explained(self, event: EventDict) -> bool:
        match event["event"]:
            case "actor.crashed":
                return _is_planted(event["exc_info"])
            case "actor.parked":
                return self.bug_was_planted
            case "journal.cannot_write":
                return self.disk_was_full or (self._run is not None and self.run.disk.is_dead)
            case "journal.lost":
                return True  # told by whoever was cut with it in hand; what it means is looked at elsewhere
        return False


def _have_passed(seconds: float, one: Try, earlier: list[Try]) -> bool:
    """Since the last try, by either clock: a clock that was set misleads nobody but its owner."""
    if not earlier:
        return True
    last = earlier[-1]
    was_set_back = one.wall < last.wall
    return was_set_back or max(one.at - last.at, one.wall - last.wall) >= seconds - SLACK


async def _gather(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
    """A nursery for callers, until it is cancelled."""
    async with trio.open_nursery() as callers:
        task_status.started(callers)
        await trio.sleep_forever()


def _is_planted(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_planted(one) for one in error.exceptions)
    return isinstance(error, Planted)


@asynccontextmanager
async def open_stage(
    data_dir: Path,
    *,
    seed: int,
    parameters: Parameters,
    **overrides: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[tuple[Stage, trio.Nursery]]:
    """A stage whose first run has started. Its log is looked at, and not printed."""
    stage = Stage(data_dir, seed, parameters, overrides)
    before = structlog.get_config()
    structlog.configure(processors=[stage.take_event])
    try:
        async with trio.open_nursery() as nursery:
            spin = Spin(stage.breach, nursery.cancel_scope)
            trio.lowlevel.add_instrument(spin)
            await stage.start(nursery)
            yield stage, nursery
            nursery.cancel_scope.cancel()
            trio.lowlevel.remove_instrument(spin)
        assert not stage.breaches, "\n".join(stage.breaches)
    finally:
        structlog.configure(**before)
