"""QR codes: asked for (bindings), stored, ended or confirmed (journal)."""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct

from bottalk.messages.sessions import Session
from bottalk.values import ChannelId, Secret, UserId
from supervisors import Ask


class BindingState(Enum):
    """Where an open QR code stands: the contract's words, plus the two ends that have a result."""

    WAITING = "waiting"
    SCANNED = "scanned"
    NEED_VERIFYCODE = "need_verifycode"
    VERIFY_CODE_BLOCKED = "verify_code_blocked"
    EXPIRED = "expired"
    DONE = "done"
    REFUSED = "refused"

    @property
    def is_end(self) -> bool:
        return self in (BindingState.EXPIRED, BindingState.DONE, BindingState.REFUSED, BindingState.VERIFY_CODE_BLOCKED)


class Binding(Struct, frozen=True):
    """One QR code that was asked for. `session` (a hash) asked for it, `user_id` was logged in there."""

    code: Secret
    session: str
    user_id: UserId | None
    ip: str
    created_at: float
    expires_at: float
    rebind: ChannelId | None = None
    invited: bool = False
    """The invitation word was given: its scan may found an account where `registration` is `invite`."""
    state: BindingState = BindingState.WAITING
    result: Mapping[str, str | int | bool | None] | None = None


class OpenBinding(Ask[None], Struct, frozen=True):
    """`opens`: the session that asked for it, where that is not stored yet."""

    binding: Binding
    opens: Session | None = None


class EndBinding(Ask[None], Struct, frozen=True):
    """The code came to an end that binds nothing."""

    code: Secret
    state: BindingState


class Bind(Ask[Binding], Struct, frozen=True):
    """The phone confirmed: account, channel, login of the asking session and the code's result, one commit.

    Answers the finished binding; its `result` is what the status routes show.
    """

    code: Secret
    bot_token: Secret
    bot_id: str
    wechat_openid: str
    base_url: str


class NewCode(Struct, frozen=True):
    """A fresh QR code: the stored binding, the text to draw, and iLink's answer as it came."""

    binding: Binding
    url: str
    raw: Mapping[str, object]


class AskForCode(Ask[NewCode], Struct, frozen=True):
    """Get a QR code of iLink, store it and watch it. Fails with TooManyCodes or an IlinkError.

    `session` is the hash of the one that asks; `opens` that session itself, where it is stored with its first code.
    """

    session: str
    user_id: UserId | None
    ip: str
    rebind: ChannelId | None = None
    invited: bool = False
    opens: Session | None = None
