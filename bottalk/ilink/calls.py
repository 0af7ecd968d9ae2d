"""One call from its request to its answer's body: deadline and HTTP status, the same for every endpoint."""

import math
import random
from collections.abc import Mapping

import msgspec
import trio

from bottalk.ilink.errors import IlinkHttpError, IlinkTransportError, Kind
from bottalk.ilink.headers import Headers
from bottalk.ilink.line import Answer, Line, Request
from bottalk.ilink.lines import Lines
from bottalk.ilink.settings import IlinkSettings
from bottalk.ilink.tally import tallies
from bottalk.measures import Measures
from bottalk.values import Secret

_encode = msgspec.json.Encoder().encode


class Calls:
    """Makes the requests of one daemon; shared by its bots."""

    def __init__(self, settings: IlinkSettings, lines: Lines, rng: random.Random, measures: Measures) -> None:
        self.settings = settings
        self.hosts = settings.hosts
        self.lines = lines
        self.tallies = tallies(measures.calls)
        self.send_seconds = measures.send
        self._headers = Headers(settings, rng)
        self._base_info = {"channel_version": settings.client_version, "bot_agent": settings.agent}

    def get(self, target: str) -> Request:
        return Request("GET", target, self._headers.get())

    def post(self, target: str, body: Mapping[str, object], token: Secret | None = None) -> Request:
        """A call with a token says in `base_info` who we are; one without does not (protocol notes §2)."""
        if token is not None:
            body = {**body, "base_info": self._base_info}
        return Request("POST", target, self._headers.post(token), _encode(body))


async def call(line: Line, request: Request, seconds: float) -> Answer:
    """The answer, if its status is 2xx.

    Raises IlinkHttpError for any other status, IlinkTransportError for a break and for no whole answer in `seconds`.
    """
    with trio.move_on_after(seconds):
        return successful(await line.exchange(request))
    raise IlinkTransportError(Kind.TIMEOUT, f"no whole answer in {seconds:g} s", maybe_arrived=line.sent)


def successful(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    raise IlinkHttpError(answer.status, _seconds(answer.retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds. Its other form, a date, needs both clocks to agree: not used."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
