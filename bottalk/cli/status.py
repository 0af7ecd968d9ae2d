"""`bottalk status`: how the running daemon is."""

import sys
import time
from collections.abc import Iterable

import click
import msgspec

from bottalk.cli.door import DoorShut
from bottalk.cli.exits import FAILED, UNAVAILABLE
from bottalk.cli.running import status_of
from bottalk.cli.settings import with_settings
from bottalk.cli.showing import fail, print_json, print_table, printable
from bottalk.config import Config
from bottalk.health import Level
from bottalk.http.operator_status import ProcessBody
from bottalk.service.status import ChannelStatusView, HostView, StatusView

LISTED = 20
WATCH_S = 2.0


@click.command()
@click.option(
    "--watch",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=WATCH_S,
    metavar="[SECONDS]",
    help=f"Show it anew every so many seconds [{WATCH_S:g}], until Ctrl-C.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=LISTED,
    show_default=True,
    help="List at most so many red channels, and so many yellow ones.",
)
@click.option("--json", "json", is_flag=True, help="Print JSON; with --watch, an object a line.")
@with_settings
def status(config: Config, watch: float | None, limit: int, json: bool) -> None:
    """Show how the running daemon is: its actors, its database, iLink, and the channels that are not well.

    It asks the daemon through bottalk.sock in its data directory, so it needs --data-dir or --config as `serve` does,
    and the account that the daemon runs as. Times are UTC.

    \b
    Examples:
      bottalk status
      bottalk status --watch 5 --data-dir /var/lib/bottalk
      bottalk status --json

    \b
    Exit codes:
      0   the daemon is green or yellow
      1   the daemon is red: a channel, an actor or the database needs somebody
      2   wrong usage
      69  no daemon runs, or it does not answer
      73  the data directory may not be looked into
      78  a setting is wrong
    """
    if watch is None:
        sys.exit(_once(config, limit, json))
    try:
        while True:
            _again(config, limit, json)
            time.sleep(watch)
    except KeyboardInterrupt:
        return


def _once(config: Config, limit: int, json: bool) -> int:
    """Print it; the exit code."""
    try:
        found = status_of(config, limit)
    except DoorShut as e:
        fail(e, UNAVAILABLE)
    if found is None:
        fail(_none(config), UNAVAILABLE)
    if json:
        print_json(found)
    else:
        show(found)
    return FAILED if found.status.health is Level.RED else 0


def _again(config: Config, limit: int, json: bool) -> None:
    """One round of a watch, which a daemon that is restarted does not end."""
    try:
        found: ProcessBody | str = status_of(config, limit) or _none(config)
    except DoorShut as e:
        found = str(e)
    if json:
        click.echo(msgspec.json.encode({"error": found} if isinstance(found, str) else found).decode())
        return
    click.clear()
    if isinstance(found, str):
        click.echo(found)
    else:
        show(found)


def _none(config: Config) -> str:
    return f"no daemon runs on the data directory {config.data_dir}: start it, or name another one with --data-dir"


def show(found: ProcessBody) -> None:
    """Print a status for people."""
    view = found.status
    click.echo(
        f"BotTalk {view.version}, process {found.process}: {view.health.value}, up {length(view.uptime_seconds)}\n"
    )
    for name, text in _facts(view):
        click.echo(f"{name:<9} {printable(text)}")
    click.echo()
    print_table(
        ("ACTOR", "STATE", "SINCE (UTC)", "RESTARTS", "MAILBOX", "LAST ERROR"),
        [
            (
                actor.name, actor.state, actor.since, actor.restarts,
                None if actor.mailbox_depth is None else f"{actor.mailbox_depth} (peak {actor.mailbox_peak})",
                None if actor.last_error is None else f"{actor.last_error_at}: {actor.last_error}",
            )
            for actor in view.tree
        ],
    )  # fmt: skip
    _show_channels(view)


def _facts(view: StatusView) -> Iterable[tuple[str, str]]:
    counts, store, totals = view.channel_counts, view.store, view.totals
    reasons = ", ".join(f"{number} {cause}" for cause, number in sorted(counts.reasons.items()))
    yield (
        "Channels",
        f"{counts.total}: {counts.green} green, {counts.yellow} yellow, {counts.red} red"
        + (f" ({reasons})" if reasons else ""),
    )
    yield "Queue", f"{totals.queued} rows wait"
    yield "Accounts", f"{totals.users}; {totals.open_codes} QR codes are open"
    if store.cannot_write is not None:
        yield "Journal", f"CANNOT WRITE ({store.cannot_write}): free disk space; a restart does not help"
    yield "Journal", f"{store.commits} commits of {store.verbs} changes, the last at {store.last_commit_at or '-'}"
    yield "Database", f"{size(store.file_bytes)}, write-ahead log {size(store.wal_bytes)}"
    yield "Backup", f"the last at {store.last_backup_at}" if store.last_backup_at else "none yet"
    for host in view.ilink:
        yield "iLink", _host(host)


def _host(host: HostView) -> str:
    if host.up:
        return f"{host.host} answers"
    return f"{host.host} does not answer since {host.down_since} ({host.failures} failed calls)"


def _show_channels(view: StatusView) -> None:
    listed = view.channels or []
    if not listed:
        return
    click.echo()
    print_table(
        ("CHANNEL", "ACCOUNT", "HEALTH", "WHY", "SINCE (UTC)", "QUEUED", "LEFT", "WHAT TO DO"),
        [
            (one.id, one.user_id, one.health.value, _why(one), one.since, one.queued, one.window_left, one.advice)
            for one in listed
        ],
    )
    more = view.channel_counts.red + view.channel_counts.yellow - len(listed)
    if more > 0:
        click.echo(f"… and {more} more: --limit, or `bottalk channel list --ill`")


def _why(channel: ChannelStatusView) -> str:
    error = channel.crash or channel.last_error
    return f"{channel.reason} ({error})" if error else f"{channel.reason}"


def length(seconds: float) -> str:
    """A length of time in its two greatest units."""
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left = int(seconds)
    parts: list[str] = []
    for unit, worth in units:
        count, left = divmod(left, worth)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def size(count: float) -> str:
    """Bytes, for people."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
