"""A sandbox and a daemon on real sockets and real time, and the programs of people that push through them."""

import random
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import trio

from bottalk.config import load
from bottalk.daemon import open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.server import serve
from tests.support.world import UNASKED, VirtualClock, World

R = TypeVar("R")

PATIENCE_S = 20.0
"""Seconds of the real clock after which something that should happen has not. Only a failing test waits so long."""
PATH = "/usr/local/bin:/usr/bin:/bin"


class WallClock(VirtualClock):
    """Real time: programs of their own cannot be told another, and worker threads read it too."""

    def now(self) -> float:
        return time.time()


@dataclass(frozen=True, slots=True)
class Stage:
    """A running sandbox, and a directory for the data of the daemons that come and go in front of it."""

    directory: Path
    sandbox: Sandbox
    upstream: str
    clock: WallClock

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[World]:
        """A daemon on a free port, which sends at once and has no quota to save."""
        settings = {
            "port": 0,
            "data_dir": str(self.data_dir),
            "demo": True,
            "ilink.base_url": self.upstream,
            "delivery.quota": 1000,
            "delivery.gap": 0,
        }
        async with open_daemon(load(environ={}, overrides=settings), clock=self.clock, words=UNASKED) as daemon:
            yield World(daemon, self.sandbox, self.clock)


@asynccontextmanager
async def open_stage(directory: Path) -> AsyncIterator[Stage]:
    """A sandbox without a quota."""
    clock = WallClock()
    sandbox = Sandbox(now=clock.now, rng=random.Random(1), parameters=Parameters(quota=None, burst=()))
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(serve, sandbox)
        yield Stage(directory, sandbox, upstream, clock)
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str


async def run(*argv: str | Path, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Ended:
    """Run a program as a person would: nothing of this process's environment reaches it but `env`.

    Raises trio.TooSlowError after PATIENCE_S; the program is then killed, as at a cancel.
    """
    environ = {"PATH": PATH, "HOME": str(cwd), "LC_ALL": "C.UTF-8", **(env or {})}
    with trio.fail_after(PATIENCE_S):
        done: subprocess.CompletedProcess[bytes] = await trio.run_process(
            [str(word) for word in argv],
            cwd=cwd,
            env=environ,
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


async def until(ask: Callable[[], Awaitable[R | None]]) -> R:
    """Ask again and again until the answer is something, as pages and scripts do; raises trio.TooSlowError if never."""
    with trio.fail_after(PATIENCE_S):
        while not (found := await ask()):  # noqa: ASYNC110 - no event tells of a foreign condition
            await trio.sleep(0.02)
    return found
