"""`/api/channels`: bind a channel by a QR code, see how it stands."""

from quart import Blueprint, Response, request

from bottalk.clock import utc_text
from bottalk.errors import Invalid, TooManyCodes
from bottalk.http import answers, qr
from bottalk.http.fields import read
from bottalk.http.guard import Guard, client_address
from bottalk.messages import Binding, BindingState, NewCode
from bottalk.service.channels import Channels, ChannelView, NoCode, NotYours, TooManyChannels
from bottalk.service.sessions import Visitor
from bottalk.values import ChannelId, ChannelStatus, Secret

EXPIRE_TIME_S = 300


def blueprint(channels: Channels, guard: Guard, max_channels: int) -> Blueprint:
    routes = Blueprint("channels", __name__, url_prefix="/api/channels")

    @routes.post("/qrcode-public")
    async def qrcode_public() -> Response:
        await read(request)
        visitor, cookie = await guard.visitor_or_new(request)
        response = await _new_code(channels, visitor, public=True, max_channels=max_channels)
        if cookie is not None:
            cookie.put(response)
        return response

    @routes.post("/qrcode")
    async def qrcode() -> Response:
        visitor = await guard.visitor(request)
        if visitor is None or visitor.user is None:
            return answers.unauthorized()
        fields = await read(request)
        rebind = fields.number("rebind", 1, 2**53)
        rebind_id = None if rebind is None else ChannelId(int(rebind))
        return await _new_code(channels, visitor, public=False, max_channels=max_channels, rebind=rebind_id)

    @routes.get("/bind-status-public/<code>")
    async def bind_status_public(code: str) -> Response:
        return await _status(channels, await guard.visitor(request), code, public=True)

    @routes.get("/bind-status/<code>")
    async def bind_status(code: str) -> Response:
        visitor = await guard.visitor(request)
        if visitor is None or visitor.user is None:
            return answers.unauthorized()
        return await _status(channels, visitor, code, public=False)

    @routes.get("/")
    async def every() -> Response:
        visitor = await guard.visitor(request)
        if visitor is None or visitor.user is None:
            return answers.unauthorized()
        dead_too = bool((await read(request)).flag("all"))
        return answers.ok([shown(view) for view in channels.of(visitor.user.id, dead_too=dead_too)])

    @routes.get("/<number>/activation")
    async def activation(number: str) -> Response:
        visitor = await guard.visitor(request)
        if visitor is None or visitor.user is None:
            return answers.unauthorized()
        view = channels.one(visitor.user.id, channel_id(number))
        if view is None:
            return answers.nested_error(404, error="Channel not found")
        return answers.ok({"activated": view.channel.status is ChannelStatus.ACTIVE})

    return routes


def channel_id(number: str) -> ChannelId:
    """The id in a path; 0, which no channel has, for what is no number."""
    return ChannelId(int(number)) if number.isascii() and number.isdigit() and len(number) <= 18 else ChannelId(0)


def shown(view: ChannelView) -> dict[str, object]:
    """The channel object of the contract. Tokens never leave the daemon whole."""
    channel = view.channel
    return {
        "id": channel.id,
        "user_id": channel.user_id,
        "name": channel.name,
        "channel_type": "wechat_ilink",
        "wechat_openid": channel.wechat_openid,
        "bot_token": channel.bot_token.masked(),
        "context_token": channel.context_token.masked() if channel.context_token else None,
        "status": channel.status,
        "is_default": int(channel.is_default),
        "created_at": utc_text(channel.created_at),
        "inactive_reason": channel.inactive_reason,
        "can_login": int(channel.can_login),
        "health": {
            "level": view.health.level,
            "reason": view.health.cause,
            "since": _time(view.health.since),
            "advice": view.health.advice,
        },
        "last_inbound_at": _time(channel.last_inbound_at),
        "window": {"state": view.window_state, "left": view.left, "closes_at": _time(view.closes_at)},
        "queued": view.queued,
    }


def _time(when: float | None) -> str | None:
    return None if when is None else utc_text(when)


async def _new_code(
    channels: Channels, visitor: Visitor, *, public: bool, max_channels: int, rebind: ChannelId | None = None
) -> Response:
    try:
        code = await channels.new_code(visitor, client_address(request), public=public, rebind=rebind)
    except TooManyChannels:
        return answers.nested_error(400, error=f"Maximum {max_channels} channels allowed")
    except TooManyCodes:
        return answers.error("二维码请求过多，请稍后再试", 429)
    except NoCode:
        return answers.error("暂时无法从微信获取二维码，请稍后再试", 502)
    return answers.ok(_code(code))


def _code(code: NewCode) -> dict[str, object]:
    """iLink's answer passed through, and beside it what clients read: the handle, and what to draw."""
    return {
        **code.raw,
        "qrcode": code.binding.code.reveal(),
        "qrcode_url": code.url,
        "qr_url": code.url,
        "qr_image": qr.data_uri(code.url),
        "expire_time": EXPIRE_TIME_S,
    }


async def _status(channels: Channels, visitor: Visitor | None, code: str, *, public: bool) -> Response:
    digits = (await read(request)).text("verify_code", 20).strip()
    if digits and not (digits.isascii() and digits.isdigit()):
        raise Invalid("verify_code 必须是数字")
    try:
        binding = channels.binding(code, visitor, public=public, digits=Secret(digits) if digits else None)
    except NotYours:
        return answers.nested_error(403, error="Session mismatch")
    return _binding(binding)


def _binding(binding: Binding | None) -> Response:
    if binding is None:
        return answers.ok({"status": BindingState.EXPIRED.value})
    if binding.state is BindingState.DONE:
        return answers.ok(dict(binding.result or {}))
    if binding.state is BindingState.REFUSED:
        result = dict(binding.result or {})
        return answers.nested_error(200 if "message" in result else 400, **result)
    return answers.ok({"status": binding.state.value})
