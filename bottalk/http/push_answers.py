"""What the push API answers: `code` and `message` for scripts, `data.results` with the truth about each row."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from bottalk.clock import utc_text, utc_text_or_none
from bottalk.errors import ALL_FAILED, Refusal
from bottalk.http.answers import RETRY_LATER, Answer, encode
from bottalk.service.pushes import PushAnswer, RowAnswer
from bottalk.values import Outcome, Reason, RowStatus, RowStory

# what to do now, by the reason of the whole push
_TRANSIENT = "transient"
_HINTS = {
    "channel_dead": "微信登录已失效，请重新扫码绑定。消息已保存，绑定后自动补发。",
    "account_restricted": "该微信暂时只能接收、不能发送，请在微信里给机器人发一条消息；"
    "若仍不行，请重新扫码绑定。消息已保存。",
    "context_expired": "请在微信里给机器人回复任意内容，已保存的消息会立即送达。",
    _TRANSIENT: "暂时无法发送，请稍后重试。",
}
_KEPT = {"success": (0, "success", "SUCCESS"), "queued": (0, "queued", "SUCCESS")}


class WindowBody(Struct, frozen=True):
    """How many messages may still go, and until when (UTC)."""

    left: int
    closes_at: str


class RowBody(Struct, frozen=True):
    """One channel's row. `queued`: the text is kept and will be delivered later. `ret_code`: iLink's own number."""

    channel_id: int
    status: RowStatus
    token_invalid: bool | UnsetType = UNSET
    ret_code: int | UnsetType | None = UNSET
    reason: Reason | UnsetType = UNSET
    queued: bool | UnsetType = UNSET
    window: WindowBody | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    settled_at: str | UnsetType | None = UNSET
    attempts: int | UnsetType = UNSET


class PushData(Struct, frozen=True):
    """`errno` and `error` repeat the outcome the way Server酱's clients test it."""

    errno: int
    error: str
    results: list[RowBody]
    pushid: str | UnsetType = UNSET
    readkey: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET


class PushBody(Struct, frozen=True):
    code: int
    message: str
    data: PushData


class StoryData(Struct, frozen=True):
    """`wxstatus`: JSON text, as Server酱's polling clients parse it; empty until the first channel has settled."""

    results: list[RowBody]
    wxstatus: str


class StoryBody(Struct, frozen=True):
    code: int
    message: str
    data: StoryData


class _WxStatus(Struct, frozen=True):
    errcode: int
    errmsg: str


def failed(rows: list[RowBody], pushid: str, readkey: str, reason: Reason | None = None) -> PushBody:
    """No channel has it: for the description."""
    code, message, constant = ALL_FAILED
    word = _TRANSIENT if reason is None or reason not in _HINTS else reason.value
    return PushBody(code, message, PushData(code, constant, rows, pushid, readkey, word, _HINTS[word]))


def push(answer: PushAnswer) -> Answer:
    """What the caller of a push is told: by `code`, and with `strict` by the HTTP status too."""
    rate = _rate(answer)
    if answer.refusal is not None:
        text = answer.refusal.text.format(limit=answer.rate.limit) if answer.rate else ""
        refused = refusal(answer.refusal, strict=answer.strict, text=text)
        return Answer(refused.body, refused.status, (*refused.headers, *rate))
    told, why = answer.told
    code, message, constant = _KEPT.get(told, ALL_FAILED)
    reason, hint = (why, _HINTS[why]) if code else (UNSET, UNSET)
    data = PushData(
        errno=code,
        error=constant,
        results=[_row(row) for row in answer.rows],
        pushid=str(answer.push_id),
        readkey=answer.readkey.reveal() if answer.readkey else "",
        reason=reason,
        hint=hint,
    )
    status = _strict_status(code, message, answer.rows) if answer.strict else 200
    return Answer(encode(PushBody(code, message, data)), status, rate)


def refusal(what: Refusal, *, strict: bool, text: str = "", status: int | None = None) -> Answer:
    """A push that was not kept. Bad input, a busy journal and bugs have their HTTP status whatever `strict` says."""
    always = what in (Refusal.BAD_INPUT, Refusal.BUSY, Refusal.BUG)
    body = PushBody(what.code, text or what.text, PushData(what.code, what.constant, []))
    headers = RETRY_LATER if what is Refusal.BUSY else ()
    return Answer(encode(body), status or (what.strict_status if strict or always else 200), headers)


def story(rows: Sequence[RowStory]) -> Answer:
    """`GET /push`: the present state of each row."""
    settled = next((row for row in rows if row.settled_at is not None), None)
    return Answer(encode(StoryBody(0, "", StoryData([_told(row) for row in rows], _wxstatus(settled)))))


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


def _strict_status(code: int, message: str, rows: Sequence[RowAnswer]) -> int:
    if code == 0:
        return 200 if message == "success" else 202
    return 202 if any(row.outcome.kept for row in rows) else 503


def _row(row: RowAnswer) -> RowBody:
    window = UNSET if row.window is None else WindowBody(row.window.left, utc_text(row.window.closes_at))
    failed = row.outcome.status is RowStatus.FAILED
    return RowBody(
        row.channel_id,
        row.outcome.status,
        token_invalid=row.outcome.token_invalid if failed else UNSET,
        ret_code=row.outcome.ret if failed else UNSET,
        reason=row.outcome.reason or UNSET,
        queued=row.outcome.kept or UNSET,
        window=window,
    )


def _told(row: RowStory) -> RowBody:
    outcome: Outcome = row.outcome
    failed = outcome.status is RowStatus.FAILED
    return RowBody(
        row.channel_id,
        outcome.status,
        token_invalid=outcome.token_invalid if failed else UNSET,
        ret_code=outcome.ret if failed else UNSET,
        reason=outcome.reason or UNSET,
        queued=outcome.kept or UNSET,
        created_at=utc_text(row.accepted_at),
        settled_at=utc_text_or_none(row.settled_at),
        attempts=row.attempts,
    )


def _wxstatus(row: RowStory | None) -> str:
    if row is None:
        return ""
    if row.outcome.status is RowStatus.SUCCESS:
        return encode(_WxStatus(0, "ok")).decode()
    return encode(_WxStatus(row.outcome.ret or -1, row.outcome.reason or "failed")).decode()
