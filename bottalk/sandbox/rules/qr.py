"""The life of one QR code, from `get_bot_qrcode` to a terminal state."""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.wire import Rng, hex_text, opaque_text

UPGRADE_TEXT = "请升级 OpenClaw 微信接口后再扫码 (please upgrade the OpenClaw WeChat interface)"
NEED_CODE_AGAIN_S = 1.0
"""A client that was told `need_verifycode` and asks again without a code is answered after this pause."""


class QrState(StrEnum):
    WAIT = "wait"
    NEED_CODE = "need_code"
    SCANNED = "scanned"
    CONFIRMED = "confirmed"
    BLOCKED = "blocked"
    BOUND = "bound"
    EXPIRED = "expired"


TERMINAL = frozenset({QrState.CONFIRMED, QrState.BLOCKED, QrState.BOUND, QrState.EXPIRED})


@dataclass(slots=True)
class QrCode:
    """`qrcode` is the secret handle of the status call, `public_id` the part of the link that the picture shows."""

    qrcode: str
    public_id: str
    created_at: float
    client_version: int
    local_tokens: tuple[str, ...]
    state: QrState = QrState.WAIT
    user: str | None = None
    digits: str | None = None
    tries: int = 0
    redirect_host: str | None = None
    told: QrState | None = None
    """The last state that a status call heard: SCANNED is told once at once, then held."""
    bot_token: str | None = None
    bot_id: str | None = None

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What the phone shows after a scan. `digits` are the pairing digits to be typed into the client."""

    ok: bool
    state: str
    text: str
    digits: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """An answer to a status call, or None with the time until which the call is held."""

    body: dict[str, Any] | None
    until: float = 0.0


@dataclass(slots=True)
class StatusCall:
    """One waiting `get_qrcode_status`."""

    host: str
    base_url: str
    began_at: float
    verify_code: str | None = None
    heard: QrState | None = None
    """The state told before this call began."""


def version_number(text: str) -> int:
    """`2.4.9` as the header's number: `major<<16 | minor<<8 | patch`."""
    major, minor, patch = (int(part) for part in text.split("."))
    return major << 16 | minor << 8 | patch


def new_code(now: float, rng: Rng, client_version: int, local_tokens: tuple[str, ...]) -> QrCode:
    return QrCode(hex_text(rng, 32), opaque_text(rng, 6), now, client_version, local_tokens)


def refresh(code: QrCode, parameters: Parameters, now: float) -> bool:
    """Let the code expire if it is its time; True if that changed it."""
    if not code.is_terminal and now - code.created_at >= parameters.qr_ttl_s:
        code.state = QrState.EXPIRED
        return True
    return False


def scan(code: QrCode, parameters: Parameters, rng: Rng, now: float, user: str, live_token: str | None) -> ScanResult:
    """`user` points the phone at the code. `live_token` is the token of the bot that this user has now, if any."""
    refresh(code, parameters, now)
    if code.state is not QrState.WAIT:
        return ScanResult(False, code.state, "二维码已失效或已被扫过 (code expired or already scanned)")
    if code.client_version < version_number(parameters.min_client_version):
        return ScanResult(False, code.state, UPGRADE_TEXT)
    code.user = user
    if live_token is not None and live_token in code.local_tokens:
        code.state = QrState.BOUND
        return ScanResult(True, code.state, "已绑定过这个客户端 (already bound to this client)")
    code.redirect_host = parameters.redirect_host
    if parameters.verify_code:
        code.state = QrState.NEED_CODE
        code.digits = f"{rng.randrange(0, 1_000_000):06d}"
        return ScanResult(True, code.state, "请在客户端输入这组数字 (type these digits into the client)", code.digits)
    code.state = QrState.SCANNED
    return ScanResult(True, code.state, "已扫码，请确认 (scanned, confirm now)")


def enter_verify(code: QrCode, parameters: Parameters, verify_code: str) -> bool:
    """The client sends digits. True: right, the code goes on as SCANNED; the last wrong try blocks it."""
    if code.state is not QrState.NEED_CODE or code.digits is None:
        return code.state in (QrState.SCANNED, QrState.CONFIRMED)
    if hmac.compare_digest(verify_code.encode(), code.digits.encode()):
        code.state = QrState.SCANNED
        return True
    code.tries += 1
    if code.tries >= parameters.verify_tries:
        code.state = QrState.BLOCKED
    return False


def confirm(code: QrCode, parameters: Parameters, now: float) -> str:
    """The user taps "confirm": the id of the user whose bot must now be made. Raises ValueError unless SCANNED."""
    refresh(code, parameters, now)
    if code.state is not QrState.SCANNED or code.user is None:
        raise ValueError(f"a code in state {code.state} cannot be confirmed")
    code.state = QrState.CONFIRMED
    return code.user


def cancel(code: QrCode, parameters: Parameters, now: float) -> None:
    """The user taps "cancel". A terminal code stays what it is."""
    refresh(code, parameters, now)
    if not code.is_terminal:
        code.state = QrState.EXPIRED


def status(code: QrCode, parameters: Parameters, call: StatusCall, now: float) -> Status:
    """One look at a waiting status call: its answer, or how long it is to be held at most."""
    refresh(code, parameters, now)
    digits, call.verify_code = call.verify_code, None
    if digits is not None and code.state is not QrState.WAIT:
        enter_verify(code, parameters, digits)
        return _tell(code, call)
    if code.is_terminal or _is_elsewhere(code, call):
        return _tell(code, call)
    told_before = code.state is call.heard
    hold_s = NEED_CODE_AGAIN_S if code.state is QrState.NEED_CODE and told_before else parameters.hold_s
    is_news = code.state is not QrState.WAIT and not told_before
    if is_news or now >= call.began_at + hold_s:
        return _tell(code, call)
    return Status(None, min(call.began_at + hold_s, code.created_at + parameters.qr_ttl_s))


def _is_elsewhere(code: QrCode, call: StatusCall) -> bool:
    """After a scan that redirects, this is not the host that goes on with the code."""
    return (
        code.redirect_host is not None
        and call.host != code.redirect_host
        and code.state in (QrState.SCANNED, QrState.CONFIRMED)
    )


def _tell(code: QrCode, call: StatusCall) -> Status:
    is_elsewhere = _is_elsewhere(code, call)
    if not is_elsewhere:
        code.told = code.state
    match code.state:
        case QrState.WAIT:
            return Status({"ret": 0, "status": "wait"})
        case QrState.NEED_CODE:
            return Status({"ret": 0, "status": "need_verifycode"})
        case QrState.BLOCKED:
            return Status({"ret": 0, "status": "verify_code_blocked"})
        case QrState.BOUND:
            return Status({"ret": 0, "status": "binded_redirect"})
        case QrState.EXPIRED:
            return Status({"ret": 0, "status": "expired"})
        case _ if is_elsewhere:
            return Status({"ret": 0, "status": "scaned_but_redirect", "redirect_host": code.redirect_host})
        case QrState.SCANNED:
            return Status({"ret": 0, "status": "scaned"})
    return Status(
        {
            "ret": 0,
            "status": "confirmed",
            "bot_token": code.bot_token,
            "ilink_bot_id": code.bot_id,
            "ilink_user_id": code.user,
            "baseurl": call.base_url,
        }
    )
