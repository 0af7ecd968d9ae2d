"""`bottalk backup` and `bottalk restore`: the database as one file, and back."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import click
from msgspec import Struct

from bottalk.cli.settings import with_settings
from bottalk.cli.showing import print_json
from bottalk.clock import utc_text
from bottalk.config import Config
from bottalk.ops import backup as backups
from bottalk.ops import data_dir
from bottalk.store import restored
from bottalk.store.copies import Facts, check
from bottalk.store.database import StoreError, connect
from bottalk.store.migrations import migrate
from bottalk.store.restored import Adjusted


class BackupBody(Struct, frozen=True):
    """`schema` is the number of its schema steps; `waiting`: rows that were not settled."""

    file: str
    bytes: int
    made_at: str
    schema: int
    accounts: int
    channels: int
    rows: int
    waiting: int
    removed: list[str]


class RestoredBody(Struct, frozen=True):
    """`replaced`: where the database of before is now; null when there was none."""

    database: str
    replaced: str | None
    accounts: int
    channels: int
    rows: int
    settled: int
    resent: int
    windows_closed: int
    reminders_skipped: int
    sessions_ended: int


@click.command()
@click.option("--to", "directory", type=click.Path(path_type=Path), help="Directory [default: the setting backup_dir].")
@click.option("--keep", type=click.IntRange(1, 10_000), help="Newest backups to keep [default: backup_keep].")
@click.option("--json", "json", is_flag=True, help="Print JSON: the file, what it holds, what was removed.")
@with_settings
def backup(config: Config, directory: Path | None, keep: int | None, json: bool) -> None:
    """Make a backup of the database, whether the daemon runs or not.

    The copy is of one moment and holds nobody up; it is checked page by page, and has its name
    (bottalk-<date>-<time>.db, UTC) only when it is whole. Then the oldest backups beyond --keep are removed; other
    files in the directory are left alone. A running daemon does the same every backup_every hours.

    A backup holds SendKeys and bot tokens in readable form, as the database does: mode 0600, and for nobody else.

    Examples:

    \b
      bottalk backup
      bottalk backup --to /mnt/nas/bottalk --keep 30 --data-dir /var/lib/bottalk

    Exit codes: 0 done, 2 wrong usage, 73 the database or the directory cannot be used, or the copy is damaged,
    78 a setting is wrong.
    """
    made = backups.make(config.database, directory or config.backups, keep or config.backup_keep, time.time())
    if json:
        facts = made.facts
        print_json(
            BackupBody(
                file=str(made.path),
                bytes=made.bytes,
                made_at=utc_text(made.made_at),
                schema=facts.schema,
                accounts=facts.users,
                channels=facts.channels,
                rows=facts.rows,
                waiting=facts.waiting,
                removed=[str(path) for path in made.removed],
            )
        )
        return
    click.echo(f"{made.path}  {made.bytes} bytes, checked: {_facts(made.facts)}")
    for path in made.removed:
        click.echo(f"removed {path}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--resend", is_flag=True, help="Send what waited when the backup was made; it may come twice.")
@click.option("--json", "json", is_flag=True, help="Print JSON: what was restored and changed.")
@with_settings
def restore(config: Config, file: Path, resend: bool, json: bool) -> None:
    """Let a backup be the database again. Stop the daemon first.

    The file is checked before anything is touched: whole, BotTalk's, and readable by this version (an older schema is
    brought up to date). The database of before stays beside the new one, as bottalk.db.replaced-<time>.

    A backup does not know what happened after it. Therefore:

    \b
    - What waited is settled as failed/restored, since it may have been delivered. With --resend it is sent
      instead, and the log says that it may have come twice.
    - Every window counts as closed until its user writes again; one try an hour finds out whether WeChat takes
      messages all the same, the first at once.
    - All logins end. What reminders missed is skipped.
    - Keys that were reset since the backup are valid again, accounts and channels deleted since are back, and a
      WeChat that was scanned since may have to scan again.

    Exit codes: 0 done, 2 wrong usage, 73 the daemon runs, or the file or the data directory cannot be used,
    78 a setting is wrong.
    """
    now, directory = time.time(), Path(config.data_dir)
    with data_dir.locked(directory), backups.unpacked(file, directory) as (copy, facts):
        adjusted = _adjust(config, copy, now, resend=resend)
        replaced = backups.put_in_place(copy, config.database, now)
    if json:
        print_json(_body(config, replaced, facts, adjusted))
        return
    _tell(config, replaced, facts, adjusted)


def _adjust(config: Config, copy: Path, now: float, *, resend: bool) -> Adjusted:
    """Raises sqlite3.Error, which says that the file cannot be restored, or StoreError."""
    last_ids = _last_ids(config.database)
    with closing(connect(copy)) as connection:
        migrate(connection, copy, now)
        return restored.adjust(connection, now, config.tz, resend=resend, log_texts=config.log_texts, last_ids=last_ids)


def _last_ids(database: Path) -> dict[str, int]:
    """Of the database that will be replaced; none when it is missing or damaged, which is why it is replaced."""
    try:
        if not database.exists():
            return {}
        check(database)
        # not read-only: the latest commits, if they are in a file beside it, are folded in
        with closing(connect(database)) as connection:
            return restored.last_ids(connection)
    except (StoreError, OSError, sqlite3.Error) as e:
        click.echo(f"bottalk: the database of before cannot be read ({e}); it is kept all the same", err=True)
        return {}


def _body(config: Config, replaced: Path | None, facts: Facts, adjusted: Adjusted) -> RestoredBody:
    return RestoredBody(
        database=str(config.database),
        replaced=None if replaced is None else str(replaced),
        accounts=facts.users,
        channels=facts.channels,
        rows=facts.rows,
        settled=adjusted.settled,
        resent=adjusted.kept,
        windows_closed=adjusted.windows,
        reminders_skipped=adjusted.reminders,
        sessions_ended=adjusted.sessions,
    )


def _tell(config: Config, replaced: Path | None, facts: Facts, adjusted: Adjusted) -> None:
    click.echo(f"{config.database} is the backup now: {_facts(facts)}")
    if replaced is not None:
        click.echo(f"The database of before is kept: {replaced}")
    click.echo(
        f"- {adjusted.settled} rows that waited are settled as failed/restored"
        if not adjusted.kept
        else f"- {adjusted.kept} rows that waited will be sent; they may come twice"
    )
    click.echo(f"- {adjusted.windows} windows are closed until their user writes; the next push tries each once")
    click.echo(f"- {adjusted.sessions} logins have ended; {adjusted.reminders} reminders go on with their next time")
    click.echo(
        "- Keys reset since the backup are valid again, accounts and channels deleted since are back: see to them"
    )


def _facts(facts: Facts) -> str:
    return f"{facts.users} accounts, {facts.channels} channels, {facts.rows} rows, {facts.waiting} of them waiting"
