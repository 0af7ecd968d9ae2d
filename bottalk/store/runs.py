"""Whether the last run of a daemon on this file ended in order: one row of `meta`."""

import sqlite3

_SET = "INSERT INTO meta (key, value) VALUES ('run', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def begin(connection: sqlite3.Connection) -> bool:
    """Note that a daemon runs. True when the one before was cut (killed, crashed, or the power failed)."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'run'").fetchone()
    connection.execute(_SET, ("begun",))
    return found is not None and found["value"] != "ended"


def end(connection: sqlite3.Connection) -> None:
    """Note that the daemon has ended in order: no send was left in flight unrecorded."""
    connection.execute(_SET, ("ended",))
