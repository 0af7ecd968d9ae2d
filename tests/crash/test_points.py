"""SIGKILL at every step of a push, a start and a drain, and a restart on the same data.

BOTTALK_TEST_RUNS: how often each point is tried, with another shape of data and another passing each time (2).
"""

import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing

from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.server import serve as serve_sandbox
from tests.crash.aftermath import at_death, epochs_of, judge, rows_of
from tests.crash.lethal import PLANTED
from tests.crash.shapes import SHAPES, Shape, Stage, they_write
from tests.crash.zygote import Zygote, zygote
from tests.e2e.processes import PATIENCE_S, Field

RUNS = int(os.environ.get("BOTTALK_TEST_RUNS", "2"))
FAST = {
    **{f"DELIVERY_{name}": "0.02" for name in ("GAP", "GAP_LOW", "GAP_SCARCE")},
    "DELIVERY_LAST_HOLD": "0",
    "DELIVERY_START_SPREAD": "0",
    "LOG_LEVEL": "warning",
}

PUSHING = ("one by one", "a burst", "three people", "two channels", "the last two")
SENDING = ("a drain", "one by one", "the last two", "three people", "a burst", "three drains", "two channels")
DRAINING = ("a drain", "a drain, replayed", "three drains")
STARTING = ("a drain", "the last two", "three people", "three drains")

POINTS: dict[str, tuple[str, ...]] = {
    **{f"accept.{step}": PUSHING for step in ("begin", "uncommitted", "committed")},
    **{f"send.{step}": SENDING for step in ("half", "sent", "answered")},
    **{f"settle.{step}": SENDING for step in ("begin", "uncommitted", "committed")},
    "poll.answered": DRAINING,
    **{f"inbound.{step}": DRAINING for step in ("begin", "uncommitted", "committed")},
    **{f"recovery.{step}": STARTING for step in ("begin", "uncommitted", "committed")},
    **{f"migration.{step}": STARTING for step in ("backup", "begin", "uncommitted", "committed")},
}
"""Each point, and what the daemon may be doing there."""

AT_START = ("recovery", "migration")
UNHEARD = ("poll.answered", "inbound.begin", "inbound.uncommitted")
"""Here a word of the user is lost with the process, where iLink hands it out only once."""

pytestmark = pytest.mark.filterwarnings(
    # httpx drops the generator of a request's body unfinished when its server is killed while it sends
    "ignore:Exception ignored in. <async_generator object ByteStream:pytest.PytestUnraisableExceptionWarning"
)


class Near(Field):
    """A sandbox in this very process: a code is scanned and confirmed in one go, which saves the daemon's pause of a
    second between two looks."""

    def __init__(self, sandbox: Sandbox, upstream: str, data_dir: Path, client: httpx.AsyncClient) -> None:
        super().__init__(upstream, data_dir, client)
        self._sandbox = sandbox

    async def scan(self, code: str, user: str) -> None:
        self._sandbox.scan(code, user)
        self._sandbox.confirm(code)


@dataclass(slots=True)
class Ground:
    """Where daemons live and die: one data directory, one iLink."""

    the: Field
    sandbox: Sandbox
    source: Zygote
    lives: int = 0

    async def start(self, *, migrating: bool) -> int:
        """The process id of a new daemon."""
        self.lives += 1
        return await self.source.start(self.the.environment(FAST), self._log, migrating=migrating)

    async def listens(self) -> None:
        """The last one has started: `url` is its address."""
        said = await self.the.until(self._said, lambda text: "listens on" in text)
        self.the.url = said.partition("BotTalk listens on ")[2].split()[0]

    async def _said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.the.data_dir.with_name(f"life-{self.lives}.log")

    def arm(self, point: str, passing: int) -> None:
        order = self.the.data_dir / "die-at"
        order.with_suffix(".new").write_text(f"{point} {passing}")
        order.with_suffix(".new").rename(order)  # whole when it is there: the daemon reads it at any moment

    def disarm(self) -> None:
        (self.the.data_dir / "die-at").unlink()

    async def died(self, pid: int) -> None:
        code = await self.source.ended(pid)
        assert code == -signal.SIGKILL, (code, self._log.read_text()[-3000:])
        self.disarm()

    async def ended(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        assert await self.source.ended(pid) == 0, self._log.read_text()[-3000:]


@pytest.fixture(scope="module")
def source() -> Iterator[Zygote]:
    with zygote() as running:
        yield running


@asynccontextmanager
async def ground(tmp_path: Path, source: Zygote, shape: Shape) -> AsyncIterator[Ground]:
    rng = random.Random(1)
    sandbox = Sandbox(now=time.time, rng=rng, parameters=DEMO.changed(cursor_mode=shape.cursor_mode))
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(serve_sandbox, sandbox)
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            yield Ground(Near(sandbox, upstream, tmp_path / "data", client), sandbox, source)
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("point", POINTS)
async def test_killed_there_nothing_is_lost_and_one_message_at_most_comes_twice(
    tmp_path: Path, source: Zygote, point: str, run: int
) -> None:
    name = POINTS[point][run % len(POINTS[point])]
    shape, kind = SHAPES[name], point.partition(".")[0]
    at_start = kind in AT_START
    first = "send.answered" if at_start else point
    passing = random.Random(f"{point} {run}").randint(1, shape.least[first.partition(".")[0]])
    async with ground(tmp_path, source, shape) as here:
        stage = Stage(here.the)
        await live_and_die(here, stage, shape, first, passing)
        if at_start:
            here.arm(point, 1)
            await here.died(await here.start(migrating=kind == "migration"))
        before = await at_death(stage)
        again = await here.start(migrating=kind == "migration")
        await here.listens()
        unheard = point in UNHEARD and shape.cursor_mode == "consume"
        if unheard:
            assert await queued(stage) == len(before.waiting), "who has not heard the word waits for another"
        if unheard or shape.waits:
            await here.the.write(stage.people[0].user)
        words = 2 if shape.waits or shape.act is they_write else 1
        await here.the.until(lambda: heard(stage), lambda epochs: min(epochs) >= words)
        await here.the.until(lambda: queued(stage), lambda left: left == 0)
        await here.ended(again)
        await judge(stage, before, here.sandbox, words=words)
        if kind == "migration":
            assert len(here.the.rows(PLANTED)) >= len(before.rows)


async def live_and_die(here: Ground, stage: Stage, shape: Shape, point: str, passing: int) -> None:
    """A first daemon, busy with what the shape says, until it dies at the point."""
    pid = await here.start(migrating=False)
    await here.listens()
    await shape.prepare(stage)
    here.arm(point, passing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shape.act, stage)  # whoever pushes gives up when nobody is there
        await here.died(pid)
    await trio.testing.wait_all_tasks_blocked(0.05)  # iLink has done with what was on the wire


async def queued(stage: Stage) -> int:
    return sum(row["status"] == "queued" for row in rows_of(stage))


async def heard(stage: Stage) -> set[int]:
    """How many words of its user each channel has heard."""
    return epochs_of(stage)
