"""The id of the request that is being answered: it joins the lines of the log that tell one story.

A push's request id is in the line of its request beside the push's id; what actors do with its rows later is joined by
that one.
"""

import re
import secrets
from contextvars import ContextVar
from itertools import count

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Set where a request is answered in a task of its own; empty elsewhere."""

_FIT = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_run = secrets.token_hex(4)
_numbers = count(1)


def mint() -> str:
    """A new id: this process' own word and a number."""
    return f"{_run}-{next(_numbers):x}"


def taken_over(header: bytes | None) -> str:
    """What a trusted proxy says, where it fits into a line; else a new one."""
    return header.decode("ascii") if header is not None and _FIT.fullmatch(header) else mint()
