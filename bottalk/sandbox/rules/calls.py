"""The calls that wait for nothing: fetching a code, notify, getconfig, typing, uploads."""

from typing import Any

from bottalk.sandbox.rules import conversation, qr
from bottalk.sandbox.rules.sending import Outcome
from bottalk.sandbox.rules.session import Session, SessionState
from bottalk.sandbox.rules.wire import Request, hex_text, json_answer, not_now, opaque_text, refused, stale_token
from bottalk.sandbox.rules.world import World, keep_code, person, settle


def get_bot_qrcode(world: World, request: Request, body: dict[str, Any], now: float) -> Outcome:
    """A new code, its link leading to the sandbox's own phone page."""
    version = request.headers.get("ilink-app-clientversion", "")
    tokens = body.get("local_token_list")
    code = qr.new_code(
        now,
        world.rng,
        int(version) if version.isdecimal() else 0,
        tuple(token for token in tokens if isinstance(token, str)) if isinstance(tokens, list) else (),
    )
    keep_code(world, code)
    link = f"{request.base_url}/q/{code.public_id}?qrcode={code.qrcode}&bot_type=3"
    return Outcome(json_answer({"ret": 0, "qrcode": code.qrcode, "qrcode_img_content": link}))


def session_call(world: World, endpoint: str, session: Session, body: dict[str, Any], now: float) -> Outcome:
    """One of the calls with a token that are neither polls nor sends."""
    settle(world, session, now)
    if endpoint == "notifystart" and session.state(now) is SessionState.DOZING:
        session.dozing_since = None
    state = session.state(now)
    if state in (SessionState.DEAD, SessionState.DOZING):
        return Outcome(stale_token(world.parameters), "refused", state.value)
    match endpoint:
        case "notifystart" | "notifystop":
            session.notified = endpoint == "notifystart"
            return Outcome(json_answer({"ret": 0}))
        case "getconfig":
            return _getconfig(world, session)
        case "sendtyping":
            person(world, session.user).is_typed_to = body.get("status") == 1
            return Outcome(json_answer({"ret": 0}))
    return _getuploadurl(world, session, body, now)


def _getconfig(world: World, session: Session) -> Outcome:
    if session.conversation.opened_at is None:
        return Outcome(refused(-4, "GetTypingTicket rpc failed"), "refused", "never_opened")
    return Outcome(json_answer({"ret": 0, "typing_ticket": opaque_text(world.rng, 24)}))


def _getuploadurl(world: World, session: Session, body: dict[str, Any], now: float) -> Outcome:
    """Upload references. There is no CDN behind them: the daemon sends no media."""
    if body.get("to_user_id") != session.user:
        return Outcome(refused(-1), "refused", "recipient")
    state = conversation.window(session.conversation.latest, world.parameters, now)
    if state is not conversation.Window.OPEN:
        return Outcome(not_now(world.parameters), "refused", state.value)
    answer = {"ret": 0, "upload_param": hex_text(world.rng, 64)}
    if not body.get("no_need_thumb"):
        answer["thumb_upload_param"] = hex_text(world.rng, 64)
    return Outcome(json_answer(answer))
