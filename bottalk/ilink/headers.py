"""The headers of a call (protocol notes §2), in one place for every kind of connection."""

import base64
import random
import re

from bottalk.ilink.settings import IlinkSettings
from bottalk.values import Secret

Header = tuple[str, str]

_UNSENDABLE = re.compile("[^!-~]")


class Headers:
    """Makes the headers of each call. Host and Content-Length are set by the connection."""

    __slots__ = ("_get", "_post", "_rng")

    def __init__(self, settings: IlinkSettings, rng: random.Random) -> None:
        self._rng = rng
        ours: list[Header] = [
            ("iLink-App-Id", settings.app_id),
            ("iLink-App-ClientVersion", str(settings.client_version_number)),
        ]
        if settings.route_tag:
            ours.append(("SKRouteTag", settings.route_tag))
        # Without compression the size cap on the wire is the size cap of the text.
        http: list[Header] = [("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", settings.agent)]
        self._get = (*http, *ours)
        self._post = (
            *http,
            ("Content-Type", "application/json"),
            ("AuthorizationType", "ilink_bot_token"),
            *ours,
        )

    def get(self) -> tuple[Header, ...]:
        return self._get

    def post(self, token: Secret | None = None) -> tuple[Header, ...]:
        """Of one POST: a new X-WECHAT-UIN each time, Authorization only with a token."""
        uin = base64.b64encode(str(self._rng.getrandbits(32)).encode("ascii")).decode("ascii")
        if token is None:
            return (*self._post, ("X-WECHAT-UIN", uin))
        return (*self._post, ("X-WECHAT-UIN", uin), ("Authorization", f"Bearer {bearer(token)}"))


def is_sendable(token: str) -> bool:
    """Whether a token can stand in a header as it is: visible ASCII, no blanks."""
    return bool(token) and all("!" <= c <= "~" for c in token)


def bearer(token: Secret) -> str:
    """The token without the characters that no header can carry.

    Only a stored token that was never iLink's has such; what is left is unknown to iLink, which then says so (-14).
    """
    return _UNSENDABLE.sub("", token.reveal())
