"""`python -m tests.crash.broken_journal ARGUMENTS…`: `python -m bottalk ARGUMENTS…` with a bug that can be let loose.

When a file `crash-now` appears in the data directory, the journal's next call of the database raises what no verb and
no database does.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from bottalk import cli
from bottalk.daemon import open_daemon
from bottalk.store.threads import in_thread

R = TypeVar("R")
TRIGGER = Path(os.environ.get("BOTTALK_DATA_DIR", ".")) / "crash-now"


async def runner(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
    is_writer = limiter.total_tokens == 1
    if is_writer and TRIGGER.exists():
        TRIGGER.unlink()
        raise RuntimeError("planted: a bug of the journal")
    return await in_thread(function, limiter)


if __name__ == "__main__":
    serve = sys.modules["bottalk.cli.serve"]  # the package's attribute of that name is the command
    serve.open_daemon = partial(open_daemon, runner=runner)  # type: ignore[attr-defined]  # for this process alone
    cli.main()
