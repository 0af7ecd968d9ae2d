"""A request that comes whole in one piece, as nearly all pushes do, without a parser that is ready for anything.

h11 is ready for bodies in chunks or in pieces, `Expect`, pipelining, folded lines and HTTP/1.0, and that was a fifth of
what a push costs. Here a request is read if it is plain in every respect, exactly as h11 would read it; whatever else
has come is h11's, from its first byte on.
"""

import re
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

from msgspec import Struct

from bottalk.http.direct import DirectAnswer, Header

_REQUEST = re.compile(rb"(GET|POST) ([\x21-\x7e]+) HTTP/1\.1")
# possessive: a long run of blanks that ends badly must not be tried again from each of its blanks
_HEADER = re.compile(rb"([-!#$%&'*+.^_`|~0-9a-zA-Z]+):[ \t]*+([^\0\s]+(?:[ \t]+[^\0\s]+)*)?[ \t]*")
_DIGITS = re.compile(rb"[0-9]{1,9}")
_NOT_PLAIN = frozenset((b"transfer-encoding", b"expect", b"upgrade"))
"""Headers that ask for more than an answer."""


class Whole(Struct, frozen=True):
    """A request with all of its body. Names of headers are in lower case, no name comes twice."""

    method: str
    target: bytes
    headers: list[Header]
    body: bytes


def parse(data: bytes) -> Whole | None:
    """The request that `data` is, no more and no less; None where that is for h11 to say."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    first, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(first)
    headers = _headers(lines)
    if request is None or headers is None:
        return None
    fields = dict(headers)
    if len(fields) < len(headers) or b"host" not in fields or not _NOT_PLAIN.isdisjoint(fields):
        return None
    length = fields.get(b"content-length", b"0")
    if _DIGITS.fullmatch(length) is None or int(length) != len(body):
        return None
    if fields.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return Whole(request[1].decode("ascii"), request[2], headers, body)


def _headers(lines: Iterable[bytes]) -> list[Header] | None:
    headers = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        headers.append((header[1].lower(), header[2] or b""))
    return headers


@lru_cache(maxsize=1)
def date(second: int) -> Header:
    """The header that says when an answer was made, Unix time."""
    return b"date", formatdate(second, usegmt=True).encode("ascii")


def written(answer: DirectAnswer, more: Iterable[Header]) -> bytes:
    """The bytes of an answer with its headers and `more`, as h11 writes them. Raises ValueError for a broken header."""
    headers = [*answer.headers, *more]
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
        raise ValueError("a header of two lines")
    return b"HTTP/1.1 %d \r\n%b\r\n%b" % (answer.status, head, answer.body)
