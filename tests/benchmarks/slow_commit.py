"""`python -m tests.benchmarks.slow_commit SECONDS ARGUMENTS…`: `python -m bottalk ARGUMENTS…` on a slow disk.

Each COMMIT first sleeps, as an fsync would, with the interpreter's lock released. A cheap server's disk takes 2 to
20 ms.
"""

import runpy
import sqlite3
import sys
import time
from typing import Any

_connect = sqlite3.connect


def _slow(seconds: float) -> type[sqlite3.Connection]:
    class SlowConnection(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - passed on as they are
            if sql == "COMMIT":
                time.sleep(seconds)
            return super().execute(sql, *arguments)

    return SlowConnection


if __name__ == "__main__":
    factory = _slow(float(sys.argv[1]))

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - passed on as they are
        return _connect(*arguments, factory=factory, **options)

    sqlite3.connect = connect  # type: ignore[assignment]  # for this process alone
    sys.argv[:2] = ["bottalk"]
    runpy.run_module("bottalk", run_name="__main__", alter_sys=True)
