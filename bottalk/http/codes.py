"""QR codes, which bind channels: ask for one, follow its scan. `/api/channels/qrcode…` and `…/bind-status…`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from bottalk.errors import TooManyCodes
from bottalk.http import answers, qr
from bottalk.http.answers import Answer, Failed, Nested, Ok
from bottalk.http.channels import ErrorBody
from bottalk.http.endpoints import BAD_INPUT, Access, Call, Endpoint, Reply
from bottalk.messages import Binding, BindingState, NewCode
from bottalk.service.channels import Channels, NoCode, NotYours, TooManyChannels
from bottalk.service.sessions import Visitor
from bottalk.values import ChannelId, Secret

EXPIRE_TIME_S = 300


class PublicCodeForm(Struct, frozen=True):
    invite: Annotated[
        str, Meta(max_length=200, description="The word that newcomers must give where registration asks for one.")
    ] = ""


class CodeForm(Struct, frozen=True):
    rebind: Annotated[
        Annotated[int, Meta(ge=1, le=2**53)] | None,
        Meta(description="An own channel that this scan is to repair; the number of channels does not hold it back."),
    ] = None


class ScanForm(Struct, frozen=True):
    verify_code: Annotated[
        str, Meta(max_length=20, pattern=r"^\s*[0-9]*\s*$", description="The digits that the phone shows.")
    ] = ""


class CodeBody(Struct, frozen=True):
    """iLink's own fields pass through beside these."""

    qrcode: Annotated[str, Meta(description="The handle by which the scan is followed.")]
    qrcode_url: Annotated[str, Meta(description="What to encode in the picture.")]
    qr_url: Annotated[str, Meta(description="The same.")]
    qr_image: Annotated[str, Meta(description="The picture: a PNG as a data URI.")]
    expire_time: Annotated[int, Meta(description="Seconds.")]


class ScanBody(Struct, frozen=True):
    """`status` until the scan is over; then the channel too, and for a login the SendKey."""

    status: Literal[
        "waiting", "scanned", "need_verifycode", "verify_code_blocked", "expired", "pending", "active", "bound"
    ]
    id: int | UnsetType = UNSET
    name: str | UnsetType = UNSET
    wechat_openid: str | UnsetType = UNSET
    send_key: str | UnsetType = UNSET
    is_new: bool | UnsetType = UNSET
    is_default: int | UnsetType = UNSET
    rebind: bool | UnsetType = UNSET


class ForeignBody(Struct, frozen=True):
    """`message` is for people."""

    error: str
    message: str


WECHAT = "o9cq80x…@im.wechat"
KEY = "0123456789abcdef0123456789abcdef"
MISMATCH = Reply(403, "asked for by somebody else", Nested[ErrorBody], Nested(ErrorBody("Session mismatch")))
NEW_CODE = Reply(
    200,
    "draw `qrcode_url`; `qrcode` is the handle",
    Ok[CodeBody],
    Ok(CodeBody("3f2a…", "https://liteapp.weixin.qq.com/q/…", "https://liteapp.weixin.qq.com/q/…", "data:…", 300)),
)
WAITING = Reply(200, "where it stands", Ok[ScanBody], Ok(ScanBody("waiting")))
LOGGED_IN = Reply(
    200,
    "over: bound, and the asking session logged in",
    Ok[ScanBody],
    Ok(ScanBody("pending", id=1, wechat_openid=WECHAT, send_key=KEY, is_new=True)),
)
BOUND = Reply(200, "over: bound, nobody logged in", Ok[ScanBody], Ok(ScanBody("bound", wechat_openid=WECHAT)))
ONE_MORE = Reply(
    200,
    "over: one more channel; `rebind` when it is an old one",
    Ok[ScanBody],
    Ok(ScanBody("pending", id=2, name="Channel 2", wechat_openid=WECHAT, is_default=0)),
)
FOREIGN = Reply(
    200,
    "over: that WeChat belongs to another account",
    Nested[ForeignBody],
    Nested(ForeignBody("wechat_already_bound", "该微信已被其他账户绑定")),
)
NOT_OPEN = Reply(403, "registration is not open", Failed, Failed("注册未开放"))
TOO_MANY_NEW = Reply(429, "too many new accounts from this address", Failed, Failed("注册过于频繁，请稍后再试"))
TOO_MANY = Reply(429, "too many open codes", Failed, Failed("二维码请求过多，请稍后再试"))
NONE = Reply(502, "iLink gave no code", Failed, Failed("暂时无法从微信获取二维码，请稍后再试"))


