"""The whole text of a push, for whoever has its readkey: where the link of a long message leads."""

import sqlite3
from math import inf

from msgspec import Struct

from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.store import texts as text_rows
from bottalk.store.database import Database
from bottalk.store.texts import Kept
from bottalk.values import PushId, Secret

DAY = 86400.0


class WholeText(Struct, frozen=True):
    """What was pushed. Times are wall time; `until` is when it is no longer shown, None while that is not known."""

    title: str
    text: str
    accepted_at: float
    until: float | None


class Texts:
    """It is shown as long as the journal has it: while it waits, as long as the log keeps texts, and, where a link to
    it was sent, for a week at least."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._config = config
        self._clock = clock

    async def of(self, push_id: PushId, readkey: Secret) -> WholeText | None:
        """None when id and readkey do not belong together, or the text is no longer kept."""
        return await self._database.read(lambda c: self._read(c, push_id, readkey.reveal()))

    def _read(self, connection: sqlite3.Connection, push_id: PushId, readkey: str) -> WholeText | None:
        rows = text_rows.rows_of(connection, push_id, readkey)
        longest = max(rows, key=self._until, default=None)
        if longest is None or (until := self._until(longest)) <= self._clock.now():
            return None
        title, text = text_rows.text_of(connection, longest.row_id)
        return WholeText(title, text, longest.accepted_at, None if until == inf else until)

    def _until(self, row: Kept) -> float:
        """When the row loses its text, `inf` while it waits: that long it is kept whatever the log keeps."""
        if row.settled_at is None:
            return inf
        logged = row.settled_at + self._config.log_days * DAY if self._config.log_texts == "full" else -inf
        return max(logged, row.keep_text_until or -inf)
