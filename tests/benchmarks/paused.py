"""`python -m tests.benchmarks.paused FILE ARGUMENTS…`: `python -m bottalk ARGUMENTS…`, watched for stops of its loop.

A task beside the daemon's tree sleeps for 5 ms over and over. Whenever it wakes up over 10 ms late, a line goes to
FILE: `{"at": seconds of the monotonic clock, "late": seconds}`.
"""

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import trio

from bottalk import cli
from bottalk.actors.watchdog import Manager
from bottalk.config import Config
from bottalk.daemon import Daemon, open_daemon

STEP_S = 0.005
WORTH_TELLING_S = 0.010


async def watch(path: Path) -> NoReturn:
    with path.open("a", buffering=1) as file:
        while True:
            began = time.monotonic()
            await trio.sleep(STEP_S)
            now = time.monotonic()
            late = now - began - STEP_S
            if late > WORTH_TELLING_S:
                file.write(json.dumps({"at": now, "late": late}) + "\n")


def watched(path: Path) -> object:
    """`open_daemon` with the watcher beside it."""

    @asynccontextmanager
    async def opened(config: Config, *, manager: Manager | None = None) -> AsyncIterator[Daemon]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, path)
            async with open_daemon(config, manager=manager) as daemon:
                yield daemon
            nursery.cancel_scope.cancel()

    return opened


if __name__ == "__main__":
    serve = sys.modules["bottalk.cli.serve"]  # the package's attribute of that name is the command
    serve.open_daemon = watched(Path(sys.argv[1]))  # type: ignore[attr-defined]  # for this process alone
    sys.argv[:2] = ["bottalk"]
    cli.main()
