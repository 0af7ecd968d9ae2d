"""`/api/auth` and `/api/key`: join, log in and out, the account's own settings, its SendKey."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from bottalk.errors import NoAccount, Refused
from bottalk.http import answers
from bottalk.http.answers import Answer, Done, Failed, Ok
from bottalk.http.direct import BreakOff
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.service.accounts import AccountForm, Accounts, AccountView, RegisterForm
from bottalk.service.export import Exported
from bottalk.values import Secret

NO_KEY, BAD_KEY = "请输入 SendKey", "SendKey 无效"
FORGOTTEN = Secret("")


class NewAccount(Struct, frozen=True):
    """A new account without a WeChat, which is bound later."""

    email: Annotated[str, Meta(description="Required. Trimmed, and in lower case.")] = ""
    invite: Annotated[str, Meta(description="The word that newcomers must give where registration asks for one.")] = ""


class Login(Struct, frozen=True):
    send_key: Annotated[str, Meta(description="Required.")] = ""


class Logout(Struct, frozen=True):
    everywhere: Annotated[bool, Meta(description="1 ends all sessions of the account.")] = False


class AccountChange(Struct, frozen=True):
    """At least one of them."""

    strict: Annotated[
        Literal[0, 1] | None,
        Meta(description="1: the outcome of a push as HTTP status too, unless the push says otherwise."),
    ] = None
    nickname: Annotated[str, Meta(max_length=20)] | None = None


class Confirm(Struct, frozen=True):
    confirm: Annotated[str, Meta(description="Required: the own SendKey.")] = ""


class Registered(Struct, frozen=True):
    id: int
    email: str | None
    send_key: str


class LoggedIn(Struct, frozen=True):
    id: int
    email: str | None
    send_key: str
    channel_count: int


class Me(Struct, frozen=True):
    id: int
    email: str | None
    send_key: str
    channel_count: int
    role: str
    strict: int


class Key(Struct, frozen=True):
    send_key: str


class ExportBody(Struct, frozen=True):
    """All that is kept of an account. Deleted channels are in it too; rows of the log are newest first."""

    exported_at: str
    account: Mapping[str, Any]
    channels: list[Mapping[str, Any]]
    reminders: list[Mapping[str, Any]]
    logs: list[Mapping[str, Any]]


KEY = "0123456789abcdef0123456789abcdef"
ME = Ok(Me(1, "me@example.org", KEY, 1, "user", 0))


def endpoints(accounts: Accounts) -> Sequence[Endpoint[Any]]:
    async def register(call: Call[NewAccount]) -> Answer:
        before = call.visitor.session if call.visitor else None
        form = RegisterForm(call.form.email, call.ip, Secret(call.form.invite))
        try:
            session_id, visitor = await accounts.register(form, before)
        except Refused as e:
            return answers.failed(e.text, e.status)
        user = visitor.user
        if user is None:
            return answers.failed(BAD_KEY)  # deleted in the same moment
        return _with_session(Registered(user.id, user.email, user.send_key.reveal()), session_id)

    async def login(call: Call[Login]) -> Answer:
        send_key = call.form.send_key.strip()
        if not send_key:
            return answers.failed(NO_KEY)
        opened = await accounts.log_in(Secret(send_key), call.visitor.session if call.visitor else None)
        if opened is None or opened[1].user is None:
            return answers.failed(BAD_KEY)
        user, count = opened[1].user, accounts.view(opened[1].user).channel_count
        return _with_session(LoggedIn(user.id, user.email, user.send_key.reveal(), count), opened[0])

    async def logout(call: Call[Logout]) -> Answer:
        if call.visitor is None:
            raise LookupError("a session is ended without one")
        await accounts.log_out(call.visitor.session, everywhere=call.form.everywhere)
        return Answer(answers.encoded(Done()).body, session=FORGOTTEN)

    async def me(call: Call[NoForm]) -> Answer:
        return answers.ok(shown(accounts.view(call.user)))

    async def change(call: Call[AccountChange]) -> Answer:
        strict = None if call.form.strict is None else bool(call.form.strict)
        return answers.ok(shown(await accounts.change(call.user.id, AccountForm(strict, call.form.nickname))))

    async def delete(call: Call[Confirm]) -> Answer:
        await accounts.delete(call.user.id, Secret(call.form.confirm))
        return Answer(answers.encoded(Done()).body, session=FORGOTTEN)

    async def export(call: Call[NoForm]) -> Answer:
        return Answer(pieces=_document(accounts.export(call.user.id)))

    async def key(call: Call[NoForm]) -> Answer:
        return answers.ok(Key(call.user.send_key.reveal()))

    async def reset(call: Call[NoForm]) -> Answer:
        return answers.ok(Key((await accounts.reset_key(call.user.id)).reveal()))

    def own(method: str, path: str, summary: str, handle: Any, form: Any, *replies: Reply) -> Endpoint[Any]:  # noqa: ANN401
        tag = "key" if path.startswith("/api/key") else "account"
        return Endpoint(method, path, summary, handle, form, replies, access=Access.SESSION, tag=tag)

    new_key = Reply(200, "the SendKey", Ok[Key], Ok(Key(KEY)))
    refused = Reply(200, "refused, in words to show", Failed, Failed("邮箱格式无效"))
    return (
        Endpoint(
            "POST",
            "/api/auth/register",
            "A new account",
            register,
            NewAccount,
            (
                Reply(200, "registered and logged in", Ok[Registered], Ok(Registered(1, "me@example.org", KEY))),
                refused,
                Reply(403, "registration is not open", Failed, Failed("注册未开放")),
                Reply(429, "too many new accounts from this address", Failed, Failed("注册过于频繁，请稍后再试")),
            ),
            tag="account",
            example={"email": "me@example.org"},
        ),
        Endpoint(
            "POST",
            "/api/auth/login",
            "Log in with a SendKey",
            login,
            Login,
            (
                Reply(200, "logged in", Ok[LoggedIn], Ok(LoggedIn(1, None, KEY, 1))),
                Reply(200, "refused, in words to show", Failed, Failed(BAD_KEY)),
            ),
            tag="account",
            example={"send_key": KEY},
        ),
        Endpoint(
            "POST",
            "/api/auth/logout",
            "Log out",
            logout,
            Logout,
            (Reply(200, "done", Done, Done()),),
            access=Access.SESSION,
            tag="account",
        ),
        own("GET", "/api/auth/me", "The own account", me, NoForm, Reply(200, "the account", Ok[Me], ME)),
        own("PATCH", "/api/auth/me", "Change it", change, AccountChange, Reply(200, "the account", Ok[Me], ME)),
        own(
            "DELETE",
            "/api/auth/me",
            "Delete it and all it owns",
            delete,
            Confirm,
            Reply(200, "gone", Done, Done()),
            Reply(400, "not confirmed", Failed, Failed("confirm 必须是本账户的 SendKey")),
        ),
        own(
            "GET",
            "/api/auth/me/export",
            "All that is kept of it, without tokens",
            export,
            NoForm,
            Reply(200, "one document", Ok[ExportBody]),
        ),
        own("GET", "/api/key", "The SendKey", key, NoForm, new_key),
        own("POST", "/api/key/reset", "A new SendKey; the old one is dead at once", reset, NoForm, new_key),
    )


def shown(view: AccountView) -> Me:
    user = view.user
    return Me(user.id, user.email, user.send_key.reveal(), view.channel_count, user.role, int(user.strict))


async def _document(found: Exported) -> AsyncIterator[bytes]:
    """`Ok[ExportBody]`, piece by piece. An account that is deleted meanwhile has its answer broken off."""
    yield b'{"data":' + answers.encode(found.head)[:-1] + b',"logs":['
    separator = b""
    try:
        async for rows in found.logs:
            yield separator + answers.encode(rows)[1:-1]
            separator = b","
    except NoAccount as e:
        raise BreakOff from e
    yield b']},"success":true}'


def _with_session(data: object, session_id: Secret) -> Answer:
    return Answer(answers.ok(data).body, session=session_id)
