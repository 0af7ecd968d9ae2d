"""`bottalk serve`: the daemon, until SIGTERM or SIGINT."""

import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import click
import structlog
import trio

from bottalk.cli.exits import CANNOT_WRITE, SOFTWARE, known_failures
from bottalk.config import Config, load
from bottalk.daemon import Daemon, open_daemon
from bottalk.errors import CannotWrite
from bottalk.ops import limits
from bottalk.ops.logging import configure
from supervisors import EscalatedError, StartFailed

log = structlog.get_logger()

DEFAULT_FILE = Path("config/bottalk.toml")


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--host", help="Address to listen on [default: 127.0.0.1; 0.0.0.0 opens it to other machines].")
@click.option("--port", type=int, help="TCP port [default: 3000; 0 takes a free one].")
@click.option("--data-dir", help="Directory of the database [default: data].")
@click.option("--base-url", help="Public address, as others reach it.")
@click.option("--ilink-base-url", help="iLink Bot API [default: Tencent's].")
def serve(path: Path | None, **options: str | int | None) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal skips the waits.

    Settings come from the command line, then the environment, then the file, then their defaults.

    Exit codes: 0 stopped in order, 70 the journal failed, 73 the address, the data directory or the database cannot be
    used, 74 stopped while the database could not be written, 78 a setting is wrong.
    """
    names = {"ilink_base_url": "ilink.base_url"}
    overrides = {names.get(name, name): value for name, value in options.items() if value is not None}
    with known_failures():
        config = load(path, overrides=overrides)
        configure(config)
        limits.raise_open_files()
        sys.exit(run(config, announce))


def run(config: Config, started: Callable[[Daemon], None]) -> int:
    """The daemon's life in this process; its exit code."""
    code = 0
    try:
        trio.run(_live, config, started)
    except* EscalatedError as e:
        log.critical("daemon.failed", error=str(e.exceptions[0]), what_to_do="see the error above; start it again")
        code = SOFTWARE
    except* StartFailed as e:
        log.critical("daemon.not_started", error=str(e.exceptions[0]), what_to_do="see the error above; start it again")
        code = SOFTWARE
    except* CannotWrite as e:
        log.critical("daemon.unwritten", error=str(e.exceptions[0]), what_to_do="free disk space; start it again")
        code = CANNOT_WRITE
    return code


async def _live(config: Config, started: Callable[[Daemon], None]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_daemon(config) as daemon:
            started(daemon)
            await until_signalled(daemon, signals)


async def until_signalled(daemon: Daemon, signals: AsyncIterator[int]) -> None:
    """Wait for the first signal, stop the daemon in order; a second one skips the waits."""
    hurried = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_with, daemon, nursery.cancel_scope)
        async for number in signals:
            log.info("daemon.stopping", signal=signal.Signals(number).name, hurried=hurried)
            daemon.stop(now=hurried)
            hurried = True


async def _end_with(daemon: Daemon, scope: trio.CancelScope) -> None:
    await daemon.ended.wait()
    scope.cancel()


def announce(daemon: Daemon) -> None:
    """Say where it listens, and how to open it to others."""
    click.echo(f"BotTalk listens on {daemon.url}")
    if daemon.url.startswith("http://127.0.0.1"):
        click.echo("Only this machine reaches it. To open it to others: --host 0.0.0.0, or a reverse proxy in front.")
    click.echo(
        "Open the address in a browser, scan the code with WeChat, write the bot any word: then you have a SendKey."
    )
    sys.stdout.flush()
