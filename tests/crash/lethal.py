"""Named points of a daemon's work at which it kills its own process, as SIGKILL or a power cut would.

A point is armed by a file `die-at` in the data directory that names it and says at which passing: `send.answered 2`.
The points are reached from outside, by a connection class of SQLite's and a stream of our own making; the code under
test does not know of them.

    accept, settle, inbound, recovery, migration    a transaction that accepts a push, settles rows, stores what the
        .begin .uncommitted .committed              user wrote, notes at start that the last run was cut, adds a step
                                                    of the schema: before its first statement, before its COMMIT, and
                                                    right after it, before anybody is told
    migration.backup                                half of the backup is written
    send.half .sent .answered                       half of a sendmessage is on the wire; all of it; the answer is here
    poll.answered                                   an answer with what the user wrote is here, and nowhere else
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sqlite_utils
import trio

from bottalk import cli
from bottalk.daemon import opening
from bottalk.ilink.client import Ilink
from bottalk.ilink.opening import open_stream
from bottalk.store import migrations

KINDS = {
    "INSERT INTO push_logs": "accept",
    "UPDATE push_logs SET status": "settle",
    "INSERT INTO inbound": "inbound",
    "SELECT value FROM meta WHERE key = 'run'": "recovery",
    "ALTER TABLE push_logs ADD COLUMN planted": "migration",
}
"""What a transaction is for, by how one of its statements begins."""

PLANTED = "planted"
"""The column that the extra step of the schema adds."""


class Reaper:
    """Counts how often the armed point is passed, and kills when it is its turn."""

    def __init__(self, order: Path) -> None:
        self._order = order
        self._passed = 0

    def at(self, point: str) -> None:
        if not self._order.exists():
            return
        armed, passing = self._order.read_text().split()
        if armed == point:
            self._passed += 1
            if self._passed == int(passing):
                os.kill(os.getpid(), signal.SIGKILL)


def watched(reaper: Reaper) -> type[sqlite3.Connection]:
    """A connection whose transactions pass the points."""

    class Watched(sqlite3.Connection):
        kinds: set[str]

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - passed on as they are
            if sql.startswith("BEGIN"):
                self.kinds = set()
            elif sql == "COMMIT":
                return self._commit(sql)
            elif self.in_transaction:
                self._look(sql)
            return super().execute(sql, *arguments)

        def _look(self, sql: str) -> None:
            for start, kind in KINDS.items():
                if sql.startswith(start) and kind not in self.kinds:
                    self.kinds.add(kind)
                    reaper.at(f"{kind}.begin")

        def _commit(self, sql: str) -> sqlite3.Cursor:
            for kind in self.kinds:
                reaper.at(f"{kind}.uncommitted")
            cursor = super().execute(sql)
            for kind in self.kinds:
                reaper.at(f"{kind}.committed")
            return cursor

    return Watched


class Wire:
    """Opens streams to iLink that pass the points."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper

    async def open(self, host: str, port: int) -> trio.abc.Stream:
        stream = await open_stream(host, port)
        assert isinstance(stream, trio.SocketStream)
        self._watch(stream)
        return stream

    def _watch(self, stream: trio.SocketStream) -> None:
        """On the stream itself: a connection looks at its socket, which a stream around it would hide."""
        send_all, receive_some, reaper = stream.send_all, stream.receive_some, self._reaper
        is_send = False

        async def send(data: bytes | bytearray | memoryview) -> None:
            nonlocal is_send
            is_send = b"/sendmessage " in bytes(data[:200])
            if is_send:
                half = len(data) // 2
                await send_all(data[:half])
                reaper.at("send.half")
                await send_all(data[half:])
                reaper.at("send.sent")
            else:
                await send_all(data)

        async def receive(max_bytes: int | None = None) -> bytes:
            chunk = await receive_some(max_bytes)
            if is_send:
                reaper.at("send.answered")
            elif b'"message_type"' in chunk:
                reaper.at("poll.answered")
            return chunk

        stream.send_all = send  # type: ignore[method-assign]  # this stream's alone
        stream.receive_some = receive  # type: ignore[method-assign]


def _grow(db: sqlite_utils.Database) -> None:
    """A step of the schema that no file has yet, and that rewrites every row: more than SQLite's cache holds, so that
    some of it is in the log before the COMMIT."""
    db.execute("PRAGMA cache_size=10")
    db.execute(f"ALTER TABLE push_logs ADD COLUMN {PLANTED} TEXT")
    db.execute(f"UPDATE push_logs SET {PLANTED} = hex(randomblob(2000))")


def _backup(reaper: Reaper, connection: sqlite3.Connection, target: Path) -> None:
    target.touch(mode=0o600)
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy, pages=5, progress=lambda *_: reaper.at("migration.backup"))
    finally:
        copy.close()


def install(*, migrating: bool) -> Callable[[], None]:
    """Plant the points in this process, and with `migrating` the extra step of the schema. Gives the command line."""
    reaper = Reaper(Path(os.environ["BOTTALK_DATA_DIR"]) / "die-at")
    sqlite3.connect = partial(sqlite3.connect, factory=watched(reaper))  # type: ignore[assignment]
    opening.Ilink = partial(Ilink, opener=Wire(reaper).open)  # type: ignore[assignment, attr-defined]
    if migrating:
        migrations.STEPS = (*migrations.STEPS, (_grow, 1))
        migrations.backup = partial(_backup, reaper)
    sys.argv = ["bottalk", "serve"]
    return cli.main
