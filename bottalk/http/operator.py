"""`/operator`: the operator's door, for `bottalk` commands on this machine. Only the Unix socket leads to it."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.clock import utc_text
from bottalk.http import answers
from bottalk.http.answers import Answer, Failed, Ok
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.service.users import UserRow, Users
from bottalk.values import User

ADMINS = "/operator/admins"
GRANT = f"{ADMINS}/grant"
REVOKE = f"{ADMINS}/revoke"
USERS = "/operator/users"
DISABLE = f"{USERS}/disable"
ENABLE = f"{USERS}/enable"
RESET_KEY = f"{USERS}/reset-key"


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


class AccountLine(Struct, frozen=True):
    """An account in the operator's list. `channels` leaves out inactive ones; `pushes` counts the rows of its log;
    `rate_limit` is null where the setting counts."""

    id: int
    email: str | None
    wechat_openid: str | None
    nickname: str | None
    role: str
    is_disabled: int
    rate_limit: int | None
    created_at: str
    channels: int
    pushes: int


class KeyBody(Struct, frozen=True):
    """An account's new SendKey: the one secret that the operator asks for."""

    id: int
    send_key: str


def endpoints(users: Users) -> Sequence[Endpoint[Any]]:
    async def admins(call: Call[NoForm]) -> Answer:
        return answers.ok([shown(user) for user in users.admins()])

    async def every(call: Call[NoForm]) -> Answer:
        return answers.ok([line(row) for row in await users.rows()])

    async def grant(call: Call[Who]) -> Answer:
        return answers.ok(shown(await users.grant(call.form.who)))

    async def revoke(call: Call[Who]) -> Answer:
        return answers.ok(shown(await users.revoke(call.form.who)))

    async def disable(call: Call[Who]) -> Answer:
        return answers.ok(shown(await users.set_disabled(call.form.who, True)))

    async def enable(call: Call[Who]) -> Answer:
        return answers.ok(shown(await users.set_disabled(call.form.who, False)))

    async def reset_key(call: Call[Who]) -> Answer:
        return answers.ok(with_key(await users.reset_key(call.form.who)))

    account = Reply(200, "the account", Ok[AccountBody])
    key = Reply(200, "the account's new SendKey", Ok[KeyBody])
    missing = Reply(404, "no such account", Failed, Failed("User not found"))
    return (
        at("GET", ADMINS, "The administrators", admins, NoForm, Reply(200, "all", Ok[list[AccountBody]])),
        at("POST", GRANT, "Make an account an administrator's", grant, Who, account, missing),
        at("POST", REVOKE, "Make an administrator's account an ordinary one", revoke, Who, account, missing),
        at("GET", USERS, "All accounts", every, NoForm, Reply(200, "all", Ok[list[AccountLine]])),
        at("POST", DISABLE, "Disable an account", disable, Who, account, missing),
        at("POST", ENABLE, "Enable an account", enable, Who, account, missing),
        at("POST", RESET_KEY, "Give an account a new SendKey", reset_key, Who, key, missing),
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


def line(row: UserRow) -> AccountLine:
    user = row.user
    return AccountLine(
        id=user.id,
        email=user.email,
        wechat_openid=user.wechat_openid,
        nickname=user.nickname,
        role=user.role,
        is_disabled=int(user.is_disabled),
        rate_limit=user.rate_limit,
        created_at=utc_text(user.created_at),
        channels=row.channel_count,
        pushes=row.push_count,
    )


def with_key(user: User) -> KeyBody:
    return KeyBody(user.id, user.send_key.reveal())


def at(method: str, path: str, summary: str, handle: Any, form: Any, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
    """An endpoint of the operator's door."""
    return Endpoint(method, path, summary, handle, form, replies, access=Access.OPERATOR, tag="operator")
