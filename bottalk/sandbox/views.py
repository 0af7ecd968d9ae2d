"""What the control API and the phone page show, as plain JSON values. Ids are text: browsers round big numbers."""

from dataclasses import asdict
from typing import Any

import msgspec

from bottalk.sandbox.phone import Phone
from bottalk.sandbox.rules.qr import QrCode, QrState
from bottalk.sandbox.rules.record import Call, shortened
from bottalk.sandbox.rules.session import PhoneMessage, Session

View = dict[str, Any]


def user_view(phone: Phone, user: str) -> View:
    session = phone.session(user)
    return {
        "user": user,
        "bot": None if session is None else bot_view(phone, session),
        "window": phone.window(user),
        "silent_drop": phone.drops_silently(user),
        "typing": phone.is_typed_to(user),
        "received": len(phone.read(user)),
    }


def bot_view(phone: Phone, session: Session) -> View:
    conversation, parameters = session.conversation, phone.parameters
    opened_at = conversation.opened_at
    return {
        "bot_id": session.bot_id,
        "token": shortened(session.token),
        "user": session.user,
        "state": session.state(phone.now).value,
        "why_dead": session.why_dead if session.is_dead(phone.now) else "",
        "dies_at": session.dies_at,
        "created_at": session.created_at,
        "used": conversation.used,
        "quota": parameters.quota,
        "opened_at": opened_at,
        "closes_at": None if opened_at is None else opened_at + parameters.window_s,
        "penalty_until": conversation.penalty_until if conversation.in_penalty(phone.now) else None,
        "half_dead": session.half_dead,
        "backlogged": None if session.backlog is None else len(session.backlog),
        "notified": session.notified,
        "polls": len(session.polls),
        "max_concurrent_polls": session.max_concurrent_polls,
        "undelivered": session.inbox.end - session.inbox.handed,
    }


def code_view(phone: Phone, code: QrCode) -> View:
    return {
        "qrcode": code.qrcode,
        "public_id": code.public_id,
        "state": code.state.value,
        "user": code.user,
        "digits": code.digits if code.state is QrState.NEED_CODE else None,
        "created_at": code.created_at,
        "expires_at": code.created_at + phone.parameters.qr_ttl_s,
        "bot_id": code.bot_id,
    }


def message_view(message: PhoneMessage) -> View:
    return asdict(message)


def call_view(call: Call) -> View:
    return asdict(call)


def faults_view(phone: Phone) -> list[View]:
    return [msgspec.to_builtins(fault) for fault in phone.faults]


def screen_view(phone: Phone, user: str | None) -> View:
    """All that one look at the phone page needs."""
    codes = [code for code in phone.codes if not code.is_terminal]
    return {
        "now": phone.now,
        "users": [user_view(phone, each) for each in phone.users],
        "codes": [code_view(phone, code) for code in reversed(codes)],
        "chat": [message_view(message) for message in phone.chat(user)[-200:]] if user else [],
        "faults": faults_view(phone),
        "calls": [call_view(call) for call in list(phone.record.calls)[-30:]],
        "parameters": msgspec.to_builtins(phone.parameters),
    }
