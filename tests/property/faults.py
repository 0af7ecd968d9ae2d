"""Every fault of the protocol notes' §8.6, as this suite's lives meet them."""

from collections.abc import Iterator
from itertools import product
from typing import Literal

from bottalk.sandbox.rules.faults import Fault, Kind, When

CALLS = ("sendmessage", "getupdates", "notifystart", "get_qrcode_status")
DOWN: tuple[Kind, ...] = ("refuse_connections", "dead_ip")
BOTH: tuple[When, ...] = ("before", "after")
BROKEN_OFF: tuple[Literal["first_byte", "headers", "body"], ...] = ("first_byte", "headers", "body")


def every() -> Iterator[Fault]:
    """Shortest first: hypothesis shrinks towards the head of the list."""
    for endpoint in ("sendmessage", "getupdates"):
        yield from _hot(endpoint)
    for status in (500, 524, 401, 429):
        yield Fault(kind="status", status=status, endpoint="notifystart", times=2)
    for endpoint in ("notifystart", "notifystop", "get_qrcode_status", "get_bot_qrcode"):
        yield Fault(kind="hang", endpoint=endpoint)
        yield Fault(kind="reset", endpoint=endpoint)
        yield Fault(kind="garbage", garbage="wrong_types", endpoint=endpoint)
        yield Fault(kind="wrong_code", ret=-14, style="both", endpoint=endpoint)
    yield from _words()
    yield from _answers()
    for kind, seconds in product(DOWN, (2.0, 50.0, 900.0)):
        yield Fault(kind=kind, seconds=seconds)
    yield Fault(kind="delay", delay_s=4.0, seconds=60.0)
    yield Fault(kind="status", status=503, seconds=60.0, probability=0.5)
    yield Fault(kind="reset", at="body", when="after", seconds=60.0, probability=0.3)


def _hot(endpoint: str) -> Iterator[Fault]:
    """Of the two calls that everything hangs on."""
    for when, seconds in product(BOTH, (2.0, 20.0)):
        yield Fault(kind="delay", delay_s=seconds, when=when, endpoint=endpoint, times=2)
    for when in BOTH:
        yield Fault(kind="hang", when=when, endpoint=endpoint)
        yield Fault(kind="hang", when=when, endpoint=endpoint, times=4)
        for at in BROKEN_OFF:
            yield Fault(kind="reset", when=when, at=at, endpoint=endpoint, times=2)
    for status in (500, 502, 503, 504, 524, 429, 401, 403):
        yield Fault(kind="status", status=status, endpoint=endpoint, times=1)
    for status in (503, 504):
        yield Fault(kind="status", status=status, body="empty", endpoint=endpoint, times=6)
    yield Fault(kind="status", status=429, retry_after=7, endpoint=endpoint)
    for body in ("truncated", "html", "list", "null", "number", "string", "wrong_types", "invalid_utf8"):
        yield Fault(kind="garbage", garbage=body, endpoint=endpoint)
        yield Fault(kind="garbage", garbage=body, when="after", endpoint=endpoint)
    yield Fault(kind="garbage", garbage="deep", endpoint=endpoint)
    yield Fault(kind="garbage", garbage="huge", endpoint=endpoint)
    yield Fault(kind="empty_body", when="after", endpoint=endpoint)  # before a send it would be a silent drop
    for ret in (-1, -2, -3, -13, -14, 7):
        yield Fault(kind="wrong_code", ret=ret, endpoint=endpoint)
        yield Fault(kind="wrong_code", ret=ret, style="errcode", endpoint=endpoint, times=2)
    yield Fault(kind="wrong_code", ret=-1, style="unequal", endpoint=endpoint)
    yield Fault(kind="wrong_code", ret=-2, style="both", endpoint=endpoint, times=6)
    yield Fault(kind="wrong_code", ret=-1, endpoint=endpoint, times=6)


def _words() -> Iterator[Fault]:
    """Of what a person writes."""
    for variant in ("same_id", "fresh_id", "fresh_token"):
        yield Fault(kind="duplicate_inbound", variant=variant)
    for kind in (
        "future_time", "no_message_id", "echo_bot_message", "group_message", "unknown_item_type", "empty_item_list",
    ):  # fmt: skip
        yield Fault(kind=kind)


def _answers() -> Iterator[Fault]:
    """Of what an answer carries, or that it does not come."""
    for times in (1, 3):
        yield Fault(kind="lost_answer", endpoint="sendmessage", times=times)
        yield Fault(kind="lost_answer", endpoint="sendmessage", ending="hang", times=times)
        yield Fault(kind="lost_updates", endpoint="getupdates", times=times)
    for cursor in ("older", "empty", "absent"):
        yield Fault(kind="cursor_regression", cursor=cursor, times=2)
    yield Fault(kind="reorder_inbound", times=2)


FAULTS: tuple[Fault, ...] = tuple(every())
