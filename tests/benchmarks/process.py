"""Child processes of a benchmark: started, asked what they cost, and ended. Linux only (/proc)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from tests.benchmarks.loadgen import Plan, Report

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT = 45.0
"""Seconds for an orderly end: the daemon's own sum of stop times is under 40."""
TICKS = os.sysconf("SC_CLK_TCK")


class ChildFailed(Exception):
    """A child ended or said something else than it should."""


@dataclass(frozen=True)
class Memory:
    """Bytes. `pss` counts shared pages in part."""

    rss: int
    pss: int


class Child:
    """A running `python -m …`, with its standard output read line by line."""

    def __init__(self, process: "subprocess.Popen[str]", name: str) -> None:
        self._process = process
        self.name = name
        self._proc = Path("/proc") / str(process.pid)

    def cpu_seconds(self) -> float:
        """CPU time so far, user and system, all threads (also those that ended); in steps of 10 ms."""
        after_name = (self._proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS

    def memory(self) -> Memory:
        found = dict(line.split()[:2] for line in (self._proc / "smaps_rollup").read_text().splitlines()[1:])
        return Memory(rss=int(found["Rss:"]) * 1024, pss=int(found["Pss:"]) * 1024)

    def open_files(self) -> int:
        """Descriptors that it has open."""
        return len(list((self._proc / "fd").iterdir()))

    def first_line(self) -> dict[str, int]:
        """Its first line of output, JSON: said when it is ready. Raises ChildFailed if it ends instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(f"{self.name} ended with {self._process.wait()}")
        found: dict[str, int] = json.loads(line)
        return found

    def check(self) -> None:
        """Raises ChildFailed if it has ended."""
        if (code := self._process.poll()) is not None:
            raise ChildFailed(f"{self.name} ended with {code}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it has not ended after STOP_TIMEOUT."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def child(
    module: str, *arguments: str, env: Mapping[str, str] | None = None, output: TextIO | None = None
) -> Iterator[Child]:
    """Run `python -m module arguments…` in the repository, with `env` added; it is stopped at the end.

    Its standard output can be read (and must be, or it fills), unless both its outputs go to the file `output`.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=output or subprocess.PIPE,
        stderr=output,
        text=True,
    )
    running = Child(process, module)
    try:
        yield running
    finally:
        running.stop()


def load(plan: Plan) -> Report:
    """Run the load generator in its own process. Raises ChildFailed with its last words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.loadgen"],
        cwd=ROOT,
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        timeout=plan.seconds + 60,
        check=False,
    )
    if done.returncode != 0:
        raise ChildFailed(f"the load generator failed: {done.stderr[-2000:]}")
    return Report(**json.loads(done.stdout))


def measured_load(plan: Plan, server: Child) -> tuple[Report, float]:
    """As `load`, and the CPU seconds that `server` spent for each answer."""
    before = server.cpu_seconds()
    report = load(plan)
    return report, (server.cpu_seconds() - before) / max(1, report.answers)
