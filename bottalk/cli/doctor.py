"""`bottalk doctor`: is everything well with settings, machine, database, iLink and daemon, and if not, what to do."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bottalk.cli.door import DoorShut
from bottalk.cli.exits import FAILED, OK
from bottalk.cli.running import status_of
from bottalk.cli.showing import print_json, printable
from bottalk.config import Config, ConfigError, read
from bottalk.http.operator_status import ProcessBody
from bottalk.ops.data_dir import DataDirError
from bottalk.ops.doctor import Doctor
from bottalk.ops.findings import DaemonFacts, Finding, Grade, fail

_COLOURS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "red"}


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="Settings file (TOML), the daemon's own.")
@click.option("--data-dir", help="The daemon's data directory [default: as the daemon finds it].")
@click.option("--json", "json", is_flag=True, help="Print a JSON list: name, grade, found, advice.")
def doctor(path: Path | None, data_dir: str | None, json: bool) -> None:
    """Check the settings, this machine, the database, iLink and the daemon, and say what to do.

    Nothing is changed. It works with a running daemon, which is asked through bottalk.sock, and before the first start
    too. Run it as the account that the daemon runs as, with the same settings and environment.

    Looked at are: the settings; the data directory, who can read it, the database in it (every page is read), the free
    disk space, the backups; iLink and how quickly it answers, the proxies on the way; the clock and the time zone; HOST
    against BASE_URL, the port, whether a reverse proxy is believed; the daemon; how many files it may open.

    \b
    Examples:
      bottalk doctor
      sudo -u bottalk bottalk doctor --config /etc/bottalk/bottalk.toml
      bottalk doctor --json

    \b
    Exit codes:
      0  all is well, or there are only warnings
      1  something failed
      2  wrong usage
    """
    found: list[Finding] = []
    for finding in _findings(path, data_dir, is_quiet=json):
        found.append(finding)
        if not json:
            _show(finding)
    counts = {grade: sum(one.grade is grade for one in found) for grade in Grade}
    if json:
        print_json(found)
    else:
        click.echo(f"\n{counts[Grade.OK]} ok, {counts[Grade.WARN]} to look at, {counts[Grade.FAIL]} failed")
    sys.exit(FAILED if counts[Grade.FAIL] else OK)


def _findings(path: Path | None, data_dir: str | None, *, is_quiet: bool) -> Iterator[Finding]:
    try:
        loaded = read(path, overrides={} if data_dir is None else {"data_dir": data_dir})
    except ConfigError as e:
        yield fail("settings", str(e), "correct them; the rest is looked at when they are right")
        return
    daemon, trouble = _daemon(loaded.config)
    for check in Doctor(loaded.config, loaded.origins, path, daemon, trouble).checks():
        shows = bool(check.slow_words) and not is_quiet and sys.stderr.isatty()
        if shows:
            click.echo(f"      {check.slow_words} …", nl=False, err=True)
        finding = check.look()
        if shows:
            click.echo("\r\x1b[K", nl=False, err=True)
        yield finding


def _daemon(config: Config) -> tuple[DaemonFacts | None, str]:
    """The daemon that runs there, if one does; else, why it did not answer."""
    try:
        found = status_of(config, limit=1)
    except (DoorShut, DataDirError) as e:
        return None, str(e)
    return (None if found is None else _facts(found)), ""


def _facts(found: ProcessBody) -> DaemonFacts:
    view = found.status
    return DaemonFacts(
        process=found.process,
        version=view.version,
        uptime_s=view.uptime_seconds,
        channels=view.channel_counts.total,
        red=view.channel_counts.red,
        yellow=view.channel_counts.yellow,
        open_files=found.open_files,
        not_running=tuple(actor.name for actor in view.tree if actor.state != "running"),
        cannot_write=view.store.cannot_write,
        hosts_down=tuple(host.host for host in view.ilink if not host.up),
        untrusted_proxies=tuple(found.untrusted_proxies),
    )


def _show(finding: Finding) -> None:
    grade = click.style(f"{finding.grade.value:<4}", fg=_COLOURS[finding.grade])
    lines = [printable(line) for line in finding.found.splitlines()]
    click.echo(f"{grade}  {finding.name}: {lines[0]}")
    for line in lines[1:]:
        click.echo(f"      {line}")
    if finding.advice:
        click.echo(f"      → {printable(finding.advice)}")
