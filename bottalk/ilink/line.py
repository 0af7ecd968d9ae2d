"""What a call needs of a connection, whichever kind it is."""

from typing import NamedTuple, Protocol

from bottalk.ilink.headers import Header


class Request(NamedTuple):
    """One HTTP request. `target` is the path below the origin's prefix, with the query, ready for the wire."""

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes = b""

    def __repr__(self) -> str:
        """Without what is secret: query, headers and body."""
        return f"<Request {self.method} {self.target.partition('?')[0]}>"


class Answer(NamedTuple):
    """One whole HTTP answer."""

    status: int
    body: bytes
    retry_after: str | None = None

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"


class Line(Protocol):
    """Carries one call at a time to one origin. Connects when it must; may be used again after any error or `aclose`.

    `sent` and `answer_begun` speak of the call under way, or of the last one.
    """

    @property
    def sent(self) -> bool:
        """Bytes of the request may have left this machine."""
        ...

    @property
    def answer_begun(self) -> bool:
        """The first byte of the answer has come."""
        ...

    @property
    def is_cold(self) -> bool:
        """Whether `warm` has something to do."""
        ...

    async def warm(self) -> None:
        """Connect now, so that the next call need not. Raises IlinkTransportError."""
        ...

    async def exchange(self, request: Request) -> Answer:
        """Send the request once and give the whole answer, of any status.

        Raises IlinkTransportError. The caller holds the deadline; a cancel drops connection and answer.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open, at once; a call under way fails with IlinkTransportError."""
        ...
