"""`bottalk import`: everybody's accounts, channels, reminders and log from BotTalk on Node.js."""

import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from bottalk.cli.door import Door
from bottalk.cli.exits import CANNOT_OPEN, FAILED, UNAVAILABLE
from bottalk.cli.import_report import Report, report, tell
from bottalk.cli.offline import Offline
from bottalk.cli.settings import with_settings
from bottalk.cli.showing import done, fail, print_json
from bottalk.config import Config
from bottalk.errors import Refused
from bottalk.http.operator_imports import ACCOUNTS, LOGS, Written, batch, encoded
from bottalk.messages import Arrived, ComingAccount, ComingLog
from bottalk.ops import old_file
from bottalk.ops.taking import Taking
from bottalk.store import copies
from bottalk.store.database import is_there

DAY_S = 86400.0

LARGEST_BATCH = 262_144
"""Bytes of a batch for a running daemon, and at most a quarter of what it takes as a body: quotes double."""


@click.command(name="import")
@click.argument("source", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done.")
@click.option("--no-log", is_flag=True, help="Leave the log of pushes out.")
@click.option("--json", "json", is_flag=True, help="Print JSON: the whole report.")
@with_settings
def import_(config: Config, source: Path, dry_run: bool, no_log: bool, json: bool) -> None:
    """Take over the data of BotTalk on Node.js: PATH is its bottalk.db, or a directory that has it.

    Stop the other BotTalk first, and do not start it again: two of them on one WeChat take each other's messages. Its
    file is only read. A database is made here if there is none yet; a running daemon takes it all at once.

    SendKeys and bindings go on working; nobody scans again. Ids stay where they are free. A channel's window counts as
    closed until its user writes, but the first push tries it: how much of it was used, the file does not say. Of
    several rows of one WeChat the newest live one counts, and the others only keep their log.

    Done twice it changes nothing: what is here already is left as it is. --dry-run does it all on a copy.

    Examples:

    \b
      bottalk import /opt/bottalk-node/data --dry-run
      bottalk import /opt/bottalk-node/data/bottalk.db --data-dir /var/lib/bottalk

    Exit codes: 0 done, 1 the daemon refused a part of it, 2 wrong usage, 69 the daemon does not answer or cannot save,
    or the other BotTalk still runs, 73 a file or directory cannot be used, 78 a setting is wrong.
    """
    began = time.monotonic()
    file = old_file.find(source)
    held = old_file.holder(file)
    if held is not None and not dry_run:
        who = f"process {held}" if held else "a process"
        fail(f"{who} has {file} open: stop the other BotTalk first, or import a copy of the file", UNAVAILABLE)
    found = _on_a_copy(config, file, with_log=not no_log) if dry_run else _import(config, file, with_log=not no_log)
    found = msgspec.structs.replace(found, dry_run=dry_run, seconds=round(time.monotonic() - began, 2))
    if json:
        print_json(found)
    else:
        tell(found, is_running=held is not None)


def _on_a_copy(config: Config, file: Path, *, with_log: bool) -> Report:
    """The same on a copy of the database, which is thrown away."""
    where = config.database.parent if is_there(config.database) else None
    try:
        with tempfile.TemporaryDirectory(prefix=".dry-run-", dir=where) as directory:
            elsewhere = replace(config, data_dir=directory)
            if where is not None:
                elsewhere.database.touch(mode=0o600)
                copies.copy(config.database, elsewhere.database, own=True)
            return _import(elsewhere, file, with_log=with_log)
    except (OSError, sqlite3.Error) as e:
        fail(f"the database {config.database} cannot be copied for a dry run: {e}", CANNOT_OPEN)


def _import(config: Config, path: Path, *, with_log: bool) -> Report:
    with old_file.opened(path) as file:
        # older rows would be removed at once
        taking = Taking(file, with_log=with_log, since=time.time() - config.log_days * DAY_S)

        async def offline(found: Offline) -> None:
            for accounts in taking.accounts():
                taking.arrived(await found.imports.accounts(accounts))
            for rows in taking.logs():
                taking.written += await found.imports.logs(rows)

        def running(door: Door) -> None:
            limit = min(LARGEST_BATCH, config.max_body // 4)
            for accounts in taking.accounts():
                for some in _fitting(accounts, limit):
                    taking.arrived(door.post(ACCOUNTS, batch(some), tuple[Arrived, ...]))
            for rows in taking.logs():
                for some in _fitting(rows, limit):
                    taking.written += door.post(LOGS, batch(some), Written).written

        try:
            _, by_daemon = done(config, running, offline, may_create=True)
        except Refused as e:
            fail(f"the daemon refused a part of it: {e.text}. Stop it, and import again", FAILED)
        return report(path, config.database, taking, by_daemon=by_daemon)


def _fitting(items: Iterable[ComingAccount | ComingLog], limit: int) -> Iterator[list[str]]:
    """Lists of encoded items, each within so many bytes; one that is larger goes alone."""
    some: list[str] = []
    size = 0
    for item in items:
        text = encoded(item)
        length = len(text.encode())
        if some and size + length > limit:
            yield some
            some, size = [], 0
        some.append(text)
        size += length
    if some:
        yield some
