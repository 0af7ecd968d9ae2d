"""What happens when a person writes to the bot."""

from typing import Any

from bottalk.sandbox.rules import conversation, faults, inbox
from bottalk.sandbox.rules.faults import INBOUND_KINDS, Fault
from bottalk.sandbox.rules.session import PhoneMessage, Session
from bottalk.sandbox.rules.wire import big_id, hex_text, opaque_text
from bottalk.sandbox.rules.world import World, live_session, person, settle

DUPLICATE_AFTER_S = (1, 11)
"""When a duplicate comes, in whole seconds after the first copy."""
AHEAD_MS = 86_400_000
CONTEXT_TOKEN_CHARACTERS = 130


def write(world: World, user: str, text: str, item: dict[str, Any] | None, now: float) -> bool:
    """`user` writes `text`, or sends `item` instead. False: nobody is there to get it, and it is lost.

    The conversation opens at this moment; the client learns of it with its next answered poll.
    """
    someone = person(world, user)
    session = live_session(world, user, now)
    if session is None:
        someone.chat.append(
            PhoneMessage(text, now, from_bot=False, note="未送达：机器人已失效 (lost: the bot is dead)")
        )
        return False
    settle(world, session, now)
    someone.chat.append(PhoneMessage(text, now, from_bot=False, bot_id=session.bot_id))
    struck = faults.take(world.faults, INBOUND_KINDS, world.rng, now, endpoint="write", user=user, token=session.token)
    message = _message(world, session, item or {"type": 1, "text_item": {"text": text}}, now)
    for fault in struck:
        _disturb(world, session, message, fault)
    if not message["group_id"]:
        conversation.open_window(session.conversation, message["context_token"], now)
        world.audit.inbound(session, message["context_token"], now)
    inbox.put(session.inbox, message)
    _duplicate(world, session, message, struck, now)
    world.to_wake.append(session.token)
    return True


def _message(world: World, session: Session, item: dict[str, Any], now: float) -> dict[str, Any]:
    session.seq += 1
    at_ms = round(now * 1000)
    return {
        "seq": session.seq,
        "message_id": big_id(world.rng),
        "from_user_id": session.user,
        "to_user_id": session.bot_id,
        "client_id": hex_text(world.rng, 16),
        "create_time_ms": at_ms,
        "update_time_ms": at_ms,
        "session_id": f"{session.user}#{session.bot_id}",
        "group_id": "",
        "message_type": 1,
        "message_state": 2,
        "context_token": f"AARzJW{opaque_text(world.rng, CONTEXT_TOKEN_CHARACTERS)}",
        "item_list": [item],
    }


def _disturb(world: World, session: Session, message: dict[str, Any], fault: Fault) -> None:
    match fault.kind:
        case "future_time":
            message["create_time_ms"] += AHEAD_MS
        case "no_message_id":
            message.pop("message_id", None)
        case "group_message":
            message["group_id"] = f"{hex_text(world.rng, 10)}@chatroom"
        case "unknown_item_type":
            message["item_list"] = [{"type": 99, "hologram_item": {"url": "x"}}]
        case "empty_item_list":
            message["item_list"] = []
        case "echo_bot_message":
            echo = _message(
                world, session, {"type": 1, "text_item": {"text": "echo"}}, message["create_time_ms"] / 1000
            )
            echo |= {"message_type": 2, "from_user_id": session.bot_id, "to_user_id": session.user}
            del echo["context_token"]
            inbox.put(session.inbox, echo)


def _duplicate(world: World, session: Session, message: dict[str, Any], struck: list[Fault], now: float) -> None:
    variants: list[str] = [fault.variant for fault in struck if fault.kind == "duplicate_inbound"]
    rate = world.parameters.inbound_dup
    if rate > 0 and world.rng.random() < rate:
        variants.append(world.parameters.inbound_dup_kind)
    for variant in variants:
        copy = dict(message)
        if variant == "fresh_id" and "message_id" in copy:
            copy["message_id"] = big_id(world.rng)
        elif variant == "fresh_token":
            copy["context_token"] = f"AARzJW{opaque_text(world.rng, CONTEXT_TOKEN_CHARACTERS)}"
        if "message_id" in copy:
            world.audit.duplicate_armed(session, copy["message_id"])
        first, last = DUPLICATE_AFTER_S
        inbox.put_later(session.inbox, copy, now + world.rng.randrange(first, last + 1))
