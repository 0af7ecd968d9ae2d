"""SIGHUP: the settings are read again, and what that comes to is logged. A running daemon keeps those it began with."""

from collections.abc import Mapping
from pathlib import Path

import structlog
import trio

from bottalk.config import Config, ConfigError, load, table, value_of

log = structlog.get_logger()


async def reread(config: Config, path: Path | None, overrides: Mapping[str, object]) -> None:
    """Read the settings as at the start and log which differ from `config`'s, by name alone, or what is wrong."""
    try:
        found = await trio.to_thread.run_sync(load, path, None, overrides)
    except ConfigError as e:
        log.error("settings.wrong", error=str(e), what_to_do="mend them; until then a restart would fail")
        return
    names = changed(config, found)
    if names:
        log.warning("settings.changed", names=names, what_to_do="restart the daemon: they count from then on")
    else:
        log.info("settings.unchanged")


def changed(before: Config, after: Config) -> list[str]:
    """The dotted names of the settings that are not the same in both."""
    names = [s.name for s in table()]
    return [name for name in names if value_of(before, name) != value_of(after, name)]
