"""Who makes a request: the session cookie, the client's address."""

from dataclasses import dataclass

from itsdangerous import BadSignature, Signer
from quart import Request, Response

from bottalk.config import Config
from bottalk.service.sessions import LIFE_S, Sessions, Visitor
from bottalk.values import Secret

COOKIE = "bottalk.sid"
OPERATOR = "operator"
"""The address of a request through the Unix socket, which has none."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie to send with the answer."""

    value: str
    secure: bool

    def put(self, response: Response) -> None:
        response.set_cookie(
            COOKIE, self.value, max_age=int(LIFE_S), path="/", httponly=True, samesite="Lax", secure=self.secure
        )


class Guard:
    """Reads and makes session cookies: opaque ids minted by the service, signed so that junk costs no look-up."""

    def __init__(self, sessions: Sessions, config: Config, secret: Secret) -> None:
        self._sessions = sessions
        self._signer = Signer(secret.reveal(), salt=COOKIE)
        self._secure = config.public_url.startswith("https://")

    async def visitor(self, request: Request) -> Visitor | None:
        """The visitor of the request's cookie; None without a valid one."""
        raw = request.cookies.get(COOKIE)
        if not raw:
            return None
        try:
            session_id = self._signer.unsign(raw.encode("ascii", "replace")).decode()
        except BadSignature:
            return None
        return await self._sessions.find(Secret(session_id))

    async def visitor_or_new(self, request: Request) -> tuple[Visitor, Cookie | None]:
        """The visitor, with a fresh session and its cookie when there was none."""
        visitor = await self.visitor(request)
        if visitor is not None:
            return visitor, None
        session_id, visitor = await self._sessions.open()
        return visitor, self.cookie(session_id)

    def cookie(self, session_id: Secret) -> Cookie:
        return Cookie(self._signer.sign(session_id.reveal().encode()).decode(), self._secure)


def client_address(request: Request) -> str:
    return request.remote_addr or OPERATOR
