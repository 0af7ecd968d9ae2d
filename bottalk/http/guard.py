"""Who makes a request: the session cookie, what the caller may do, and whether another site's page made it."""

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from itsdangerous import BadSignature, Signer
from quart import Request, Response

from bottalk.config import Config
from bottalk.http.address import FORWARDED
from bottalk.http.endpoints import Access
from bottalk.service.sessions import LIFE_S, Sessions, Visitor
from bottalk.values import Secret

COOKIE = "bottalk.sid"


class Denied(Exception):
    """The caller may not: 401 without a session, 403 otherwise, 404 for a door that is not there for him."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True, slots=True)
class Cookie:
    """A session's cookie, to send with the answer. An empty value takes it back."""

    value: str
    secure: bool

    def put(self, response: Response) -> None:
        life = int(LIFE_S) if self.value else 0
        response.set_cookie(
            COOKIE, self.value, max_age=life, path="/", httponly=True, samesite="Lax", secure=self.secure
        )


def is_operator(request: Request) -> bool:
    """Whether it came through the Unix socket, and not from a proxy that was pointed at it."""
    return request.scope["client"] is None and not any(n in dict(request.scope["headers"]) for n in FORWARDED)


class Guard:
    """Reads and makes session cookies: opaque ids minted by the service, signed so that junk costs no look-up."""

    def __init__(self, sessions: Sessions, config: Config, secret: Secret) -> None:
        self._sessions = sessions
        self._signer = Signer(secret.reveal(), salt=COOKIE)
        self._secure = config.public_url.startswith("https://")
        self._own_host = urlsplit(config.public_url).netloc.lower()
        self._config = config

    async def admit(
        self, request: Request, access: Access, *, opens_session: bool
    ) -> tuple[Visitor | None, Cookie | None]:
        """The visitor, if the caller may call such a route, and a cookie that the answer must carry.

        Raises Denied.
        """
        if access is Access.OPERATOR:
            if not is_operator(request):
                raise Denied(404)
            return None, None
        if access is Access.MONITOR and self._is_monitor(request):
            return None, None
        visitor, cookie = await self._visitor(request)
        if access is Access.PUBLIC:
            if visitor is None and opens_session:
                session_id, visitor = self._sessions.begin()
                cookie = self.cookie(session_id)
            return visitor, cookie
        if visitor is None or visitor.user is None:
            raise Denied(401)
        if access in (Access.ADMIN, Access.MONITOR) and visitor.user.role != "admin":
            raise Denied(403)
        return visitor, cookie

    async def _visitor(self, request: Request) -> tuple[Visitor | None, Cookie | None]:
        """The visitor of the request's cookie; a rolled session's cookie goes out again."""
        raw = request.cookies.get(COOKIE)
        if not raw:
            return None, None
        try:
            session_id = Secret(self._signer.unsign(raw.encode("ascii", "replace")).decode())
        except BadSignature:
            return None, None
        visitor = await self._sessions.find(session_id)
        return visitor, self.cookie(session_id) if visitor is not None and visitor.rolled else None

    def is_from_elsewhere(self, request: Request) -> bool:
        """Whether a browser says that another site's page made this request. Scripts, which say nothing, may pass."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site.strip().lower() not in ("same-origin", "none")
        origin = request.headers.get("Origin")
        if origin is None:
            return False
        try:
            host = urlsplit(origin.strip().lower()).netloc
        except ValueError:
            return True
        return host not in (request.headers.get("Host", "").strip().lower(), self._own_host) or not host

    def cookie(self, session_id: Secret) -> Cookie:
        """The cookie of a session; of an empty id, one that takes the cookie back."""
        value = self._signer.sign(session_id.reveal().encode()).decode() if session_id else ""
        return Cookie(value, self._secure)

    def _is_monitor(self, request: Request) -> bool:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        monitor = self._config.monitor_token
        if not monitor or kind.lower() != "bearer":
            return False
        return hmac.compare_digest(token.strip().encode(), monitor.reveal().encode())
