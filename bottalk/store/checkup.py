"""What the database file says of itself, for a check-up: nothing in it is changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from bottalk.store.database import StoreError, connect
from bottalk.store.migrations import STEPS, check_readable

PROBLEMS = 3
"""Of a damaged file, so many of SQLite's complaints are told."""

_NEWEST = """
SELECT max(at) FROM (
  SELECT accepted_at AS at FROM (SELECT accepted_at FROM push_logs ORDER BY id DESC LIMIT 1)
  UNION ALL SELECT max(created_at) FROM users
  UNION ALL SELECT max(last_inbound_at) FROM channels
)
"""


class Checkup(Struct, frozen=True):
    """`schema` is the number of the file's schema steps, `known` this version's; `newest_at` the latest time that was
    written down (wall time), None where nothing was; `live` counts the channels that are polled."""

    schema: int
    known: int
    problems: tuple[str, ...]
    newest_at: float | None
    live: int


def examine(path: Path) -> Checkup:
    """Read the whole file (`quick_check`), beside a daemon that writes it too. Blocks for as long as that takes.

    Raises StoreError: it cannot be opened, is no database, not BotTalk's, or a newer version's.
    """
    try:
        with closing(connect(path, readonly=True)) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({PROBLEMS})")]
            schema = check_readable(connection)
            newest = connection.execute(_NEWEST).fetchone()[0]
            live = connection.execute("SELECT count(*) FROM channels WHERE status <> 'inactive'").fetchone()[0]
    except sqlite3.DatabaseError as e:
        raise StoreError(f"the database {path} cannot be used: {e}") from e
    return Checkup(schema, len(STEPS), () if found == ["ok"] else tuple(found), newest, int(live))
