"""What a check-up finds: one finding a check, and what it needs to know of a running daemon."""

from enum import StrEnum

from msgspec import Struct


class Grade(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """`advice` says what to do; it is empty where nothing is to be done."""

    name: str
    grade: Grade
    found: str
    advice: str = ""


class DaemonFacts(Struct, frozen=True):
    """A running daemon, as it describes itself. `open_files` is its limit, `channels` counts all that are not deleted,
    `not_running` names the actors that do not run, `untrusted_proxies` the peers that spoke for others without being
    trusted to."""

    process: int
    version: str
    uptime_s: float
    channels: int
    red: int
    yellow: int
    open_files: int
    not_running: tuple[str, ...] = ()
    cannot_write: str | None = None
    hosts_down: tuple[str, ...] = ()
    untrusted_proxies: tuple[str, ...] = ()


class Reach(Struct, frozen=True):
    """One call of iLink's address: its HTTP status, or why there was none. `seconds` is how long the answer took;
    `server_at` its Date header, `here_at` this machine's clock at that moment (both wall time)."""

    url: str
    seconds: float
    status: int = 0
    error: str = ""
    server_at: float | None = None
    here_at: float = 0.0


def ok(name: str, found: str) -> Finding:
    return Finding(name, Grade.OK, found)


def warn(name: str, found: str, advice: str) -> Finding:
    return Finding(name, Grade.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Finding:
    return Finding(name, Grade.FAIL, found, advice)
