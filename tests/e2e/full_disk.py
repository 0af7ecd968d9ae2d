"""`python -m tests.e2e.full_disk ARGUMENTS…`: `python -m bottalk ARGUMENTS…` on a disk that can fill up.

While a file `disk-full` is in the data directory, no transaction can be begun: what SQLite says of a full disk.
"""

import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from bottalk import cli

FULL = Path(os.environ.get("BOTTALK_DATA_DIR", ".")) / "disk-full"


class OnFullDisk(sqlite3.Connection):
    """A connection to a file that may not grow."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - passed on as they are
        if sql.startswith("BEGIN IMMEDIATE") and FULL.exists():
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *arguments)


if __name__ == "__main__":
    sqlite3.connect = partial(sqlite3.connect, factory=OnFullDisk)  # type: ignore[assignment]  # for this process alone
    cli.main()
