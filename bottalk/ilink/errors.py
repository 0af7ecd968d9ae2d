"""What can go wrong between us and iLink.

The text of every error here is safe to log: no token, no qrcode, no verify code, no message text. Public methods of
this package raise these and nothing of trio's, ssl's or httpx's.
"""

from enum import StrEnum

from bottalk.values import Secret

_ERRMSG_SHOWN = 160
"""Characters of iLink's own words that an error's text repeats."""
_SHORT = 4
"""A secret of fewer characters is not looked for in iLink's words: it would match by chance."""


class Kind(StrEnum):
    """Where a call broke. The values are words for logs and metrics."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    RESET = "reset"
    """The connection ended before the whole answer was there."""
    MALFORMED = "malformed"


class IlinkError(Exception):
    """Root: a call to iLink that was not a success."""


class IlinkRefused(IlinkError):
    """A well-formed answer with a non-zero number. `ret` is `errcode` if that is non-zero, else `ret`.

    `errmsg` is iLink's text, possibly empty: for logs, never to decide by (protocol notes §2).
    """

    def __init__(self, ret: int, errmsg: str = "", hide: tuple[Secret, ...] = ()) -> None:
        self.ret = ret
        self.errmsg = _shown(errmsg, hide)
        super().__init__(f"iLink answered {ret}" + (f": {self.errmsg}" if self.errmsg else ""))


class IlinkHttpError(IlinkError):
    """An HTTP status outside 2xx; the body was not looked at.

    `retry_after`: seconds of the Retry-After header, None without one (or with a date in it).
    """

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        self.status = status
        self.retry_after = retry_after
        super().__init__(f"iLink answered HTTP {status}")


class IlinkTransportError(IlinkError):
    """No well-formed answer. `maybe_arrived`: bytes of the request may have left, so iLink may have acted on it."""

    def __init__(self, kind: Kind, detail: str = "", *, maybe_arrived: bool) -> None:
        self.kind = kind
        self.maybe_arrived = maybe_arrived
        super().__init__(f"{kind}: {detail}" if detail else str(kind))


class IlinkMalformed(IlinkTransportError):
    """An answer that cannot be read: not HTTP, not a JSON object, wrong types, too large, or a needed part missing."""

    def __init__(self, detail: str) -> None:
        super().__init__(Kind.MALFORMED, detail, maybe_arrived=True)


def _shown(errmsg: str, hide: tuple[Secret, ...]) -> str:
    """iLink's words, shortened, on one line, without the secrets of the request if it repeats them."""
    for secret in hide:
        if len(secret.reveal()) >= _SHORT:
            errmsg = errmsg.replace(secret.reveal(), "…")
    line = "".join(c if c.isprintable() else " " for c in errmsg).strip()
    return line if len(line) <= _ERRMSG_SHOWN else line[:_ERRMSG_SHOWN] + "…"
