"""What is done once at start, before the tree runs, when the last run was cut: a send may have been in flight.

Which one it was is not known: at most one for each channel, made of the head of its queue.
"""

import sqlite3
from collections.abc import Iterator

import structlog
from msgspec.structs import replace

from bottalk.actors.texts import SLACK
from bottalk.config import Config
from bottalk.delivery import digest, queue
from bottalk.delivery import window as windows
from bottalk.delivery.digest import Style
from bottalk.store import channels as channel_rows
from bottalk.store import pushes as push_rows
from bottalk.store import runs
from bottalk.store.database import Database, transaction
from bottalk.values import Channel, Row
from bottalk.verbs.draft import Pictures

log = structlog.get_logger()

CUT = "the daemon was cut while this may have been under way"


async def begin_run(database: Database, pictures: Pictures, config: Config, style: Style, now: float) -> None:
    """Note in the database that a daemon runs. After a run that was cut, every open channel with waiting rows counts
    one uncertain send, and the rows of its first message say `maybe_duplicate`.

    Raises sqlite3.Error when the database cannot be written.
    """

    def write(connection: sqlite3.Connection) -> list[tuple[Channel, list[Row]]]:
        with transaction(connection):
            cut = runs.begin(connection)
            suspects = list(_suspects(connection, pictures, config, style, now)) if cut else []
            for channel, rows in suspects:
                channel_rows.update_window(connection, channel)
                for row in rows:
                    push_rows.note_try(connection, row.id, CUT, maybe_duplicate=True)
        return suspects

    suspects = await database.write(write)
    for channel, rows in suspects:
        pictures.directory.put_channel(channel)
        for row in rows:
            pictures.outboxes.of(channel.id).replace(row)
    if suspects:
        log.warning("daemon.was_cut", channels=len(suspects), what_may_be="a message for each of them comes twice")


async def end_run(database: Database) -> None:
    """Note in the database that the daemon has ended in order. Raises sqlite3.Error."""

    def write(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            runs.end(connection)

    await database.write(write)


def _suspects(
    connection: sqlite3.Connection, pictures: Pictures, config: Config, style: Style, now: float
) -> Iterator[tuple[Channel, list[Row]]]:
    """The channels that may have had a send in flight, and their rows in it, as they are to be."""
    for channel in pictures.directory.channels():
        outbox = pictures.outboxes.of(channel.id) if pictures.outboxes.depth(channel.id) else None
        if outbox is None or windows.state(channel.window, now, config.delivery) is not windows.State.OPEN:
            continue
        ready = push_rows.with_texts(connection, queue.ready(outbox, now), SLACK * config.delivery.safe_characters)
        if not ready:
            continue  # the time of all that waits is still to come
        batch = digest.compose(ready, style)
        rows = [replace(row, attempts=row.attempts + 1, maybe_duplicate=True) for row in batch.rows]
        yield replace(channel, window=windows.uncertain(channel.window, now)), rows
