"""Looks at this machine for a check-up. Nothing is changed by it; each look is one small function."""

import os
import pwd
import shutil
import time
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bottalk.loopback import is_loopback
from bottalk.ops.findings import Reach

PATIENCE_S = 10.0
"""Seconds for iLink to answer."""


def reach(url: str) -> Reach:
    """Ask that address for its first page, through the proxy that the environment names for it, if any. Blocks for up
    to PATIENCE_S a step (connecting, reading)."""
    parts = urlsplit(url)
    is_here = is_loopback(parts.hostname or "")
    begun = time.monotonic()
    try:
        with (
            httpx.Client(timeout=PATIENCE_S, trust_env=not is_here) as client,
            client.stream("GET", url) as answer,  # the head tells all; of the page nothing is read
        ):
            seconds = time.monotonic() - begun
            return Reach(url, seconds, answer.status_code, "", _date(answer.headers.get("date", "")), time.time())
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as e:  # a proxy's kind may need a library
        why = str(e) if isinstance(e, httpx.HTTPError) and str(e) else type(e).__name__
        if isinstance(e, httpx.TimeoutException):
            why = f"no answer within {PATIENCE_S:g} s"
        return Reach(url, time.monotonic() - begun, error=why)


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def proxies() -> dict[str, str]:
    """The environment's proxies by scheme, and `no`; without user and password."""
    return {scheme: _without_password(found) for scheme, found in urllib.request.getproxies().items()}


def proxy_for(url: str, found: Mapping[str, str]) -> str:
    """The proxy that calls to `url` go through; empty for none."""
    parts = urlsplit(url)
    chosen = found.get(parts.scheme) or found.get("all") or ""
    if not chosen or is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return chosen if "://" in chosen else f"http://{chosen}"


def _without_password(address: str) -> str:
    before, separator, rest = address.rpartition("@")
    scheme = before.partition("://")[0] + "://" if "://" in before else ""
    return f"{scheme}{rest}" if separator else address


def account(user_id: int) -> str:
    """The name of an account of this machine, or its number."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def nearest(directory: Path) -> Path:
    """The directory, or where it is not there yet, the one above in which it will be made. Raises OSError."""
    found = directory.absolute()
    while not found.exists():
        found = found.parent
    return found


def is_usable(directory: Path) -> bool:
    """Whether this account can make files there; on a disk that is mounted read-only nobody can."""
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def modes(directory: Path) -> dict[str, int]:
    """The permissions of the directory and of the files in it, by path. Raises OSError."""
    found = {str(directory): directory.stat().st_mode & 0o777}
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.is_symlink():
            continue
        try:
            found[entry.path] = entry.stat().st_mode & 0o777
        except FileNotFoundError:  # a running daemon folds its write-ahead log in
            continue
    return found


def free_bytes(directory: Path) -> int:
    """What this account may still write there. Raises OSError."""
    return shutil.disk_usage(directory).free
