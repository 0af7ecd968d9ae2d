"""How a route is declared: what it takes, who may call it, what it answers. The declaration that validates a request is
the one that is published in `/openapi.json`.

A noun's file lists its endpoints; `app` registers them all; `openapi` describes them all.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from bottalk.errors import CANNOT_SAVE as CANNOT_SAVE_TEXT
from bottalk.errors import Refusal
from bottalk.http.answers import Answer, Failed, Refused
from bottalk.service.sessions import Visitor
from bottalk.values import User

F = TypeVar("F")


class Access(Enum):
    """Who may call a route."""

    PUBLIC = "public"
    SESSION = "session"
    """A logged-in account that is not disabled."""
    ADMIN = "admin"
    MONITOR = "monitor"
    """An administrator's session, or the monitor token."""
    SENDKEY = "sendkey"
    """Whoever names a SendKey, which may be a bearer token; the route itself looks it up."""
    OPERATOR = "operator"
    """Who can open the Unix socket in the data directory."""


class Call(Struct, Generic[F], frozen=True):
    """One request, parsed and let in."""

    form: F
    path: Mapping[str, str]
    """The parts of the path that the rule names."""
    visitor: Visitor | None
    ip: str
    acts: bool = True
    """False for HEAD: a link preview must change nothing."""

    @property
    def user(self) -> User:
        """The logged-in account, on routes that ask for one."""
        if self.visitor is None or self.visitor.user is None:
            raise LookupError("a route without a session asks for its account")
        return self.visitor.user


class NoForm(Struct, frozen=True):
    """A route that takes nothing."""


class Reply(Struct, frozen=True):
    """One kind of answer, for the description: `body` is its type, `example` one of it."""

    status: int
    what: str
    body: Any
    """A type that msgspec describes; None for an answer without a body."""
    example: Any = None
    content_type: str = ""
    """Empty: JSON."""
    headers: Mapping[str, str] = {}
    """Headers it may carry, and what they say."""


class Endpoint(Struct, Generic[F], frozen=True):
    """One method of one path. `path` names its variable parts in braces."""

    method: str
    path: str
    summary: str
    handle: Callable[[Call[F]], Awaitable[Answer]]
    form: type[F]
    replies: Sequence[Reply]
    access: Access = Access.PUBLIC
    tag: str = ""
    successor: str = ""
    """Of an old route: the path that took its place."""
    opens_session: bool = False
    """Its caller gets a session when it has none: the call's visitor is then new, and the handler has it stored."""
    example: Mapping[str, Any] | None = None
    """A body that it takes, for the description."""

    @property
    def name(self) -> str:
        """Quart's name for it."""
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        """Whether it may change something: then requests from other sites are refused where a session is needed."""
        return self.method not in ("GET", "HEAD")


RETRY_AFTER = {"Retry-After": "Seconds after which to try again."}

UNAUTHORIZED = Reply(401, "no session", Refused, Refused("Unauthorized. Please log in."))
FORBIDDEN = Reply(403, "not an administrator, not one's own, or from another site", Failed, Failed("Forbidden"))
BAD_INPUT = Reply(400, "malformed input; the text names the field", Failed, Failed("name 过长（最多 50 个字符）"))
NOT_A_ROUTE = Reply(404, "a part of the path is empty or has a slash", Failed, Failed("接口不存在"))
TOO_SLOW = Reply(408, "the body came too slowly", Failed, Failed("请求超时"))
TOO_LARGE = Reply(413, "the body is too large", Failed, Failed("请求体过大"))
TOO_LONG = Reply(431, "address and headers are over 64 KiB: the server's own answer, without a body", None)
BUG = Reply(500, "a bug", Failed, Failed(Refusal.BUG.text))
CANNOT_SAVE = Reply(503, "nothing was changed; try again", Failed, Failed(CANNOT_SAVE_TEXT), headers=RETRY_AFTER)
