"""`python -m tests.crash.zygote`: forks daemons that have imported everything already, so that many can be killed.

A line of JSON in, a line of JSON out: `{"env": {…}, "log": path, "migrating": bool}` starts one and answers its process
id, `{"wait": pid}` answers how it ended, as `subprocess` tells it. Each daemon is a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import trio

from tests.crash.lethal import install
from tests.e2e.processes import PATIENCE_S, ROOT


class Zygote:
    """The other end: starts daemons and hears how they end."""

    def __init__(self, popen: "subprocess.Popen[str]") -> None:
        self._popen = popen

    async def start(self, env: Mapping[str, str], log: Path, *, migrating: bool) -> int:
        """The process id of a new daemon, whose output goes to the end of `log`."""
        return await self._ask({"env": dict(env), "log": str(log), "migrating": migrating})

    async def ended(self, pid: int) -> int:
        """Its exit code; that of the signal that killed it is negative."""
        return await self._ask({"wait": pid})

    async def _ask(self, order: dict[str, Any]) -> int:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(json.dumps(order) + "\n")
        self._popen.stdin.flush()
        with trio.fail_after(PATIENCE_S):
            return int(await trio.to_thread.run_sync(self._popen.stdout.readline, abandon_on_cancel=True))


@contextmanager
def zygote() -> Iterator[Zygote]:
    """A running one. Its end is that of its daemons too."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.zygote"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("BOTTALK_")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Zygote(popen)
    finally:
        os.killpg(popen.pid, 9)
        popen.wait()
        for stream in (popen.stdin, popen.stdout):
            assert stream is not None
            stream.close()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer = _ended(order["wait"]) if "wait" in order else _forked(order)
        print(answer, flush=True)


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _forked(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become_daemon(order)
    return pid


def _become_daemon(order: dict[str, Any]) -> NoReturn:
    os.environ.update(order["env"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    install(migrating=order["migrating"])()
    sys.exit(0)


if __name__ == "__main__":
    main()
