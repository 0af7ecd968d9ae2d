"""`bottalk serve`: the daemon, until SIGTERM or SIGINT."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click
import structlog
import trio

from bottalk.cli.exits import CANNOT_WRITE, SOFTWARE, known_failures
from bottalk.cli.rereading import reread
from bottalk.config import Config, load
from bottalk.daemon import Daemon, open_daemon
from bottalk.errors import CannotWrite
from bottalk.ops import limits
from bottalk.ops.logging import configure
from bottalk.ops.systemd import service_manager
from supervisors import EscalatedError, StartFailed

log = structlog.get_logger()

Reload = Callable[[Config], Awaitable[None]]
"""Takes over what can change of a running daemon's settings."""


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.option("--host", help="Address to listen on [default: 127.0.0.1; 0.0.0.0 opens it to other machines].")
@click.option("--port", type=int, help="TCP port [default: 3000; 0 takes a free one].")
@click.option("--data-dir", help="Directory of the database [default: data].")
@click.option("--base-url", help="Public address, as others reach it.")
@click.option("--ilink-base-url", help="iLink Bot API [default: Tencent's].")
def serve(path: Path | None, **options: str | int | None) -> None:
    """Run the daemon until SIGTERM or SIGINT; a second signal skips the waits.

    Settings come from the command line, then the environment, then the file, then their defaults. SIGHUP (systemctl
    reload) has them read again: those that can, count at once; which ones did, and which wait for a restart, is logged.
    Where one of them is wrong, none is taken over. On a terminal SIGHUP, its end, is the daemon's too.

    Under a service manager (NOTIFY_SOCKET, WATCHDOG_USEC) it is told when the daemon is ready, how things are, that it
    is alive, and when it stops.

    Exit codes: 0 stopped in order, 70 the journal failed, 73 the address, the data directory or the database cannot be
    used, 74 stopped while the database could not be written, 78 a setting is wrong.
    """
    names = {"ilink_base_url": "ilink.base_url"}
    overrides = {names.get(name, name): value for name, value in options.items() if value is not None}
    with known_failures():
        config = load(path, overrides=overrides)
        configure(config)
        limits.raise_open_files()
        sys.exit(run(config, announce, lambda running: reread(running, path, overrides)))


def run(config: Config, started: Callable[[Daemon], None], reload: Reload) -> int:
    """The daemon's life in this process; its exit code."""
    code = 0
    try:
        trio.run(_live, config, started, reload)
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


async def _live(config: Config, started: Callable[[Daemon], None], reload: Reload) -> None:
    with ExitStack() as held:
        manager = service_manager(os.environ)
        if manager is not None:
            held.callback(manager.close)
        signals = held.enter_context(trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        async with open_daemon(config, manager=manager) as daemon:
            started(daemon)
            await until_signalled(daemon, signals, None if _has_terminal() else reload)


def _has_terminal() -> bool:
    return any(os.isatty(stream) for stream in (0, 1, 2))


async def until_signalled(daemon: Daemon, signals: AsyncIterator[int], reload: Reload | None = None) -> None:
    """Wait for the first signal, stop the daemon in order; a second one skips the waits. SIGHUP is a `reload`; without
    one, it is a stop like the others."""
    hurried = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_with, daemon, nursery.cancel_scope)
        async for number in signals:
            if number == signal.SIGHUP and reload is not None:
                if not hurried:
                    await daemon.reload(partial(reload, daemon.config))
                continue
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
