"""Answers on the wire, before any framework: the management API's `success` + `data` or `error`.

The push API's `code` + `message` + `data` are in `push_answers`.
"""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct
from quart import Response

from bottalk.errors import CANNOT_SAVE, RETRY_AFTER_S
from bottalk.values import Secret

T = TypeVar("T")

encode = msgspec.json.Encoder().encode

JSON = "application/json; charset=utf-8"

CORS = (
    ("Access-Control-Allow-Origin", "*"),
    (
        "Access-Control-Expose-Headers",
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After, X-Request-Id",
    ),
)
"""On every API answer: pages of any origin may push. Never with credentials, so a session is of no use to them."""
PREFLIGHT = (
    ("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key"),
    ("Access-Control-Max-Age", "86400"),
)
"""Besides `CORS`, on the answer to a browser that asks before it calls."""
RETRY_LATER = (("Retry-After", str(RETRY_AFTER_S)),)


class Answer(Struct, frozen=True, gc=False):
    """Status, body and headers (besides Content-Type)."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    session: Secret | None = None
    """The id of a session that was opened: its cookie goes out with the answer. An empty one takes the cookie back."""
    pieces: AsyncIterator[bytes] | None = None
    """Instead of `body`, where it may be too large to be made at once."""


# --- bodies that many routes answer with -----------------------------------------------------------------------------


class Ok(Struct, Generic[T], frozen=True):
    """The management API's success."""

    data: T
    success: bool = True


class Done(Struct, frozen=True):
    success: bool = True


class Failed(Struct, frozen=True):
    """The management API's failure, in words to show."""

    error: str
    success: bool = False


class Nested(Struct, Generic[T], frozen=True):
    """The few channel routes that nest their error in `data`."""

    data: T
    success: bool = False


class Refused(Struct, frozen=True):
    """What a route without a session answers."""

    error: str


# --- making them -----------------------------------------------------------------------------------------------------


def respond(answer: Answer) -> Response:
    """The answer as Quart's."""
    body = answer.body if answer.pieces is None else answer.pieces
    response = Response(body, answer.status, content_type=answer.content_type)
    if answer.pieces is not None:
        response.timeout = None  # a client that takes nothing for a while ends its connection all the same
    response.headers.extend(answer.headers)
    return response


def encoded(body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """JSON, UTF-8 as it is."""
    return Answer(encode(body), status, headers)


def ok(data: object) -> Answer:
    return encoded(Ok(data))


def failed(text: str, status: int = 200) -> Answer:
    return encoded(Failed(text), status)


def nested(data: object, status: int = 200) -> Answer:
    return encoded(Nested(data), status)


def denied(status: int) -> Answer:
    """401 without a session, 403 for what an account may not do."""
    return encoded(Refused("Unauthorized. Please log in."), 401) if status == 401 else failed("Forbidden", 403)


def cannot_save() -> Answer:
    return encoded(Failed(CANNOT_SAVE), 503, RETRY_LATER)
