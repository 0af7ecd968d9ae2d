"""New accounts per client address within the last hour, in memory: a restart forgets them. The journal counts."""

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

HOUR_S = 3600.0

MOST = 10
"""New accounts an hour from one address."""


class Newcomers:
    """A sliding hour per address, by wall time. Loopback and what is no address (the operator's socket) have no limit.

    An IPv6 address counts as its /64, which is the least that anybody is given.
    """

    def __init__(self) -> None:
        self._times: OrderedDict[str, deque[float]] = OrderedDict()  # whoever came last is last

    def count(self, ip: str, now: float) -> int:
        """How many came from there within the hour; 0 where nobody counts."""
        place = place_of(ip)
        if place is None:
            return 0
        # a time ahead of now is one of before the clock was set back: it counts for an hour from then at most
        return sum(abs(now - at) < HOUR_S for at in self._times.get(place, ()))

    def add(self, ip: str, now: float) -> None:
        """One more, just committed."""
        self._forget(now)
        place = place_of(ip)
        if place is not None:
            self._times.setdefault(place, deque(maxlen=MOST)).append(now)
            self._times.move_to_end(place)

    def _forget(self, now: float) -> None:
        while self._times:
            place, times = next(iter(self._times.items()))
            if abs(now - times[-1]) < HOUR_S:
                return
            del self._times[place]


def place_of(ip: str) -> str | None:
    """What is counted as one address; None for loopback and for what is no address."""
    try:
        address = ip_address(ip.split("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return None if address.is_loopback else f"{address.exploded[:19]}::/64"
        address = address.ipv4_mapped
    return None if address.is_loopback else str(address)
