"""The texts of waiting rows that their outbox has left in the database, read when their turn comes."""

import sqlite3
from collections.abc import Sequence

import structlog
import trio

from bottalk.config import DeliverySettings
from bottalk.store import pushes
from bottalk.store.database import Database
from bottalk.values import Row

log = structlog.get_logger()

RETRY_S = 3.0
"""Seconds between tries while the database cannot be read."""

SLACK = 2
"""Times the safe size of a message: markup that WeChat does not show may make a text shorter than it is here."""


class Texts:
    """Reads on the read connections, so that a long backlog never stalls a push."""

    def __init__(self, database: Database, settings: DeliverySettings) -> None:
        self._database = database
        self._most = SLACK * settings.safe_characters

    async def fill(self, rows: Sequence[Row]) -> list[Row]:
        """The head of `rows`, in order and with texts: as many as one message can take, the first one in any case.

        Where none is light it returns all of them at once, without a checkpoint. Else whoever calls looks again:
        while it was read, rows may have been settled (those that are settled already when they are read are left out),
        and so nothing may be left. As long as the database cannot be read, this waits. A cancel changes nothing.
        """
        if not any(row.is_light for row in rows):
            return list(rows)
        while True:
            try:
                return await self._database.read(lambda c: pushes.with_texts(c, rows, self._most))
            except sqlite3.Error as e:
                log.error("texts.cannot_read", error=str(e), what_to_do="check the data directory and its disk")
                await trio.sleep(RETRY_S)
