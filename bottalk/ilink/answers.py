"""Reads the bodies of iLink's answers (protocol notes §2 to §5).

Strict where the whole answer stands or falls (`ret`, `msgs`, the credentials), lenient inside one message: iLink does
not hand a message out twice, so an odd field must not cost the message.
"""

import re
from typing import Any

import msgspec

from bottalk.ilink.errors import IlinkMalformed, IlinkRefused
from bottalk.ilink.headers import is_sendable
from bottalk.ilink.hosts import HostRule
from bottalk.ilink.shapes import Confirmed, Inbound, QrCode, QrState, QrStatus, Updates
from bottalk.values import Secret

MAX_HOLD = 300.0
"""Seconds; a longer hint of how long a poll is held is cut to this."""

LONGEST_URL = 1_500
"""Bytes; a QR code as we draw it takes 2,331, and a phone reads far fewer."""

_LABELS = {1: "text", 2: "image", 3: "voice", 4: "file", 5: "video", 11: "tool", 12: "tool"}
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair is well
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def qr_code(body: bytes) -> QrCode:
    answer = _answer(body)
    qrcode, url = _text(answer, "qrcode"), _text(answer, "qrcode_img_content")
    if not qrcode or not url:
        raise IlinkMalformed("a QR answer without code or address")
    if len(url.encode()) > LONGEST_URL:
        raise IlinkMalformed("a QR answer with an address that no QR code holds")
    return QrCode(Secret(qrcode), url, answer)


def qr_status(body: bytes, rule: HostRule, hide: tuple[Secret, ...] = ()) -> QrStatus:
    """Raises IlinkMalformed for `confirmed` without token, bot id or user id."""
    answer = _answer(body, hide)
    word = answer.get("status")
    if word is not None and not isinstance(word, str):
        raise IlinkMalformed("status is no text")
    status = word or ""
    state = QrState(status) if status in _STATES else QrState.UNKNOWN
    if state is QrState.CONFIRMED:
        return QrStatus(state, confirmed=_confirmed(answer, rule), status=status)
    if state is QrState.REDIRECT:
        named = rule.redirect(_text(answer, "redirect_host"))
        return QrStatus(state, redirect_host=named.authority if named else None, status=status)
    return QrStatus(state, status=status)


_STATES = frozenset(QrState) - {QrState.UNKNOWN}


def _confirmed(answer: dict[str, Any], rule: HostRule) -> Confirmed:
    token = (_text(answer, "bot_token") or "").strip()
    bot_id, user_id = _text(answer, "ilink_bot_id"), _text(answer, "ilink_user_id")
    if not is_sendable(token) or not bot_id or not user_id:
        raise IlinkMalformed("confirmed without token, bot id or user id")
    return Confirmed(Secret(token), bot_id, user_id, rule.base(_text(answer, "baseurl") or "").base_url)


def updates(body: bytes, hide: tuple[Secret, ...] = ()) -> Updates:
    answer = _answer(body, hide)
    entries, cursor = answer.get("msgs"), answer.get("get_updates_buf")
    if entries is not None and not isinstance(entries, list):
        raise IlinkMalformed("msgs is no list")
    if cursor is not None and not isinstance(cursor, str):
        raise IlinkMalformed("get_updates_buf is no text")
    hint = _number(answer.get("longpolling_timeout_ms"))
    messages = [_inbound(entry) for entry in entries or () if isinstance(entry, dict)]
    return Updates(
        messages=tuple(messages),
        cursor=cursor or None,
        next_timeout_s=min(hint / 1000, MAX_HOLD) if hint else None,
        unreadable=len(entries or ()) - len(messages),
    )


def sent_message_id(body: bytes, hide: tuple[Secret, ...]) -> str | None:
    """The id of a message that iLink accepted; None: accepted without one (an empty body too)."""
    return _id(_answer(body, hide, or_empty=True).get("message_id"))


def accepted(body: bytes, hide: tuple[Secret, ...], *, or_empty: bool) -> None:
    """Of a call that tells nothing but success. `or_empty`: an empty body is one."""
    _answer(body, hide, or_empty=or_empty)


def _answer(body: bytes, hide: tuple[Secret, ...] = (), *, or_empty: bool = False) -> dict[str, Any]:
    """The JSON object of a successful answer. Raises IlinkRefused for a non-zero number in it, or IlinkMalformed."""
    if or_empty and not body.strip():
        return {}
    answer = _decode(body)
    if not isinstance(answer, dict):
        raise IlinkMalformed("not a JSON object")
    ret = _code(answer, "errcode") or _code(answer, "ret")
    if ret:
        raise IlinkRefused(ret, _text(answer, "errmsg") or "", hide)
    return answer


def _decode(body: bytes) -> object:
    try:
        try:
            return msgspec.json.decode(body)
        except msgspec.DecodeError:
            # A lone surrogate (a text cut inside an emoji) must not cost the whole answer.
            mended = _SURROGATES.sub(lambda m: rb"\ufffd" if m["lone"] else m[0], body)
            if mended == body:
                raise
            return msgspec.json.decode(mended)
    except UnicodeDecodeError:
        raise IlinkMalformed("not UTF-8") from None
    except msgspec.DecodeError:
        raise IlinkMalformed("not JSON") from None
    except RecursionError:
        raise IlinkMalformed("nested too deep") from None


def _code(answer: dict[str, Any], name: str) -> int:
    value = answer.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise IlinkMalformed(f"{name} is no integer")
    return value


def _inbound(entry: dict[str, Any]) -> Inbound:
    listed = entry.get("item_list")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    context_token = _text(entry, "context_token")
    kind = entry.get("message_type")
    return Inbound(
        from_user_id=_text(entry, "from_user_id") or "",
        to_user_id=_text(entry, "to_user_id") or "",
        group_id=_text(entry, "group_id") or "",
        message_id=_id(entry.get("message_id")),
        client_id=_id(entry.get("client_id")),
        seq=_id(entry.get("seq")),
        created_ms=_number(entry.get("create_time_ms")),
        kind=kind if isinstance(kind, int) else None,
        context_token=Secret(context_token) if context_token else None,
        text=_said(items, "text_item") or _said(items, "voice_item"),
        label=_label(items[0]) if items else "empty",
        quotes=any(item.get("ref_msg") for item in items),
    )


def _said(items: list[dict[str, Any]], key: str) -> str:
    """The first text in the items' `key`."""
    for item in items:
        part = item.get(key)
        if isinstance(part, dict) and (text := _text(part, "text")):
            return text
    return ""


def _label(item: dict[str, Any]) -> str:
    kind = item.get("type")
    return _LABELS.get(kind, "other") if isinstance(kind, int) else "other"


def _text(of: dict[str, Any], name: str) -> str | None:
    value = of.get(name)
    return value if isinstance(value, str) else None


def _id(value: object) -> str | None:
    """An id as text; None without one (0 is protobuf's "not set"), or for a fraction, which has lost digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value else None
    return value if isinstance(value, str) and value not in ("", "0") else None


def _number(value: object) -> int | None:
    """A positive integer, as a number or in digits."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63 else None
