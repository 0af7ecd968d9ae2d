"""Counts the calls of iLink by endpoint and by what came of each."""

from collections.abc import MutableMapping
from types import TracebackType

import trio

from bottalk.ilink.errors import IlinkHttpError, IlinkRefused, IlinkTransportError, Kind
from bottalk.measures import ENDPOINTS


class Tally:
    """`with tally:` around a call of one endpoint, from its request to its parsed answer. Shared by all callers: it
    keeps nothing of a call under way."""

    __slots__ = ("_counts", "_endpoint")

    def __init__(self, endpoint: str, counts: MutableMapping[tuple[str, str], int]) -> None:
        self._endpoint = endpoint
        self._counts = counts

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = "ok" if error is None else outcome_of(error)
        if outcome is not None:
            self._counts[self._endpoint, outcome] += 1


def outcome_of(error: BaseException) -> str | None:
    """One of `measures.CALL_OUTCOMES`; None for a bug, which is no outcome of a call."""
    if isinstance(error, IlinkRefused):
        return "refused"
    if isinstance(error, IlinkHttpError):
        return "http"
    if isinstance(error, IlinkTransportError):
        return error.kind.value if error.kind in (Kind.TIMEOUT, Kind.MALFORMED) else "network"
    return "cut" if isinstance(error, trio.Cancelled) else None


def tallies(counts: MutableMapping[tuple[str, str], int]) -> dict[str, Tally]:
    """One for each endpoint."""
    return {endpoint: Tally(endpoint, counts) for endpoint in ENDPOINTS}
