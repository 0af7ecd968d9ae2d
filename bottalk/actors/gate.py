"""The gate before each iLink host: who may call it now. All channels of the host pass through one.

While the host is down, all polls together stand in one line of a few a second, and sends wait until it answers. When
it is back, and at start, polls begin in a line of their own, so that thousands do not come back in one herd.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from bottalk.clock import Clock
from bottalk.config import IlinkSection
from bottalk.delivery import breaker as breakers
from bottalk.delivery.breaker import Breaker


@dataclass(frozen=True, slots=True)
class GateStatus:
    """`down_since` is wall time; `failures` counts failed calls since the last well-formed answer."""

    host: str
    down_since: float | None
    failures: int


class Gate:
    """One host's breaker, on trio's clock."""

    def __init__(self, host: str, settings: IlinkSection, clock: Clock) -> None:
        self.host = host
        self._settings = settings
        self._clock = clock
        self._breaker = Breaker()
        self._starts = Breaker()  # only its line is used
        self._up = trio.Event()
        self._down_at: float | None = None

    @property
    def is_down(self) -> bool:
        return self._breaker.is_down

    @property
    def down_since(self) -> float | None:
        """Wall time since which the host does not answer; None while it does."""
        return self._down_at

    def status(self) -> GateStatus:
        return GateStatus(self.host, self._down_at, self._breaker.failures)

    async def call(self) -> None:
        """Wait for the right to make one call: none while the host is up, else a place in the slow line."""
        while self._breaker.is_down:
            rate = self._settings.calls_while_down
            self._breaker, slot = breakers.take_slot(self._breaker, trio.current_time(), rate)
            up = self._up
            with trio.move_on_at(slot):
                await up.wait()
            if not up.is_set():
                return

    async def up(self) -> None:
        """Wait for the right to send: none while the host is up. While it is down, the polls find out when it answers
        again; a send would be cut, which spends one of the window's few and may bring its text twice."""
        while self._breaker.is_down:
            await self._up.wait()

    async def start(self) -> None:
        """Wait for the right to begin polling: for a first poll, and for each one after a failed one."""
        while True:
            was_down = self._breaker.is_down
            await self.call()
            if was_down and self._breaker.is_down:
                return  # this call is the slow line's own try
            rate = self._settings.starts_per_second
            self._starts, slot = breakers.take_slot(self._starts, trio.current_time(), rate)
            await trio.sleep_until(slot)
            if not self._breaker.is_down:
                return

    def answered(self) -> None:
        """A well-formed answer came, whatever it says."""
        if self._breaker.is_down:
            self._down_at = None
            self._up.set()
        self._breaker = breakers.answered(self._breaker)

    def failed(self) -> None:
        """A call failed or timed out."""
        was_down = self._breaker.is_down
        self._breaker = breakers.failed(self._breaker, trio.current_time())
        if self._breaker.is_down and not was_down:
            self._down_at = self._clock.now()
            self._up = trio.Event()


class Gates:
    """The gate of each host, made when first asked for."""

    def __init__(self, settings: IlinkSection, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._of: dict[str, Gate] = {}
        self._by_url: dict[str, Gate] = {}

    def of(self, base_url: str) -> Gate:
        gate = self._by_url.get(base_url)
        if gate is None:
            host = urlsplit(base_url or self._settings.base_url).netloc
            if host not in self._of:
                self._of[host] = Gate(host, self._settings, self._clock)
            gate = self._by_url[base_url] = self._of[host]
        return gate

    def is_any_down(self) -> bool:
        return any(gate.is_down for gate in self._of.values())

    def status(self) -> tuple[GateStatus, ...]:
        return tuple(gate.status() for gate in self._of.values())
