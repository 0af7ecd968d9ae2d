"""Where a bot's calls may go: iLink names hosts in its answers, and only some are believed (protocol notes §3)."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*\Z")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server, and a path before its paths (normally none). `host` is lower case."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def authority(self) -> str:
        """As in a Host header: the port only if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


@dataclass(frozen=True, slots=True)
class HostRule:
    """What is believed: the fixed address always; other hosts only if `allowed` has them.

    An entry with a leading dot means every host below it, one with a port that port, any other the host itself. A port
    that is not the scheme's own, and plain http, need `allow_http` (a sandbox) or an entry with that very port.
    """

    fixed: Origin
    allowed: Sequence[str]
    allow_http: bool

    def base(self, base_url: str) -> Origin:
        """The origin of `base_url`, as iLink gave it or as it was stored; the fixed one if empty or not believed."""
        text = base_url.strip()
        if not text:
            return self.fixed
        origin = parse_origin(text if "://" in text else f"https://{text}")
        return origin if origin is not None and self._believes(origin) else self.fixed

    def redirect(self, host: str | None) -> Origin | None:
        """The origin of a `redirect_host`: a bare host name, with the fixed address's scheme. None: not believed."""
        if not host or any(c in host for c in "/?#@\\"):
            return None
        origin = parse_origin(f"{self.fixed.scheme}://{host.strip()}")
        return origin if origin is not None and self._believes(origin) else None

    def _believes(self, origin: Origin) -> bool:
        if origin == self.fixed:
            return True
        if origin.scheme == "http" and not self.allow_http:
            return False
        entries = [entry.lower() for entry in self.allowed]
        if f"{origin.host}:{origin.port}" in entries:
            return True
        if origin.port != _DEFAULT_PORTS[origin.scheme] and not self.allow_http:
            return False
        return any(origin.host.endswith(entry) if entry.startswith(".") else origin.host == entry for entry in entries)


def parse_origin(url: str) -> Origin | None:
    """The origin of an http(s) address; None for anything else: other schemes, credentials, a query, odd characters."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host, prefix = parts.hostname or "", parts.path.rstrip("/")
    strange = parts.query or parts.fragment or "@" in parts.netloc or not _PREFIX.match(prefix)
    if parts.scheme not in _DEFAULT_PORTS or strange or port == 0:
        return None
    if not _is_ipv6(host) and not _NAME.match(host):
        return None
    return Origin(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], prefix)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host
