"""Which calls go through a proxy, by the environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY, …) or the system's settings."""

import urllib.request
from collections.abc import Mapping

import httpx

from bottalk.ilink.errors import IlinkTransportError, Kind
from bottalk.ilink.hosts import Origin
from bottalk.loopback import is_loopback


class Proxies:
    """Proxies by scheme, as `urllib.request.getproxies` gives them (`no`: hosts reached without). None: this machine's.

    Hosts of this machine are never reached through a proxy, whatever the settings say.
    """

    def __init__(self, found: Mapping[str, str] | None = None) -> None:
        self._injected = found is not None
        self._found = dict(urllib.request.getproxies() if found is None else found)

    def find(self, origin: Origin) -> str | None:
        """The proxy's address for calls to `origin`, None for a direct connection."""
        proxy = self._found.get(origin.scheme) or self._found.get("all")
        if not proxy or is_loopback(origin.host) or self._bypasses(origin):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def _bypasses(self, origin: Origin) -> bool:
        if self._injected:
            # typeshed lacks it
            return bool(urllib.request.proxy_bypass_environment(origin.authority, self._found))  # type: ignore[attr-defined]
        return bool(urllib.request.proxy_bypass(origin.authority))


def httpx_proxy(address: str) -> httpx.Proxy:
    """Raises IlinkTransportError (kind `proxy`) for an address that is none; does not show it: passwords."""
    try:
        return httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL) as e:
        raise IlinkTransportError(
            Kind.PROXY, f"bad address of the proxy ({type(e).__name__})", maybe_arrived=False
        ) from None
