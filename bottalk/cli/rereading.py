"""SIGHUP: the settings are read again; those that can, count at once, and the log says which wait for a restart."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog
import trio

from bottalk.config import Config, ConfigError, changed, load, take_over
from bottalk.ops.logging import configure

log = structlog.get_logger()


async def reread(config: Config, path: Path | None, overrides: Mapping[str, object]) -> None:
    """Read the settings as at the start, and give `config`, a running daemon's, those that can change while it runs.

    Names are logged, values never. What is wrong is logged too, and then nothing at all is taken over.
    """
    try:
        found = await trio.to_thread.run_sync(load, path, None, overrides)
    except ConfigError as e:
        for problem in str(e).splitlines():
            log.error("settings.wrong", error=problem, what_to_do="mend it; all settings stay as they were until then")
        return
    if found.port == 0:
        found = replace(found, port=config.port)  # the free one that it has taken
    taken = take_over(config, found)
    if any(name.startswith("log_") for name in taken):
        configure(config)
    waiting = changed(config, found)
    if taken:
        log.info("settings.taken_over", names=taken)
    if waiting:
        log.warning("settings.changed", names=waiting, what_to_do="restart the daemon: they count from then on")
    if not taken and not waiting:
        log.info("settings.unchanged")
