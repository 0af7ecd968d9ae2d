"""A daemon that may or may not run: its own account of itself, or None."""

from pathlib import Path
from urllib.parse import urlencode

from msgspec.structs import replace

from bottalk.cli.door import Door, DoorShut
from bottalk.config import Config
from bottalk.http.operator_status import STATUS, ProcessBody
from bottalk.ops import data_dir
from bottalk.service.status import Which


def status_of(config: Config, limit: int) -> ProcessBody | None:
    """The status of the daemon on this data directory, with at most `limit` red channels and as many yellow ones; None
    when none runs.

    Raises DoorShut when one holds the directory but does not answer as this version expects, DataDirError when the
    directory may not be looked into.
    """
    try:
        return _status(Door(config, "unknown"), limit)
    except DoorShut:
        # only now: the look takes the lock for an instant, and must not stand in the way of a daemon that starts
        holder = data_dir.holder(Path(config.data_dir))
        return None if holder is None else _status(Door(config, holder), limit)


def _status(door: Door, limit: int) -> ProcessBody:
    red = _ask(door, Which.RED, limit)
    if not red.status.channel_counts.yellow:
        return red
    listed = [*(red.status.channels or ()), *(_ask(door, Which.YELLOW, limit).status.channels or ())]
    return replace(red, status=replace(red.status, channels=listed))


def _ask(door: Door, which: Which, limit: int) -> ProcessBody:
    return door.get(f"{STATUS}?{urlencode({'channels': which.value, 'limit': limit})}", ProcessBody)
