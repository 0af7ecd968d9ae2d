"""`/operator`: the operator's door, for `bottalk` commands on this machine. Only the Unix socket leads to it."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.clock import utc_text
from bottalk.http import answers
from bottalk.http.answers import Answer, Failed, Ok
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.service.users import Users
from bottalk.values import User

ADMINS = "/operator/admins"
GRANT = f"{ADMINS}/grant"
REVOKE = f"{ADMINS}/revoke"


class Who(Struct, frozen=True):
    """An account: its e-mail address, its id, or a WeChat's id that founded it or has a channel in it."""

    who: Annotated[str, Meta(min_length=1, max_length=256)]


class AccountBody(Struct, frozen=True):
    """An account as the operator sees it: enough to know whose it is, and no secret."""

    id: int
    email: str | None
    wechat_openid: str | None
    nickname: str | None
    role: str
    is_disabled: int
    created_at: str


def endpoints(users: Users) -> Sequence[Endpoint[Any]]:
    async def every(call: Call[NoForm]) -> Answer:
        return answers.ok([shown(user) for user in users.admins()])

    async def grant(call: Call[Who]) -> Answer:
        return answers.ok(shown(await users.grant(call.form.who)))

    async def revoke(call: Call[Who]) -> Answer:
        return answers.ok(shown(await users.revoke(call.form.who)))

    account = Reply(200, "the account", Ok[AccountBody])
    missing = Reply(404, "no such account", Failed, Failed("User not found"))
    return (
        _at("GET", ADMINS, "The administrators", every, NoForm, Reply(200, "all", Ok[list[AccountBody]])),
        _at("POST", GRANT, "Make an account an administrator's", grant, Who, account, missing),
        _at("POST", REVOKE, "Make an administrator's account an ordinary one", revoke, Who, account, missing),
    )


def shown(user: User) -> AccountBody:
    return AccountBody(
        id=user.id,
        email=user.email,
        wechat_openid=user.wechat_openid,
        nickname=user.nickname,
        role=user.role,
        is_disabled=int(user.is_disabled),
        created_at=utc_text(user.created_at),
    )


def _at(method: str, path: str, summary: str, handle: Any, form: Any, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
    return Endpoint(method, path, summary, handle, form, replies, access=Access.OPERATOR, tag="operator")
