"""QR codes, which bind channels: ask for one, follow its scan. `/api/channels/qrcode…` and `…/bind-status…`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.errors import TooManyCodes
from bottalk.http import answers, qr
from bottalk.http.answers import Answer, Failed, Nested, Ok
from bottalk.http.channels import ErrorBody
from bottalk.http.endpoints import Access, Call, Endpoint, Reply
from bottalk.messages import Binding, BindingState, NewCode
from bottalk.service.channels import Channels, NoCode, NotYours, TooManyChannels
from bottalk.service.sessions import Visitor
from bottalk.values import ChannelId, Secret

EXPIRE_TIME_S = 300


class PublicCodeForm(Struct, frozen=True):
    """`invite`: the word that newcomers must give where registration asks for one."""

    invite: Annotated[str, Meta(max_length=200)] = ""


class CodeForm(Struct, frozen=True):
    """`rebind`: the id of an own channel that this scan is to repair; it is not held back by the number of channels."""

    rebind: Annotated[int, Meta(ge=1, le=2**53)] | None = None


class StatusForm(Struct, frozen=True):
    """`verify_code`: the digits that the phone shows."""

    verify_code: Annotated[str, Meta(max_length=20, pattern=r"^\s*[0-9]*\s*$")] = ""


State = Ok[Mapping[str, Any]]
WAITING = Ok({"status": "waiting"})
MISMATCH = Reply(403, "asked for by somebody else", Nested[ErrorBody], Nested(ErrorBody("Session mismatch")))
NEW_CODE = Reply(
    200,
    "draw `qrcode_url`; `qrcode` is the handle",
    State,
    Ok({"qrcode": "3f2a…", "qrcode_url": "https://…", "qr_url": "https://…", "qr_image": "data:…", "expire_time": 300}),
)
TOO_MANY = Reply(429, "too many open codes", Failed, Failed("二维码请求过多，请稍后再试"))
NONE = Reply(502, "iLink gave no code", Failed, Failed("暂时无法从微信获取二维码，请稍后再试"))


def endpoints(channels: Channels, max_channels: int) -> Sequence[Endpoint[Any]]:
    full = Nested(ErrorBody(f"Maximum {max_channels} channels allowed"))

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
        except TooManyChannels:
            return answers.encoded(full, 400)
        except TooManyCodes:
            return answers.encoded(TOO_MANY.example, 429)
        except NoCode:
            return answers.encoded(NONE.example, 502)
        return answers.ok(_code(code))

    async def public_status(call: Call[StatusForm]) -> Answer:
        return _status(channels, call, public=True)

    async def own_status(call: Call[StatusForm]) -> Answer:
        return _status(channels, call, public=False)

    state = Reply(200, "where it stands", State, WAITING)
    bound = Reply(200, "bound by another account", Nested[Mapping[str, Any]])
    at_most = Reply(400, "as many channels as may be", Nested[ErrorBody], full)
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
            StatusForm,
            (state, bound, MISMATCH),
            tag="binding",
        ),
        Endpoint(
            "POST",
            "/api/channels/qrcode",
            "A code for one more channel, or to repair one",
            own_code,
            CodeForm,
            (NEW_CODE, at_most, TOO_MANY, NONE),
            access=Access.SESSION,
            tag="binding",
        ),
        Endpoint(
            "GET",
            "/api/channels/bind-status/{qrcode}",
            "How that code stands, for the account that asked",
            own_status,
            StatusForm,
            (state, bound, MISMATCH, at_most),
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


def _status(channels: Channels, call: Call[StatusForm], *, public: bool) -> Answer:
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
