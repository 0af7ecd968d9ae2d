"""A check-up of this machine, the database and the daemon: what is looked at, in which order. Nothing is changed."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bottalk import __version__
from bottalk.config import Config, table
from bottalk.ops import backup, limits, probes, verdicts
from bottalk.ops.findings import DaemonFacts, Finding, Reach, fail, ok
from bottalk.ops.sockets import AddressError, listening_socket
from bottalk.store.checkup import Checkup, examine
from bottalk.store.database import StoreError


@dataclass(frozen=True, slots=True)
class Check:
    """One look. `slow_words` say what is going on where it may take seconds; empty where it does not."""

    look: Callable[[], Finding]
    slow_words: str = ""


class Doctor:
    """Looks at what `config` names. `origins`: where each setting came from; `file`: the settings file, if there is
    one; `daemon`: the running one, None when none runs; `trouble`: why one that runs did not answer."""

    def __init__(
        self,
        config: Config,
        origins: Mapping[str, str],
        file: Path | None,
        daemon: DaemonFacts | None,
        trouble: str = "",
    ) -> None:
        self._config = config
        self._origins = origins
        self._file = file
        self._daemon = daemon
        self._trouble = trouble
        self._directory = Path(config.data_dir)
        self._checkup: Checkup | None = None
        self._reach: Reach | None = None

    def checks(self) -> tuple[Check, ...]:
        """In their order: the clock is judged by what the database and iLink said before it."""
        return (
            Check(self._settings),
            Check(self._data_directory),
            Check(self._permissions),
            Check(self._database, "reading the database"),
            Check(self._disk),
            Check(self._backups),
            Check(self._ilink, "asking iLink"),
            Check(self._proxies),
            Check(self._clock),
            Check(self._zone),
            Check(self._address),
            Check(self._port),
            Check(self._daemon_itself),
            Check(self._reverse_proxy),
            Check(self._open_files),
        )

    def _settings(self) -> Finding:
        secrets = [s.name for s in table() if s.is_secret and self._origins.get(s.name) == str(self._file)]
        mode = self._file.stat().st_mode if self._file is not None else 0
        return verdicts.settings(str(self._file or ""), mode, secrets, len(self._origins))

    def _data_directory(self) -> Finding:
        try:
            nearest = probes.nearest(self._directory)
            owner = probes.account(nearest.stat().st_uid)
        except OSError as e:
            return fail("data directory", f"{self._directory}: {e.strerror}", "use the account that BotTalk runs as")
        is_there = nearest == self._directory.absolute()
        me = probes.account(os.geteuid())
        return verdicts.directory(str(self._directory), owner, me, is_there, probes.is_usable(nearest))

    def _permissions(self) -> Finding:
        found: dict[str, int] = {}
        places = [self._directory, self._config.backups]
        try:
            for place in places:
                found |= probes.modes(place) if place.is_dir() else {}
        except OSError as e:
            return fail("permissions", f"{e.filename}: {e.strerror}", "use the account that BotTalk runs as")
        return verdicts.modes(found, [str(place) for place in places])

    def _database(self) -> Finding:
        path = self._config.database
        try:
            if not path.exists():
                return ok("database", f"{path} is not there yet, and will be made")
            self._checkup = examine(path)
        except OSError as e:
            return fail("database", f"{path}: {e.strerror}", "use the account that BotTalk runs as")
        except StoreError as e:
            return fail("database", str(e), "see what the message says; a damaged one: bottalk restore --help")
        return verdicts.database(self._checkup)

    def _disk(self) -> Finding:
        try:
            nearest = probes.nearest(self._directory)
            path = self._config.database
            size = path.stat().st_size if path.exists() else 0
            return verdicts.disk(probes.free_bytes(nearest), size, str(nearest))
        except OSError as e:
            return fail("disk", f"{self._directory}: {e.strerror}", "use the account that BotTalk runs as")

    def _backups(self) -> Finding:
        now = time.time()
        newest_at = backup.newest_at(self._config.backups, now)
        uptime_s = self._daemon.uptime_s if self._daemon is not None else None
        every, has_database = self._config.backup_every, self._checkup is not None
        return verdicts.backups(newest_at, every, now, has_database, uptime_s)

    def _ilink(self) -> Finding:
        self._reach = probes.reach(self._config.ilink.base_url)
        return verdicts.ilink(self._reach, self._config.demo)

    def _proxies(self) -> Finding:
        found = probes.proxies()
        return verdicts.proxies(found, probes.proxy_for(self._config.ilink.base_url, found))

    def _clock(self) -> Finding:
        newest_at = self._checkup.newest_at if self._checkup is not None else None
        return verdicts.clock(time.time(), newest_at, self._reach)

    def _zone(self) -> Finding:
        try:
            here = datetime.now(ZoneInfo(self._config.tz))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return fail("time zone", f"{self._config.tz} is not known", "set TZ, or install tzdata")
        return ok("time zone", f"{self._config.tz}, where it is {here:%H:%M}")

    def _address(self) -> Finding:
        return verdicts.address(self._config.host, self._config.base_url, self._named())

    def _port(self) -> Finding:
        host, port = self._config.host, self._config.port
        if self._daemon is not None or self._trouble:
            return ok("port", "a daemon runs; it has the one it was started with")
        try:
            listening_socket(host, port).close()
        except AddressError as e:
            return fail("port", str(e), "stop what listens there, or set HOST or PORT to others")
        return ok("port", f"{host} port {port} is free" if port else "a free one is taken at each start")

    def _daemon_itself(self) -> Finding:
        if self._trouble:
            return fail("daemon", self._trouble, "look at its log; if it stays so, stop it and start it again")
        if self._daemon is None:
            return ok("daemon", f"none runs on {self._directory}")
        return verdicts.daemon(self._daemon, __version__)

    def _reverse_proxy(self) -> Finding:
        return verdicts.forwarded(self._config.host, self._named(), self._config.trusted_proxies, self._daemon)

    def _open_files(self) -> Finding:
        if self._daemon is not None:
            return verdicts.open_files(self._daemon.open_files, self._daemon.channels)
        live = self._checkup.live if self._checkup is not None else 0
        return verdicts.open_files(limits.most_open_files(), live)

    def _named(self) -> str:
        """The host of the public address."""
        return urlsplit(self._config.public_url).hostname or ""
