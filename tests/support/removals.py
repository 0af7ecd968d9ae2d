"""A log of thousands of texts, and which of them are somewhere in the bytes of the files."""

import random
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bottalk.store import pushes, users
from bottalk.store.database import transaction
from bottalk.values import ChannelId, Outcome, PushId, Row, RowId, RowStatus, Secret, Settlement, UserId

LEAVES, STAYS = UserId(1), UserId(2)
"""Two accounts; `live` gives each every other row."""
ROWS = 6000
"""Of both."""


def born(connection: sqlite3.Connection, row_id: int, user_id: UserId, title: str, text: str, at: float = 1.0) -> None:
    row = Row(RowId(row_id), PushId(row_id), ChannelId(1), title, text, at, at + 1e9, readkey=Secret("r"))
    birth = pushes.Birth(row, "r", user_id, Outcome(RowStatus.QUEUED, kept=True), "api", "192.0.2.1")
    pushes.insert(connection, birth, "full")


def settled(connection: sqlite3.Connection, row_id: int, log_texts: str, at: float = 1.0) -> None:
    answer = {"errcode": 0, "message_id": row_id}
    done = Settlement(RowId(row_id), Outcome(RowStatus.SUCCESS), answer, 1, "client id " * 3)
    assert pushes.settle(connection, ChannelId(1), done, at + 1, log_texts)


def live(connection: sqlite3.Connection, log_texts: str = "full", at: float = 1.0) -> None:
    """Thousands of texts of two accounts in turn, born at `at`, settled in a random order."""
    rng = random.Random(1)
    for start in range(1, ROWS + 1, 100):
        with transaction(connection):
            for n in range(start, start + 100):
                born(
                    connection,
                    n,
                    LEAVES if n % 2 else STAYS,
                    f"题{n:05}完",
                    f"文{n:05}完" + "字" * rng.randrange(90),
                    at,
                )
    order = list(range(1, ROWS + 1))
    rng.shuffle(order)
    for start in range(0, ROWS, 20):
        with transaction(connection):
            for n in order[start : start + 20]:
                settled(connection, n, log_texts, at)


def leave(connection: sqlite3.Connection) -> None:
    while True:
        with transaction(connection):
            if users.delete_log(connection, LEAVES, 1000) == 0:
                return


def folded(connection: sqlite3.Connection) -> None:
    assert tuple(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()) == (0, 0, 0)


def traces(directory: Path, of: Callable[[int], bool] = lambda n: True) -> set[int]:
    """The numbers of the rows of which a title or a text is somewhere in the files."""
    data = b"".join(path.read_bytes() for path in directory.glob("bottalk.db*"))
    found = {int(number) for number in re.findall("(?:题|文)([0-9]{5})完".encode(), data)}
    return {n for n in found if of(n)}


def has_left(n: int) -> bool:
    return n % 2 == 1
