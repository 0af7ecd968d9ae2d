"""`/api/auth`: log in with a SendKey, and the account's own view."""

from quart import Blueprint, Response, request

from bottalk.http import answers
from bottalk.http.fields import read
from bottalk.http.guard import Guard
from bottalk.service.accounts import Accounts, AccountView
from bottalk.values import Secret


def blueprint(accounts: Accounts, guard: Guard) -> Blueprint:
    routes = Blueprint("accounts", __name__, url_prefix="/api/auth")

    @routes.post("/login")
    async def login() -> Response:
        fields = await read(request)
        send_key = fields.text("send_key").strip()
        if not send_key:
            return answers.error("请输入 SendKey")
        before = await guard.visitor(request)
        opened = await accounts.log_in(Secret(send_key), before.session if before else None)
        if opened is None:
            return answers.error("SendKey 无效")
        session_id, visitor = opened
        if visitor.user is None:
            return answers.error("SendKey 无效")
        view = accounts.view(visitor.user)
        response = answers.ok({name: shown(view)[name] for name in ("id", "email", "send_key", "channel_count")})
        guard.cookie(session_id).put(response)
        return response

    @routes.get("/me")
    async def me() -> Response:
        visitor = await guard.visitor(request)
        if visitor is None or visitor.user is None:
            return answers.unauthorized()
        return answers.ok(shown(accounts.view(visitor.user)))

    return routes


def shown(view: AccountView) -> dict[str, object]:
    user = view.user
    return {
        "id": user.id,
        "email": user.email,
        "send_key": user.send_key.reveal(),
        "channel_count": view.channel_count,
        "role": user.role,
        "strict": int(user.strict),
    }
