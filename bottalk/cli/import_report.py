"""What an import came to, as text and as JSON."""

from collections import defaultdict
from pathlib import Path

import click
from msgspec import Struct

from bottalk.cli.showing import print_table
from bottalk.messages import End, Kind
from bottalk.ops import importer
from bottalk.ops.taking import Taking

SOME = 10
"""So many ids are named of those with the same remark."""


class Line(Struct, frozen=True):
    """One kind of thing: how many the file has, how many of them were taken now (`renewed`: got the file's token),
    were here already, or were skipped."""

    kind: str
    found: int
    taken: int
    renewed: int
    present: int
    skipped: int


class Remark(Struct, frozen=True):
    """Something that was not taken as it is, and the ids in the file of those it is true of."""

    kind: str
    why: str
    ids: list[int]


class LeftOut(Struct, frozen=True):
    """A table of the file that is not taken."""

    table: str
    rows: int
    why: str


class Report(Struct, frozen=True):
    """`by_daemon`: a running daemon took it; else it starts with it the next time."""

    source: str
    database: str
    by_daemon: bool
    lines: list[Line]
    remarks: list[Remark]
    left_out: list[LeftOut]
    admins: int
    old_log_rows: int
    """Of the skipped rows of the log, those that are older than the setting `log_days`."""
    dry_run: bool = False
    seconds: float = 0.0


def report(source: Path, database: Path, taking: Taking, *, by_daemon: bool) -> Report:
    lines = [_line(taking, kind) for kind in Kind]
    skipped = taking.homeless + taking.old
    here = taking.rows - skipped - taking.written
    lines.append(Line("log row", taking.rows, taking.written, 0, here, skipped))
    return Report(
        source=str(source),
        database=str(database),
        by_daemon=by_daemon,
        lines=lines,
        remarks=_remarks(taking),
        left_out=[LeftOut(*entry) for entry in importer.left_out(taking.file)],
        old_log_rows=taking.old,
        admins=sum(account.role == "admin" for account in taking.data.accounts),
    )


def tell(found: Report, *, is_running: bool) -> None:
    """As text. `is_running`: the other BotTalk had the file open."""
    click.echo("Dry run: nothing was changed. This would be done:\n" if found.dry_run else f"From {found.source}:\n")
    head = ("", "IN THE FILE", "TAKEN", "RENEWED", "HERE ALREADY", "SKIPPED")
    print_table(
        head, [(f"{one.kind}s", one.found, one.taken, one.renewed, one.present, one.skipped) for one in found.lines]
    )
    for remark in found.remarks:
        ids = ", ".join(map(str, remark.ids[:SOME])) + ("…" if len(remark.ids) > SOME else "")
        click.echo(f"\n{len(remark.ids)} x {remark.kind}: {remark.why}\n  ids there: {ids}")
    if found.old_log_rows:
        click.echo(f"\n{found.old_log_rows} x log row: older than the log is kept (log_days)")
    if found.left_out:
        click.echo("\nNot taken:")
        for table in found.left_out:
            click.echo(f"  {table.table}, {table.rows} rows" + (f": {table.why}" if table.why else ""))
    if found.admins:
        click.echo(f"\n{found.admins} of the accounts are administrators, as they were: bottalk admin list")
    click.echo(f"\n{found.seconds:g} s. {_next(found, is_running=is_running)}")


def _next(found: Report, *, is_running: bool) -> str:
    if found.dry_run:
        running = "The other BotTalk is running: stop it first. " if is_running else ""
        return f"{running}To do it, run the same without --dry-run."
    how = "The running daemon has them" if found.by_daemon else "They are there when the daemon starts"
    return f"{how}. Do not start the other BotTalk again: two of them take each other's messages."


def _line(taking: Taking, kind: Kind) -> Line:
    unfit = sum(note.kind == kind and note.skipped for note in taking.data.notes)
    return Line(
        kind=kind,
        found=taking.data.found[kind],
        taken=taking.count(kind, End.TAKEN),
        renewed=taking.count(kind, End.RENEWED),
        present=taking.count(kind, End.PRESENT),
        skipped=taking.count(kind, End.SKIPPED) + unfit,
    )


def _remarks(taking: Taking) -> list[Remark]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for note in taking.data.notes:
        found[note.kind, note.why].append(note.old_id)
    for fate in taking.fates:
        if fate.why:
            found[fate.kind, fate.why].append(fate.old_id)
    return [Remark(kind, why, sorted(ids)) for (kind, why), ids in sorted(found.items())]
