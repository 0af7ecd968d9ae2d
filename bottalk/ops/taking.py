"""An import's way through a file: accounts in batches, then, by the ids that they got here, the log."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from bottalk.messages import Arrived, ComingAccount, ComingLog, End, Fate, Kind
from bottalk.ops import importer
from bottalk.ops.old_file import OldFile
from bottalk.values import ChannelId, UserId

T = TypeVar("T")

ACCOUNTS_AT_ONCE = 50
ROWS_AT_ONCE = 500
"""One commit of so many takes about 20 ms: pushes to a running daemon do not wait long."""

NO_CHANNEL = 0
"""The channel of a log row that names none, or one that is not in the file."""


class Taking:
    """What was read, and what became of it. Every reading method raises OldFileError."""

    def __init__(self, file: OldFile, *, with_log: bool = True, since: float = 0.0) -> None:
        """`since`: older rows of the log are left out, wall time."""
        self.file = file
        self.data = importer.read(file)
        self.fates: list[Fate] = []
        self.rows = 0
        """Rows of the log that were read."""
        self.homeless = 0
        """Of those, rows whose account is not here."""
        self.old = 0
        """Of those, rows older than `since`."""
        self.written = 0
        """Of those, rows that were not here already: the caller counts."""
        self._with_log = with_log
        self._since = since
        self._users: dict[int, UserId] = {}
        self._new: set[UserId] = set()
        self._channels: dict[int, ChannelId] = {}
        self._seen: Counter[tuple[UserId, ChannelId, float]] = Counter()

    def accounts(self) -> Iterator[list[ComingAccount]]:
        """Batches of accounts; what becomes of each batch is told to `arrived`."""
        return _chunks(self.data.accounts, ACCOUNTS_AT_ONCE)

    def arrived(self, arrived: Iterable[Arrived]) -> None:
        for account in arrived:
            self._users[account.old_id] = account.user_id
            self.fates += account.fates
            for fate in account.fates:
                if fate.kind is Kind.ACCOUNT and fate.end is End.TAKEN:
                    self._new.add(account.user_id)
                if fate.kind is Kind.CHANNEL and fate.old_id and fate.id is not None:
                    self._channels[fate.old_id] = ChannelId(fate.id)

    def logs(self) -> Iterator[list[ComingLog]]:
        """Batches of the log, once all accounts have arrived."""
        return _chunks(self._logs(), ROWS_AT_ONCE) if self._with_log else iter(())

    def count(self, kind: Kind, end: End) -> int:
        return sum(fate.kind is kind and fate.end is end for fate in self.fates)

    def _logs(self) -> Iterator[ComingLog]:
        for old in importer.logs(self.file):
            self.rows += 1
            user_id = self._users.get(old.user_id)
            if old.accepted_at < self._since:
                self.old += 1
                continue
            if user_id is None:
                self.homeless += 1
                continue
            channel_id = self._channels.get(old.channel_id, ChannelId(NO_CHANNEL))
            key = (user_id, channel_id, old.accepted_at)
            yield ComingLog(
                user_id=user_id,
                channel_id=channel_id,
                title=old.title,
                text=old.text,
                status=old.status,
                ip=old.ip,
                accepted_at=old.accepted_at,
                response=old.response,
                nth=self._seen[key],
                is_first=user_id in self._new,
            )
            self._seen[key] += 1


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
