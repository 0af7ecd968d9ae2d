"""A header line full of blanks is read in the time that any other takes, by h11 and without it."""

import re
import time
from collections.abc import Callable

import h11
import h11._abnf as h11_abnf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bottalk.http import whole
from bottalk.http.protocol import possessive

MANY = 60_000
NEVER = 300
"""Times as long as another head of its size: it is some ten thousand times where it is tried again from each blank."""

h11s = re.compile(h11_abnf.header_field.encode("ascii"))


def head(filling: bytes, end: bytes = b"") -> bytes:
    return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + filling * MANY + end + b"\r\n\r\n"


def by_h11(data: bytes) -> bool:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * MANY)
    connection.receive_data(data)
    try:
        return isinstance(connection.next_event(), h11.Request)
    except h11.RemoteProtocolError:
        return False


def in_trailers(data: bytes) -> bool:
    """The same lines behind a body in chunks."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * MANY)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    connection.receive_data(data.partition(b"\r\n")[2])
    connection.next_event()
    try:
        return isinstance(connection.next_event(), h11.EndOfMessage)
    except h11.RemoteProtocolError:
        return False


def without_h11(data: bytes) -> bool:
    return whole.parse(data) is not None


@pytest.mark.parametrize("read", [by_h11, in_trailers, without_h11])
def test_many_blanks_cost_no_more_than_many_letters(read: Callable[[bytes], bool]) -> None:
    def seconds(data: bytes, *, is_good: bool) -> float:
        began = time.perf_counter()
        assert read(data) is is_good
        return time.perf_counter() - began

    letters = max(seconds(head(b"x"), is_good=True) for _ in range(3))
    assert seconds(head(b" ", b"\x0b"), is_good=False) < NEVER * letters
    assert seconds(head(b"\t", b"x\x00"), is_good=False) < NEVER * letters


@given(st.lists(st.sampled_from([b"X", b":", b" ", b"\t", b"a", b"\x0b", b"\x80", b"\r"]), max_size=12).map(b"".join))
@example(b"X:")
@example(b"X:  a b  ")
@example(b"X: \t")
def test_it_takes_the_same_lines_for_the_same(line: bytes) -> None:
    found, theirs = possessive(h11s).fullmatch(line), h11s.fullmatch(line)
    assert (found and found.groupdict()) == (theirs and theirs.groupdict())