FULL = Reply(400, "as many channels as may be", Nested[ErrorBody], Nested(ErrorBody("Maximum 10 channels allowed")))


def endpoints(channels: Channels) -> Sequence[Endpoint[Any]]:
    async def public_code(call: Call[PublicCodeForm]) -> Answer:
        return await new(call.visitor, call, public=True, invite=Secret(call.form.invite))

    async def own_code(call: Call[CodeForm]) -> Answer:
        rebind = None if call.form.rebind is None else ChannelId(call.form.rebind)
        return await new(call.visitor, call, public=False, rebind=rebind)

    async def new(
        visitor: Visitor | None,
        call: Call[Any],
        *,
        public: bool,
        rebind: ChannelId | None = None,
        invite: Secret = Secret(""),
    ) -> Answer:
        if visitor is None:
            raise LookupError("a code is asked for without a session")
        try:
            code = await channels.new_code(visitor, call.ip, public=public, rebind=rebind, invite=invite)
        except TooManyChannels as e:
            return answers.nested(ErrorBody(str(e)), 400)
        except TooManyCodes:
            return answers.encoded(TOO_MANY.example, 429)
        except NoCode:
            return answers.encoded(NONE.example, 502)
        return answers.ok(_code(code))

    async def public_status(call: Call[ScanForm]) -> Answer:
        return _status(channels, call, public=True)

    async def own_status(call: Call[ScanForm]) -> Answer:
        return _status(channels, call, public=False)

    return (
        Endpoint(
            "POST",
            "/api/channels/qrcode-public",
            "A code for whoever wants to bind",
            public_code,
            PublicCodeForm,
            (NEW_CODE, TOO_MANY, NONE),
            opens_session=True,
            tag="binding",
        ),
        Endpoint(
            "GET",
            "/api/channels/bind-status-public/{qrcode}",
            "How that code stands, for the session that asked",
            public_status,
            ScanForm,
            (WAITING, LOGGED_IN, BOUND, MISMATCH, NOT_OPEN, TOO_MANY_NEW),
            tag="binding",
        ),
        Endpoint(
            "POST",
            "/api/channels/qrcode",
            "A code for one more channel, or to repair one",
            own_code,
            CodeForm,
            (NEW_CODE, FULL, TOO_MANY, NONE, BAD_INPUT),
            access=Access.SESSION,
            tag="binding",
        ),
        Endpoint(
            "GET",
            "/api/channels/bind-status/{qrcode}",
            "How that code stands, for the account that asked",
            own_status,
            ScanForm,
            (WAITING, ONE_MORE, FOREIGN, MISMATCH, FULL, BAD_INPUT),
            access=Access.SESSION,
            tag="binding",
        ),
    )


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


def _status(channels: Channels, call: Call[ScanForm], *, public: bool) -> Answer:
    digits = call.form.verify_code.strip()
    enters = Secret(digits) if digits and call.acts else None
    try:
        binding = channels.binding(call.path["qrcode"], call.visitor, public=public, digits=enters)
    except NotYours:
        return answers.encoded(MISMATCH.example, 403)
    return _binding(binding)


def _binding(binding: Binding | None) -> Answer:
    if binding is None:
        return answers.ok({"status": BindingState.EXPIRED.value})
    if binding.state is BindingState.DONE:
        return answers.ok(binding.result or {})
    if binding.state is BindingState.REFUSED:
        return _refused(binding.result or {})
    return answers.ok({"status": binding.state.value})


def _refused(result: Mapping[str, object]) -> Answer:
    status = {"注册未开放": 403, "注册过于频繁，请稍后再试": 429}.get(str(result.get("error")))
    if status is not None:
        return answers.failed(str(result["error"]), status)
    return answers.nested(result, 200 if "message" in result else 400)
