"""Faults that a test or the phone page arms: what goes wrong, at which call, how often."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from bottalk.sandbox.rules.parameters import Count, Seconds
from bottalk.sandbox.rules.wire import Answer, Rng, json_answer

Kind = Literal[
    "delay", "hang", "status", "reset", "garbage", "empty_body", "lost_answer", "lost_updates", "wrong_code",
    "refuse_connections", "dead_ip", "cursor_regression",
    "duplicate_inbound", "reorder_inbound", "future_time", "no_message_id", "echo_bot_message", "group_message",
    "unknown_item_type", "empty_item_list",
]  # fmt: skip
Garbage = Literal[
    "truncated", "html", "list", "null", "number", "string", "wrong_types", "invalid_utf8", "huge", "deep"
]
When = Literal["before", "after"]
StatusBody = Literal["html", "empty"]
Cut = Literal["first_byte", "headers", "body"]
CodeStyle = Literal["ret", "errcode", "both", "unequal"]
Ending = Literal["reset", "hang"]
Variant = Literal["same_id", "fresh_id", "fresh_token"]
INBOUND_KINDS = frozenset(
    {
        "duplicate_inbound", "future_time", "no_message_id", "echo_bot_message", "group_message", "unknown_item_type",
        "empty_item_list",
    }
)  # fmt: skip
"""Faults of what a person writes; they strike when it is written, not at a call."""
ANSWER_KINDS = frozenset({"lost_answer", "lost_updates", "cursor_regression", "reorder_inbound"})
"""Faults that need an answer of their own kind to strike: an accepted send, or an answer to a poll."""
DOWN_KINDS = frozenset({"refuse_connections", "dead_ip"})
HUGE_BODY_BYTES = 10_000_000
DEEP_NESTING = 100_000


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault. Without `times` and `seconds` it strikes once; `seconds` alone: every time until then.

    `endpoint` is the last part of the path (`sendmessage`, `notifystart`); None: every one. `user` and `token` narrow
    it to one person's bot. A `before` fault keeps the call from having any effect; with `after` the effect stands.
    """

    kind: Kind
    endpoint: str | None = None
    user: str | None = None
    token: str | None = None
    times: Count | None = None
    seconds: Seconds | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    when: When = "before"
    delay_s: Seconds = 5.0
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 503
    body: StatusBody = "html"
    retry_after: Count | None = None
    at: Cut = "first_byte"
    """Where a `reset` cuts the answer."""
    garbage: Garbage = "truncated"
    ret: int = -1
    style: CodeStyle = "ret"
    errmsg: str = "system error"
    ending: Ending = "reset"
    """How a `lost_answer` is lost."""
    variant: Variant = "same_id"
    cursor: Literal["older", "empty", "absent"] = "older"


@dataclass(slots=True)
class Armed:
    fault: Fault
    left: int | None
    until: float | None


def arm(fault: Fault, now: float) -> Armed:
    times = 1 if fault.times is None and fault.seconds is None else fault.times
    return Armed(fault, times, None if fault.seconds is None else now + fault.seconds)


def is_over(armed: Armed, now: float) -> bool:
    return armed.left == 0 or (armed.until is not None and now >= armed.until)


def take(
    faults: list[Armed],
    kinds: frozenset[str] | None,
    rng: Rng,
    now: float,
    *,
    endpoint: str | None = None,
    user: str | None = None,
    token: str | None = None,
    when: str | None = None,
) -> list[Fault]:
    """The faults that strike this call, in the order of arming; each strike is counted. `kinds` None: of any call."""
    faults[:] = [armed for armed in faults if not is_over(armed, now)]
    struck = []
    for armed in faults:
        fault = armed.fault
        is_kind = fault.kind in kinds if kinds is not None else _is_of_any_call(fault)
        if (
            is_kind
            and (when is None or fault.when == when)
            and (fault.endpoint is None or endpoint is None or fault.endpoint == endpoint)
            and fault.user in (None, user)
            and fault.token in (None, token)
            and (fault.probability >= 1 or rng.random() < fault.probability)
        ):
            if armed.left is not None:
                armed.left -= 1
            struck.append(fault)
    return struck


def _is_of_any_call(fault: Fault) -> bool:
    return fault.kind not in INBOUND_KINDS | ANSWER_KINDS | DOWN_KINDS


def status_answer(fault: Fault) -> Answer:
    headers = {"content-type": "text/html"}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    html = f"<html><body><h1>{fault.status}</h1></body></html>".encode()
    return Answer(fault.status, html if fault.body == "html" else b"", headers)


def wrong_code_answer(fault: Fault) -> Answer:
    body: dict[str, object] = {"errmsg": fault.errmsg}
    if fault.style in ("ret", "both", "unequal"):
        body["ret"] = fault.ret
    if fault.style in ("errcode", "both"):
        body["errcode"] = fault.ret
    if fault.style == "unequal":
        body["errcode"] = fault.ret - 1
    return json_answer(body)


def garbage_answer(kind: Garbage) -> Answer:
    """A 200 whose body no client can use."""
    match kind:
        case "truncated":
            body = b'{"ret":0,"message_id":74974840'
        case "html":
            return Answer(200, b"<html><body>upstream</body></html>", {"content-type": "text/html"})
        case "list":
            body = b"[]"
        case "null":
            body = b"null"
        case "number":
            body = b"0"
        case "string":
            body = b'"ok"'
        case "wrong_types":
            body = json.dumps(
                {"ret": "zero", "msgs": {"0": {}}, "get_updates_buf": 5, "message_id": [], "status": 1, "qrcode": {}}
            ).encode()
        case "invalid_utf8":
            body = b'{"ret":0,"errmsg":"\xff\xfe"}'
        case "huge":
            body = b'{"ret":0,"errmsg":"' + b"x" * HUGE_BODY_BYTES + b'"}'
        case "deep":
            body = b'{"ret":0,"msgs":' + b"[" * DEEP_NESTING + b"]" * DEEP_NESTING + b"}"
    return Answer(200, body)
