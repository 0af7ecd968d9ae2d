"""How a daemon opens what it needs, one after the other, and how it lets go of it when it ends."""

import random
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import structlog
import trio

from bottalk import __version__
from bottalk.actors.journal import load_pictures
from bottalk.actors.recovery import begin_run, end_run
from bottalk.actors.watchdog import Manager
from bottalk.clock import Clock, SystemClock
from bottalk.config import Config
from bottalk.daemon.building import build
from bottalk.daemon.parts import Parts
from bottalk.daemon.running import Daemon
from bottalk.delivery.digest import Style
from bottalk.errors import CannotWrite
from bottalk.ilink.client import Ilink, IlinkSettings
from bottalk.measures import Measures
from bottalk.ops import data_dir, garbage
from bottalk.ops.sockets import listening_socket
from bottalk.store.database import Database, StoreError, open_database, unusable
from bottalk.store.threads import Runner
from bottalk.verbs.draft import Pictures
from bottalk.words import Words, configured

log = structlog.get_logger()

POLLS_BEGUN_S = 5.0
"""Seconds after the last channel's turn to begin polling: then its connection is open."""


@asynccontextmanager
async def open_daemon(
    config: Config,
    *,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    runner: Runner | None = None,
    ilink_transport: httpx.AsyncBaseTransport | None = None,
    alert_transport: httpx.AsyncBaseTransport | None = None,
    sockets: bool = True,
    words: Words | None = None,
    manager: Manager | None = None,
) -> AsyncIterator[Daemon]:
    """A daemon whose tree has started. Leaving the context stops it in order; a cancel cuts it.

    `runner` runs the store's blocking calls (None: threads). `ilink_transport` stands in for the network to iLink,
    `alert_transport` for the one to the operator's address. `sockets=False` leaves http out: a test hands in its own.
    `words` is what it says on the phone (None: as the settings say). `manager` is the service manager that wants to
    hear how things go.

    Raises ConfigError (in the file of words), DataDirError, AddressError or StoreError before anything runs,
    EscalatedError (in a group) when the journal has crashed, and CannotWrite at the end when the database could not be
    written any more: the next start then takes this run for one that was cut.
    """
    clock, rng, measures = clock or SystemClock(), rng or random.Random(), Measures()
    config = replace(config, delivery=replace(config.delivery))  # its own: a reload changes it in place
    style = style_of(config, words)
    directory = Path(config.data_dir)
    with ExitStack() as held:
        held.enter_context(data_dir.locked(directory))
        opened = tuple(held.enter_context(s) for s in _open_sockets(config, directory)) if sockets else ()
        if opened and config.port == 0:
            config = replace(config, port=opened[0].getsockname()[1])
        secret = config.session_secret or data_dir.session_secret(directory)
        async with (
            open_database(config.database, now=clock.now(), runner=runner) as database,
            Ilink(_ilink_settings(config), rng=rng, transport=ilink_transport, measures=measures) as ilink,
        ):
            try:
                pictures, next_row_id = await load_pictures(database, clock.now())
                await begin_run(database, pictures, config, style, clock.now())
            except sqlite3.OperationalError as e:
                raise StoreError(f"the database {config.database} cannot be written: {e}. {_why(e)}") from e
            except sqlite3.DatabaseError as e:
                raise unusable(config.database, e) from e
            parts = Parts(
                config=config,
                style=style,
                clock=clock,
                rng=rng,
                database=database,
                pictures=pictures,
                next_row_id=next_row_id,
                ilink=ilink,
                secret=secret,
                manager=manager,
                sockets=opened,
                runner=runner,
                measures=measures,
                alert_transport=alert_transport,
            )
            daemon = build(parts)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ilink.sweep)
                await nursery.start(daemon.run)
                garbage.settle()
                nursery.start_soon(_settle_connections, pictures, config)
                yield daemon
                daemon.stop()
                await daemon.ended.wait()
                nursery.cancel_scope.cancel()
            await _end(database, pictures)


async def _end(database: Database, pictures: Pictures) -> None:
    """Note that the run has ended in order, unless something that happened in it was never written."""
    forgotten = pictures.writable.forgotten
    if forgotten is None:
        try:
            await end_run(database)
        except sqlite3.Error as e:
            raise CannotWrite(str(e)) from e
    elif pictures.writable.is_ok:
        log.warning("daemon.unfinished", why=forgotten, what_may_be="messages that come twice after the next start")
    else:
        raise CannotWrite(f"what happened at the end could not be written: {forgotten}")


async def _settle_connections(pictures: Pictures, config: Config) -> None:
    """When each channel has had its turn to begin polling."""
    await trio.sleep(POLLS_BEGUN_S + pictures.directory.channel_count() / config.ilink.starts_per_second)
    garbage.settle_connections()


def _why(error: sqlite3.OperationalError) -> str:
    return "Which other program has it open?" if "locked" in str(error) else "Is the disk full?"


def _open_sockets(config: Config, directory: Path) -> tuple[socket.socket, ...]:
    tcp = listening_socket(config.host, config.port)
    try:
        return tcp, data_dir.operator_socket(directory)
    except BaseException:
        tcp.close()
        raise


def style_of(config: Config, words: Words | None = None) -> Style:
    """How messages are made up. Raises ConfigError for a bad file of words, which is read where `words` is None."""
    if words is None:
        words = configured(config.words)
    return Style(config.delivery, ZoneInfo(config.tz), words, config.pages_url)


def _ilink_settings(config: Config) -> IlinkSettings:
    section = config.ilink
    return IlinkSettings(
        base_url=section.base_url,
        app_id=section.app_id,
        client_version=section.client_version,
        bot_agent=f"BotTalk/{__version__}",
        route_tag=section.route_tag or None,
        allowed_hosts=section.allowed_hosts,
        allow_http=config.demo,
    )
