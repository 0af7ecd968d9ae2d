"""Requests that are read without h11: what is taken is what h11 would have read, and the rest is left to it."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bottalk.http.direct import DirectAnswer
from bottalk.http.whole import Whole, parse, written
from tests.http.serving import EchoApp, serving
from tests.http.test_direct import Toy

HEAD = b"POST /k.send?a=1 HTTP/1.1\r\nHost: push.example.org\r\n"
CURL = HEAD + (
    b"User-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 7\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntitle=x"
)

ASKED = [b"GET / HTTP/1.1", b"POST /k.send?a=1 HTTP/1.1"]
STARTS = st.sampled_from([*ASKED * 4, b"POST / HTTP/1.0", b"PUT / HTTP/1.1", b"GET /"])
GOOD = st.sampled_from(
    [
        b"X-A:  b c ",
        b"X-A:",
        b"x-a: d",
        b"X-B: \xe4\xbd\xa0",
        b"Connection: Keep-Alive",
        b"Cookie: a=b;\tc",
    ]
)
ODD = st.sampled_from(
    [
        *(
            b"",
            b" folded",
            b"X A: b",
            b"X-A : b",
            b"X-\xc3\xa4: b",
            b"X-C: a\nb",
            b"X-C: a\rb",
            b"X-C: \0",
            b"X-C: \x0b",
            b"Host",
        ),
        *(b"X-C: \x85", b"Connection: close", b"Expect: 100-continue", b"Transfer-Encoding: chunked", b"Upgrade: h2c"),
        *(b"Content-Length: 3", b"Content-Length: 003", b"content-length: 3, 3", b"Content-Length: +3", b"\r\n"),
    ]
)
BODIES = st.sampled_from([b"", b"abc", b"title=\r\n\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Mostly plain ones, some with something odd in them."""
    body = draw(BODIES)
    lines = [b"Host: y"] if draw(st.integers(0, 9)) else []
    lines += draw(st.lists(GOOD, max_size=3))
    lines += [b"Content-Length: %d" % len(body)] if body and draw(st.integers(0, 9)) else []
    lines += [draw(ODD)] if draw(st.booleans()) else []
    end = draw(st.sampled_from([b"\r\n"] * 5 + [b"\n"]))
    return end.join([draw(STARTS), *draw(st.permutations(lines)), b"", body])


def by_h11(data: bytes) -> Whole | None:
    """The one request that h11 reads from `data`; None where it reads less, more, or finds fault."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    body = b""
    try:
        request = connection.next_event()
        if not isinstance(request, h11.Request):
            return None
        while isinstance(event := connection.next_event(), h11.Data):
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.EndOfMessage) or connection.trailing_data[0]:
        return None
    return Whole(request.method.decode(), request.target, list(request.headers), body)


@given(requests())
@example(CURL)
@example(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
@example(HEAD + b"Content-Length: 003\r\n\r\nabc")
def test_what_is_taken_is_what_h11_reads(data: bytes) -> None:
    taken = parse(data)
    if taken is not None:
        assert taken == by_h11(data)


def test_what_clients_send_is_taken() -> None:
    taken = parse(CURL)
    assert taken is not None
    assert (taken.method, taken.target, taken.body) == ("POST", b"/k.send?a=1", b"title=x")
    assert (b"user-agent", b"curl/7.88.1") in taken.headers
    assert parse(b"GET /k.send?title=x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n") is not None


@pytest.mark.parametrize(
    "data",
    [
        CURL[:-1],
        CURL + b"GET",
        CURL.replace(b"\r\n", b"\n"),
        CURL.replace(b"POST", b"HEAD"),
        CURL.replace(b"POST", b"OPTIONS"),
        CURL.replace(b"HTTP/1.1", b"HTTP/1.0"),
        CURL.replace(b"Host", b"X-Host"),
        CURL.replace(b"Accept: */*", b"Expect: 100-continue"),
        CURL.replace(b"Accept: */*", b"Connection: close"),
        CURL.replace(b"Accept: */*", b"Connection: keep-alive, upgrade"),
        CURL.replace(b"Accept: */*", b"Transfer-Encoding: chunked"),
        CURL.replace(b"Accept: */*", b"Upgrade: websocket"),
        CURL.replace(b"Accept: */*", b"Host: other"),
        CURL.replace(b"Accept: */*", b"Content-Length: 7"),
        CURL.replace(b"Content-Length: 7", b"Content-Length: +7"),
        CURL.replace(b"Content-Length: 7", b"Content-Length: 7777777777777777777777"),
        CURL.replace(b"Accept: */*", b"X-A: b\r\n folded"),
        CURL.replace(b"Accept: */*", b"X-A : b"),
        CURL.replace(b"Accept: */*", b"X-A: \x0bb"),
    ],
)
def test_whatever_is_not_plain_is_left_to_h11(data: bytes) -> None:
    assert parse(data) is None


def test_an_answer_never_has_a_line_more_than_headers() -> None:
    with pytest.raises(ValueError, match="two lines"):
        written(DirectAnswer(200, [(b"x", b"a\r\nb: c")], b""), [])
    with pytest.raises(ValueError, match="two lines"):
        written(DirectAnswer(200, [], b""), [(b"x", b"a\nb")])


async def test_the_answer_is_the_same_whichever_way_it_was_read() -> None:
    async with serving(EchoApp(), direct=Toy()) as served:
        client = await served.connect()
        data = CURL.replace(b"/k.send", b"/direct")
        answers = []
        for pieces in ([data], [data[:-3], data[-3:]], [data[:20], data[20:]], [data]):
            for piece in pieces:
                await client.send(piece)
            status, body, head = await client.answer()
            answers.append((status, body, [line for line in head.split(b"\r\n") if not line.startswith(b"date:")]))
        assert answers[0][:2] == (200, b"POST /direct a=1 title=x")
        assert answers == answers[:1] * 4
