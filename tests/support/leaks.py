"""Finds secrets in what is logged: those that were really minted, in every line that the code under test wrote."""

import logging
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from structlog._base import BoundLoggerBase

from bottalk.values import Secret

LEAST = 12
"""Characters: a shorter text may stand in a line by chance."""


class Minted:
    """The texts of all secrets that were made, and all that was logged, since it was opened."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.lines: set[str] = set()

    def leaks(self) -> list[str]:
        return leaks(self.lines, self.secrets)


def leaks(lines: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """The secrets that stand in the lines, masked. It takes one pass over the lines, however many secrets there are."""
    by_start: dict[str, list[str]] = {}
    for secret in secrets:
        if len(secret) >= LEAST:
            by_start.setdefault(secret[:LEAST], []).append(secret)
    found = set()
    for line in lines:
        for at in range(len(line) - LEAST + 1):
            for secret in by_start.get(line[at : at + LEAST], ()):
                if line.startswith(secret, at):
                    found.add(f"{secret[:3]}… in {line[:at][-60:]!r}")
    return sorted(found)


@contextmanager
def watched() -> Iterator[Minted]:
    """Hears every Secret that is made and every line that is logged in this process, whatever level is shown."""
    minted = Minted()
    make, say = Secret.__init__, BoundLoggerBase._process_event
    handler = _Handler(minted)

    def made(self: Secret, text: str) -> None:
        make(self, text)
        minted.secrets.add(text[:1] + text[1:])  # a copy of our own: what the code holds is another test's question

    def said(self: BoundLoggerBase, method: str, event: str | None, kw: dict[str, Any]) -> Any:  # noqa: ANN401
        minted.lines.update(_written(event, kw))
        return say(self, method, event, kw)

    Secret.__init__ = made  # type: ignore[method-assign]
    BoundLoggerBase._process_event = said  # type: ignore[method-assign, assignment]
    logging.getLogger().addHandler(handler)
    try:
        yield minted
    finally:
        Secret.__init__, BoundLoggerBase._process_event = make, say  # type: ignore[method-assign]
        logging.getLogger().removeHandler(handler)


class _Handler(logging.Handler):
    """For what the libraries log."""

    def __init__(self, minted: Minted) -> None:
        super().__init__()
        self._minted = minted

    def emit(self, record: logging.LogRecord) -> None:
        self._minted.lines.add(record.getMessage())


def _written(event: str | None, said: dict[str, Any]) -> Iterator[str]:
    """A line as it could ever be written: every value as text and as repr, every traceback."""
    yield f"{event} " + " ".join(f"{key}={value!r} {value}" for key, value in said.items() if key != "exc_info")
    error = said.get("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        yield "".join(traceback.format_exception(error))


def stored(folder: Path) -> set[str]:
    """The secrets in every database of a daemon below the folder."""
    found: set[str] = set()
    for path in folder.rglob("bottalk.db"):
        # a reader of a file without a log leaves an empty one there, unless it takes the file for unchangeable
        how = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(f"file:{path}?{how}", uri=True)) as connection:
            for column, table in _SECRETS:  # a database that a test has damaged gives what it can
                rows = connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
                found.update(str(row[0]) for row in rows)
    return found


_SECRETS = (("send_key", "users"), ("bot_token", "channels"), ("context_token", "channels"), ("readkey", "push_logs"))
