"""sendmessage: the checks in the order in which iLink makes them, and what an accepted message does."""

from dataclasses import dataclass
from typing import Any

from bottalk.sandbox.rules import conversation
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.session import PhoneMessage, Session, SessionState
from bottalk.sandbox.rules.wire import Answer, big_id, json_answer, not_now, refused, stale_token
from bottalk.sandbox.rules.world import World, person, settle, show

_LABELS = {2: "[图片]", 3: "[语音]", 4: "[文件]", 5: "[视频]"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, and for the record how the call went and why."""

    answer: Answer
    outcome: str = "ok"
    why: str = ""


def sendmessage(world: World, session: Session, body: dict[str, Any], now: float) -> Outcome:
    """Steps 3 to 10 of a send, for a token that is known."""
    parameters = world.parameters
    settle(world, session, now)
    state = session.state(now)
    if state in (SessionState.DEAD, SessionState.DOZING, SessionState.HALF_DEAD):
        return Outcome(stale_token(parameters), "refused", state.value)
    message = _dict(body.get("msg"))
    if message.get("to_user_id") != session.user:
        return Outcome(refused(-3, "invalid arguments"), "refused", "recipient")
    text = _text_of(message)
    if not text or len(text.encode(errors="surrogatepass")) > parameters.max_text_bytes:
        return Outcome(not_now(parameters), "refused", "size")
    token = message.get("context_token") if isinstance(message.get("context_token"), str) else None
    why = conversation.refusal(
        session.conversation,
        parameters,
        now,
        token=token,
        token_fits=_token_fits(world, session, token),
        notified=session.notified,
    )
    if why is not None:
        return Outcome(not_now(parameters), "refused", why)
    client_id = str(message.get("client_id", ""))
    if parameters.dup_client_id == "dedupe" and client_id in session.conversation.accepted:
        return Outcome(session.conversation.accepted[client_id], "ok", "dedupe")
    return _accept(world, session, text, client_id, token, now)


def _accept(world: World, session: Session, text: str, client_id: str, token: str | None, now: float) -> Outcome:
    parameters = world.parameters
    conversation.spend(session.conversation, parameters, now, token)
    world.audit.sent(session, parameters, now, token)
    is_silent = person(world, session.user).silent_drop
    why = ""
    if parameters.context_check == "drop" and token is None:
        world.audit.dropped[session.user] += 1
        answer, why = Answer(200, b""), "drop"
    else:
        message_id = big_id(world.rng)
        shown = text if parameters.truncate_at is None else text[: parameters.truncate_at]
        show(world, session, PhoneMessage(shown, now, client_id, str(message_id), session.bot_id))
        if is_silent:
            answer, why = json_answer({"ret": 0}), "silent_drop"
        else:
            answer = _success(parameters, message_id)
            why = "backlog" if session.backlog is not None else ""
    conversation.remember_answer(session.conversation, client_id, answer)
    return Outcome(answer, "ok", why)


def _success(parameters: Parameters, message_id: int) -> Answer:
    match parameters.id_style:
        case "number":
            return json_answer({"ret": 0, "message_id": message_id})
        case "string":
            return json_answer({"ret": 0, "message_id": str(message_id)})
        case "none":
            return json_answer({"ret": 0})
        case "empty_object":
            return json_answer({})
        case "empty_body":
            return Answer(200, b"")


def _token_fits(world: World, session: Session, token: str | None) -> bool:
    match world.parameters.context_check:
        case "lenient" | "drop":
            return True
        case "strict":
            return token is not None and token == session.conversation.latest_token
        case "known":
            mine = person(world, session.user).tokens
            return any(token in world.sessions[bot].conversation.tokens for bot in mine)


def _text_of(message: dict[str, Any]) -> str:
    """What the phone shows for this message; empty if there is nothing to show."""
    items = message.get("item_list")
    item = _dict(items[0]) if isinstance(items, list) and items else {}
    if item.get("type") != 1:
        return _LABELS.get(item.get("type", 0), "[消息]") if item else ""
    text = _dict(item.get("text_item")).get("text")
    return text if isinstance(text, str) else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
