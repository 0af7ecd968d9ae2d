"""Where a request really comes from: the peer, or what a trusted proxy says of its client."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog

from bottalk.config import Config

log = structlog.get_logger()

OPERATOR = "operator"
"""The address of a request through the Unix socket, which has none."""

FORWARDED = (b"x-forwarded-for", b"x-real-ip", b"forwarded")

MOST_REMEMBERED = 8
"""Peers without trust that are remembered: a reverse proxy or two are among the first, whoever else tries it."""


class Addresses:
    """`trusted_proxies` (addresses or networks) may speak for others; the same headers from anybody else are not
    believed, and are mentioned in the log once."""

    def __init__(self, config: Config) -> None:
        self._trusted: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(net) for net in config.trusted_proxies)
        self._untrusted: dict[str, None] = {}

    def untrusted(self) -> list[str]:
        """The first few peers whose word on others was not believed."""
        return list(self._untrusted)

    def of(self, client: tuple[str, int] | None, headers: Mapping[bytes, bytes]) -> str:
        """The address that a request counts for; `client` is ASGI's peer."""
        peer = client[0] if client else OPERATOR
        if not any(name in headers for name in FORWARDED[:2]):
            return peer
        if not self._is_trusted(peer):
            self._warn(peer)
            return peer
        hops = [hop.strip() for hop in headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
        for hop in reversed([*hops] if any(hops) else [headers.get(b"x-real-ip", b"").decode("latin-1").strip()]):
            address = _address(hop)
            if address is None:
                return peer  # what the proxy itself added is broken: believe nothing of it
            if not self._is_trusted(str(address)):
                return str(address)
        return peer

    def is_proxy(self, client: tuple[str, int] | None) -> bool:
        """Whether the peer may speak for others."""
        return client is not None and self._is_trusted(client[0])

    def _is_trusted(self, peer: str) -> bool:
        address = _address(peer)
        return address is not None and any(address in net for net in self._trusted)

    def _warn(self, peer: str) -> None:
        is_first = not self._untrusted
        if len(self._untrusted) < MOST_REMEMBERED:
            self._untrusted[peer] = None
        if is_first:
            log.warning(
                "http.untrusted_proxy", peer=peer, what_to_do="set TRUSTED_PROXIES if this is your reverse proxy"
            )


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port; an IPv4 one that came as IPv6 is the IPv4 one."""
    if text.count(":") == 1 or text.startswith("["):
        text = text.rpartition(":")[0].strip("[]") if not text.endswith("]") else text.strip("[]")
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
