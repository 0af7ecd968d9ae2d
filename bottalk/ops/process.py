"""What the system knows of this process: memory, processor time, open files. From /proc; nothing elsewhere."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Bytes, seconds and counts; `started_at` is wall time."""

    resident_bytes: int
    cpu_seconds: float
    started_at: float
    open_files: int
    most_open_files: int


def process_figures(proc: Path = PROC) -> ProcessFigures | None:
    """None where there is no /proc."""
    try:
        fields = (proc / "stat").read_text().rpartition(")")[2].split()  # a name may hold blanks and parentheses
        open_files = _open_files(proc / "fd")
    except (OSError, IndexError, ValueError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    up = time.clock_gettime(time.CLOCK_BOOTTIME)  # not /proc/uptime: the unit's ProcSubset=pid hides it
    return ProcessFigures(
        resident_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / ticks,
        started_at=round(time.time() - up + int(fields[19]) / ticks, 1),
        open_files=open_files,
        most_open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _open_files(folder: Path) -> int:
    """Linux 6.2 and later says it as the folder's size; listing ten thousand of them takes 10 ms."""
    return os.stat(folder).st_size or len(os.listdir(folder)) - 1  # the listing has the folder itself open
