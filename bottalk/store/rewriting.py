"""The file written anew, so that nothing of what was removed is left between its rows.

SQLite overwrites what is deleted (`secure_delete`), but when it moves rows from page to page it leaves copies of them
in the unused parts of pages, and those are not overwritten with the rows. Only a file that is written anew has none.
Two rows of `meta`: `removed`, which triggers set whenever something private is deleted or replaced, whoever does it;
and when a rewriting was last tried.
"""

import sqlite3

from msgspec import Struct

from bottalk.store.database import AUTOCHECKPOINT

_TRIED = (
    "INSERT INTO meta (key, value) VALUES ('rewriting_tried_at', ?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class Standing(Struct, frozen=True):
    """`has_removed`: something was removed since the file was last written anew. `tried_at`: when that was last
    begun, wall time, None for never. `bytes`: the file's size."""

    has_removed: bool
    tried_at: float | None
    bytes: int


def standing(connection: sqlite3.Connection) -> Standing:
    found = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('removed', 'rewriting_tried_at')"))
    pages, size = (int(connection.execute(f"PRAGMA {what}").fetchone()[0]) for what in ("page_count", "page_size"))
    tried_at = found.get("rewriting_tried_at")
    return Standing("removed" in found, None if tried_at is None else float(tried_at), pages * size)


def note_try(connection: sqlite3.Connection, now: float) -> None:
    """Before the try itself: one that ends the process, or never ends, is not begun anew at once."""
    connection.execute(_TRIED, (repr(now),))


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the whole file anew. Blocks the writer for about a second for each 100 MB; a kill leaves it as it was.

    It takes the file's size twice on the disk, for a while: beside the file, in one without a name, and in the
    write-ahead log, until the next checkpoint. What was removed is gone from the file with that one: it is left to the
    caller, because it need not hold up the writer. Raises sqlite3.Error: then nothing has changed.
    """
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
    try:
        connection.execute("VACUUM")
        connection.execute("DELETE FROM meta WHERE key = 'removed'")
    finally:
        connection.execute(f"PRAGMA wal_autocheckpoint={AUTOCHECKPOINT}").fetchone()
