"""To the journal: accounts."""

from msgspec import Struct

from bottalk.messages.sessions import Session
from bottalk.values import (
    User,
    UserId,
)
from supervisors import Ask


class Register(Ask[User], Struct, frozen=True):
    """A new account with that e-mail address, and a login: `session`, just minted, becomes its; `replaces` is gone.

    `invited`: the invitation word was given. Fails with Refused.
    """

    email: str
    ip: str
    session: Session
    replaces: str | None = None
    invited: bool = False


class ChangeUser(Ask[User], Struct, frozen=True):
    """Change what is given (an empty nickname is none). Disabling ends the account's sessions in the same commit.

    `by`: the administrator who asks; it must still be one. Fails with Refused.
    """

    user_id: UserId
    by: UserId | None = None
    nickname: str | None = None
    strict: bool | None = None
    role: str | None = None
    is_disabled: bool | None = None
    rate_limit: int | None = None


class ResetKey(Ask[User], Struct, frozen=True):
    """A new SendKey; the old one is dead with the same commit. Fails with Refused when the account is gone."""

    user_id: UserId


class DeleteUser(Ask[None], Struct, frozen=True):
    """The account and all it owns are gone, one commit; what waits settles as deleted. A second time changes nothing.

    For whoever has stopped the account's actors. The rest of a long log is left to `ForgetUserLog`.
    """

    user_id: UserId


class ForgetUserLog(Ask[int], Struct, frozen=True):
    """Delete one bite of a deleted account's log; the directory's `gone` tells whether there may be more.

    Answers how many rows that were.
    """

    user_id: UserId
