"""Answers on the wire: the push API's `code`/`message`/`data`, the management API's `success`/`data`/`error`."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from quart import Response

from bottalk.clock import utc_text
from bottalk.errors import ALL_FAILED, CANNOT_SAVE, RETRY_AFTER_S, Refusal
from bottalk.service.pushes import PushAnswer, RowAnswer
from bottalk.values import Outcome, Reason, RowStatus, RowStory

_encode = msgspec.json.Encoder().encode

CONTENT_TYPE = "application/json; charset=utf-8"

# the strictest reason wins the sum: what the row says, what the sum says, and what to do now
_SUMS: tuple[tuple[Reason, str, str], ...] = (
    (Reason.CHANNEL_DEAD, "channel_dead", "微信登录已失效，请重新扫码绑定。消息已保存，绑定后自动补发。"),
    (
        Reason.ACCOUNT_RESTRICTED,
        "account_restricted",
        "该微信暂时只能接收、不能发送，请在微信里给机器人发一条消息；若仍不行，请重新扫码绑定。消息已保存。",
    ),
    (Reason.CONTEXT_EXPIRED, "context_expired", "请在微信里给机器人回复任意内容，已保存的消息会立即送达。"),
)
_TRANSIENT = ("transient", "暂时无法发送，请稍后重试。")


class Answer(Struct, frozen=True, gc=False):
    """A JSON answer before any framework: `headers` besides Content-Type."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def respond(answer: Answer) -> Response:
    """The answer as Quart's."""
    return Response(answer.body, answer.status, dict(answer.headers), content_type=CONTENT_TYPE)


def json(body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """A JSON answer, UTF-8 as it is."""
    return respond(Answer(_encode(body), status, headers))


# --- push API --------------------------------------------------------------------------------------------------------


def push(answer: PushAnswer) -> Answer:
    """What the caller of a push is told: by `code`, and with `strict` by the HTTP status too."""
    rate = _rate(answer)
    if answer.refusal is not None:
        text = answer.refusal.text.format(limit=answer.rate.limit) if answer.rate else ""
        refused = refusal(answer.refusal, strict=answer.strict, text=text)
        return Answer(refused.body, refused.status, (*refused.headers, *rate))
    code, message, constant = _sum(answer.rows)
    data: dict[str, Any] = {
        "errno": code,
        "error": constant,
        "pushid": str(answer.push_id),
        "readkey": answer.readkey.reveal() if answer.readkey else "",
        "results": [_row(row) for row in answer.rows],
    }
    if code:
        data["reason"], data["hint"] = _reason(answer.rows)
    status = _strict_status(code, message, answer.rows) if answer.strict else 200
    return Answer(_encode({"code": code, "message": message, "data": data}), status, rate)


def refusal(what: Refusal, *, strict: bool, text: str = "", status: int | None = None) -> Answer:
    """A push that was not kept. Bad input, a busy journal and bugs have their HTTP status whatever `strict` says."""
    always = what in (Refusal.BAD_INPUT, Refusal.BUSY, Refusal.BUG)
    body = {
        "code": what.code,
        "message": text or what.text,
        "data": {"errno": what.code, "error": what.constant, "results": []},
    }
    headers = (("Retry-After", str(RETRY_AFTER_S)),) if what is Refusal.BUSY else ()
    return Answer(_encode(body), status or (what.strict_status if strict or always else 200), headers)


def story(rows: Sequence[RowStory]) -> Answer:
    """`GET /push`: the present state of each row; `wxstatus` is the JSON text that Server酱's polling clients parse."""
    settled = next((row for row in rows if row.settled_at is not None), None)
    data = {"results": [_told(row) for row in rows], "wxstatus": _wxstatus(settled)}
    return Answer(_encode({"code": 0, "message": "", "data": data}))


def _rate(answer: PushAnswer) -> tuple[tuple[str, str], ...]:
    rate = answer.rate
    if rate is None:
        return ()
    told = (
        ("X-RateLimit-Limit", str(rate.limit)),
        ("X-RateLimit-Remaining", str(rate.remaining)),
        ("X-RateLimit-Reset", str(rate.resets_in)),
    )
    return told if rate.granted else (*told, ("Retry-After", str(rate.resets_in)))


def _sum(rows: Sequence[RowAnswer]) -> tuple[int, str, str]:
    states = {row.outcome.status for row in rows}
    if RowStatus.SUCCESS in states:
        return 0, "success", "SUCCESS"
    if RowStatus.QUEUED in states:
        return 0, "queued", "SUCCESS"
    return ALL_FAILED


def _strict_status(code: int, message: str, rows: Sequence[RowAnswer]) -> int:
    if code == 0:
        return 200 if message == "success" else 202
    return 202 if any(row.outcome.kept for row in rows) else 503


def _reason(rows: Sequence[RowAnswer]) -> tuple[str, str]:
    reasons = {row.outcome.reason for row in rows}
    for reason, word, hint in _SUMS:
        if reason in reasons:
            return word, hint
    return _TRANSIENT


def _row(row: RowAnswer) -> dict[str, Any]:
    found = {"channel_id": row.channel_id, **_outcome(row.outcome)}
    if row.window is not None:
        found["window"] = {"left": row.window.left, "closes_at": utc_text(row.window.closes_at)}
    return found


def _outcome(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"status": outcome.status}
    if outcome.status is RowStatus.FAILED:
        found["token_invalid"] = outcome.token_invalid
        found["ret_code"] = outcome.ret
    if outcome.reason is not None:
        found["reason"] = outcome.reason
    if outcome.kept:
        found["queued"] = True
    return found


def _told(row: RowStory) -> dict[str, Any]:
    return {
        "channel_id": row.channel_id,
        **_outcome(row.outcome),
        "created_at": utc_text(row.accepted_at),
        "settled_at": utc_text(row.settled_at) if row.settled_at is not None else None,
        "attempts": row.attempts,
    }


def _wxstatus(row: RowStory | None) -> str:
    if row is None:
        return ""
    if row.outcome.status is RowStatus.SUCCESS:
        return '{"errcode":0,"errmsg":"ok"}'
    told = {"errcode": row.outcome.ret or -1, "errmsg": row.outcome.reason or "failed"}
    return _encode(told).decode()


# --- management API --------------------------------------------------------------------------------------------------


def ok(data: object) -> Response:
    return json({"success": True, "data": data})


def error(text: str, status: int = 200) -> Response:
    return json({"success": False, "error": text}, status)


def nested_error(status: int, **data: object) -> Response:
    """The few channel routes that nest their error in `data`."""
    return json({"success": False, "data": data}, status)


def unauthorized() -> Response:
    return json({"error": "Unauthorized. Please log in."}, 401)


def cannot_save() -> Response:
    return json({"success": False, "error": CANNOT_SAVE}, 503, (("Retry-After", str(RETRY_AFTER_S)),))
