"""`/api/login`: routes of earlier days, kept working.

Three name an account by an id that is no secret: they answer only inside that account's own session.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from bottalk.http import accounts, answers, logs
from bottalk.http.answers import Answer, Ok
from bottalk.http.endpoints import FORBIDDEN, Access, Call, Endpoint, Reply
from bottalk.http.logs import LogBody
from bottalk.service.services import Services
from bottalk.values import UserId

CODES = "/api/channels/qrcode-public"
STATUS = "/api/channels/bind-status-public/{qrcode}"


class Whose(Struct, frozen=True):
    user_id: Annotated[str, Meta(max_length=200, description="Required: a wechat_openid of the own account.")] = ""


class Bound(Struct, frozen=True):
    bound: bool
    activated: bool


def endpoints(services: Services, new: Sequence[Endpoint[Any]]) -> Sequence[Endpoint[Any]]:
    """`new`: the routes that took their places."""
    by_path = {(endpoint.method, endpoint.path): endpoint for endpoint in new}

    def is_own(call: Call[Whose]) -> bool:
        user, openid = call.user, call.form.user_id.strip()
        own = {view.channel.wechat_openid for view in services.channels.of(user.id, dead_too=True)}
        return bool(openid) and openid in {user.wechat_openid, *own}

    async def reset_key(call: Call[Whose]) -> Answer:
        if not is_own(call):
            return answers.denied(403)
        return answers.ok(accounts.Key((await services.accounts.reset_key(call.user.id)).reveal()))

    async def bind_status(call: Call[Whose]) -> Answer:
        if not is_own(call):
            return answers.denied(403)
        views = services.channels.of(UserId(call.user.id))
        return answers.ok(Bound(bool(views), any(view.channel.status == "active" for view in views)))

    async def push_logs(call: Call[Whose]) -> Answer:
        if not is_own(call):
            return answers.denied(403)
        return answers.ok(
            [logs.shown(row) for row in await services.logs.of(call.user.id, logs.log_form(logs.Filter()))]
        )

    def old(method: str, path: str, summary: str, handle: Any, successor: str, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
        return Endpoint(
            method,
            f"/api/login{path}",
            summary,
            handle,
            Whose,
            (*replies, FORBIDDEN),
            access=Access.SESSION,
            tag="old",
            successor=successor,
        )

    key = Reply(200, "the new SendKey", Ok[accounts.Key], Ok(accounts.Key(accounts.KEY)))
    state = Reply(200, "whether a channel is bound and active", Ok[Bound], Ok(Bound(True, True)))
    rows = Reply(200, "rows", Ok[list[LogBody]], Ok([logs.ROW]))
    return (
        replace(by_path["POST", CODES], method="GET", path="/api/login/qrcode", successor=CODES, tag="old"),
        replace(by_path["GET", STATUS], path="/api/login/status/{qrcode}", successor=STATUS, tag="old"),
        old("POST", "/reset-key", "A new SendKey", reset_key, "/api/key/reset", key),
        old("GET", "/bind-status", "Whether a channel is bound", bind_status, "/api/channels", state),
        old("GET", "/push-logs", "The last 50 rows", push_logs, "/api/push-logs", rows),
    )
