"""What the system says of this process."""

import os
import time
from pathlib import Path

from bottalk.ops.process import process_figures


def test_it_is_this_process() -> None:
    before = process_figures()
    assert before is not None
    assert before.resident_bytes > 10_000_000
    assert abs(before.started_at - time.time()) < 86_400
    assert before.started_at <= time.time()
    assert 3 <= before.open_files < before.most_open_files
    read, write = os.pipe()
    try:
        after = process_figures()
        assert after is not None
        assert after.open_files == before.open_files + 2
        assert after.cpu_seconds >= before.cpu_seconds > 0
    finally:
        os.close(read)
        os.close(write)


def test_a_proc_that_shows_processes_alone_is_enough(tmp_path: Path) -> None:
    """As under the unit's ProcSubset=pid: there is no /proc/uptime."""
    (tmp_path / "self").symlink_to(f"/proc/{os.getpid()}")
    found, whole = process_figures(tmp_path / "self"), process_figures()
    assert found is not None
    assert whole is not None
    assert abs(found.started_at - whole.started_at) <= 0.2


def test_nothing_is_said_where_there_is_no_proc(tmp_path: Path) -> None:
    assert process_figures(tmp_path) is None
