"""The request checks: a test aid that finds a client which does not speak the protocol as written."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bottalk.sandbox.rules.session import Session
from bottalk.sandbox.rules.wire import Request
from bottalk.sandbox.rules.world import World

MAX_LOCAL_TOKENS = 10
MAX_BOT_AGENT_BYTES = 256
UIN_RUN_REFUSED = 3


def violation(world: World, endpoint: str, session: Session | None, request: Request, body: object) -> str | None:
    """Which rule of the protocol this request breaks, in words; None if none. `body`: its parsed JSON."""
    expected = "GET" if endpoint == "get_qrcode_status" else "POST"
    is_old_form = endpoint == "get_bot_qrcode" and request.method == "GET"
    if request.method != expected and not is_old_form:
        return f"{request.method} instead of {expected}"
    found = _check_ilink_headers(request.headers)
    if found or request.method == "GET":
        return found or _check_get(endpoint, request)
    found = _check_post_headers(endpoint, request.headers) or _check_uin(world, session, request.headers)
    if found:
        return found
    if not isinstance(body, dict):
        return "the body is not a JSON object"
    if endpoint == "get_bot_qrcode":
        return _check_get_bot_qrcode(request, body)
    return _check_base_info(body) or _check_body(endpoint, session, body)


def _check_ilink_headers(headers: Mapping[str, str]) -> str | None:
    if not headers.get("ilink-app-id"):
        return "no iLink-App-Id"
    if not headers.get("ilink-app-clientversion", "").isdecimal():
        return "iLink-App-ClientVersion is not a decimal number"
    if headers.get("skroutetag") == "":
        return "empty SKRouteTag"
    return None


def _check_get(endpoint: str, request: Request) -> str | None:
    if endpoint == "get_bot_qrcode":
        return None if request.query.get("bot_type") == "3" else "bot_type is not 3"
    for name in ("authorization", "authorizationtype", "x-wechat-uin"):
        if name in request.headers:
            return f"{name} on get_qrcode_status"
    return None if request.query.get("qrcode") else "no qrcode in the query"


def _check_post_headers(endpoint: str, headers: Mapping[str, str]) -> str | None:
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return "Content-Type is not application/json"
    if headers.get("authorizationtype") != "ilink_bot_token":
        return "AuthorizationType is not ilink_bot_token"
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return "neither Content-Length nor Transfer-Encoding"
    authorization = headers.get("authorization")
    if endpoint == "get_bot_qrcode":
        return None if authorization is None else "Authorization on get_bot_qrcode"
    if authorization is not None and not authorization.startswith("Bearer "):
        return "Authorization is not a Bearer"
    return None


def _check_uin(world: World, session: Session | None, headers: Mapping[str, str]) -> str | None:
    uin = headers.get("x-wechat-uin", "")
    try:
        digits = base64.b64decode(uin, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return "X-WECHAT-UIN is not Base64 of digits"
    if not digits.isdecimal() or int(digits) >= 2**32 or str(int(digits)) != digits:
        return "X-WECHAT-UIN is not a decimal uint32"
    owner = session or world
    owner.uin_run = owner.uin_run + 1 if owner.last_uin == uin else 1
    owner.last_uin = uin
    return "the same X-WECHAT-UIN three times running" if owner.uin_run >= UIN_RUN_REFUSED else None


def _check_get_bot_qrcode(request: Request, body: dict[str, Any]) -> str | None:
    if request.query.get("bot_type") != "3":
        return "bot_type is not 3"
    tokens = body.get("local_token_list")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return "local_token_list is not a list of strings"
    return "more than 10 tokens in local_token_list" if len(tokens) > MAX_LOCAL_TOKENS else None


def _check_base_info(body: dict[str, Any]) -> str | None:
    base_info = body.get("base_info")
    if not isinstance(base_info, dict):
        return "no base_info"
    if not isinstance(base_info.get("channel_version"), str) or not base_info["channel_version"]:
        return "no base_info.channel_version"
    agent = base_info.get("bot_agent", "")
    if not isinstance(agent, str) or len(agent.encode(errors="replace")) > MAX_BOT_AGENT_BYTES:
        return "base_info.bot_agent is not a text of at most 256 bytes"
    return None


def _check_body(endpoint: str, session: Session | None, body: dict[str, Any]) -> str | None:
    match endpoint:
        case "getupdates":
            return None if isinstance(body.get("get_updates_buf"), str) else "get_updates_buf is not a string"
        case "sendmessage":
            return _check_message(session, body.get("msg"))
        case "getconfig":
            return None if isinstance(body.get("ilink_user_id"), str) else "no ilink_user_id"
        case "sendtyping":
            if not isinstance(body.get("ilink_user_id"), str) or not isinstance(body.get("typing_ticket"), str):
                return "no ilink_user_id or typing_ticket"
            return None if body.get("status") in (1, 2) else "status is neither 1 nor 2"
        case "getuploadurl":
            missing = {"filekey", "media_type", "to_user_id", "rawsize", "rawfilemd5", "filesize", "aeskey"} - set(body)
            return f"missing: {', '.join(sorted(missing))}" if missing else None
    return None


def _check_message(session: Session | None, message: object) -> str | None:
    if not isinstance(message, dict):
        return "msg is not an object"
    if message.get("message_type") != 2 or message.get("message_state") != 2:
        return "message_type or message_state is not 2"
    if not isinstance(message.get("client_id"), str) or not message["client_id"]:
        return "no client_id"
    if message.get("from_user_id", "") not in ("", session.bot_id if session else ""):
        return "from_user_id is neither empty nor the bot"
    if not isinstance(message.get("to_user_id"), str):
        return "to_user_id is not a string"
    if "context_token" in message and not isinstance(message["context_token"], str):
        return "context_token is not a string"
    items = message.get("item_list", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return "item_list is not a list of objects"
    return "more than one item in item_list" if len(items) > 1 else None
