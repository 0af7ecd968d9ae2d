"""One scan over the public HTTP routes, as a page does it: ask for a code, look how it stands, wait for the word."""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from bottalk.loopback import is_loopback

PATIENCE_S = 30.0
"""Seconds for an answer: iLink is asked for a code meanwhile."""

COOKIE = "bottalk.sid"


class NoAnswer(Exception):
    """The service cannot be reached, does not answer as BotTalk does, or has no code now. The text says which."""


class RefusedScan(Exception):
    """The scan led to nothing; the text says why."""


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code: its handle, which is a secret while it is open, and what to draw."""

    handle: str = field(repr=False)
    url: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What came of a scan. `send_key` is empty, and `channel` 0, where that WeChat may not log in."""

    channel: int
    wechat: str
    send_key: str = field(repr=False)
    is_new: bool


class Scan:
    """A session of its own with the service at `url`. Each call blocks for one answer, and raises NoAnswer."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = ""
        try:
            is_here = is_loopback(httpx.URL(url).host)
        except httpx.InvalidURL as e:
            raise NoAnswer(f"{url} is no address ({e}): is --url right?") from e
        # the environment's proxies are for the world outside, and httpx takes them for loopback too
        self._client = httpx.Client(timeout=PATIENCE_S, trust_env=not is_here)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def new_code(self, invite: str = "") -> Code:
        """A fresh code. Raises RefusedScan when the service gives none to us."""
        answer = self._ask("POST", "/api/channels/qrcode-public", {"invite": invite} if invite else {})
        data = self._data(answer)
        try:
            return Code(str(data["qrcode"]), str(data["qrcode_url"]))
        except KeyError as e:
            raise self._foreign(answer) from e

    def look(self, code: Code, digits: str = "") -> str | Bound:
        """How the code stands: the state's name, or how it ended. `digits` are those that the phone shows.

        Raises RefusedScan when it ended without a binding.
        """
        path = f"/api/channels/bind-status-public/{code.handle}"
        answer = self._ask("GET", path, {"verify_code": digits} if digits else {})
        data = self._data(answer)
        try:
            if "id" in data or data["status"] == "bound":
                return Bound(
                    int(data.get("id", 0)),
                    str(data["wechat_openid"]),
                    str(data.get("send_key", "")),
                    bool(data.get("is_new", False)),
                )
            return str(data["status"])
        except (KeyError, ValueError, TypeError) as e:
            raise self._foreign(answer) from e

    def is_active(self, bound: Bound) -> bool:
        """Whether a word has come from the phone."""
        data = self._data(self._ask("GET", f"/api/channels/{bound.channel}/activation", {}))
        return data.get("activated") is True

    def _ask(self, method: str, path: str, fields: dict[str, str]) -> httpx.Response:
        # by hand: a jar would keep a cookie for https from a daemon that is asked here without its proxy
        headers = {"Cookie": f"{COOKIE}={self._session}"} if self._session else {}
        try:
            answer = (
                self._client.get(self._url + path, params=fields, headers=headers)
                if method == "GET"
                else self._client.post(self._url + path, json=fields, headers=headers)
            )
        except httpx.TimeoutException:
            raise NoAnswer(f"{self._url} did not answer within {PATIENCE_S:g} s") from None
        except (httpx.TransportError, httpx.UnsupportedProtocol, ValueError) as e:
            why = f"{self._url} cannot be reached ({e}): does the service run, is --url right?"
            raise NoAnswer(why) from None
        self._session = answer.cookies.get(COOKIE) or self._session
        self._client.cookies.clear()
        return answer

    def _data(self, answer: httpx.Response) -> dict[str, Any]:
        """The answer's `data`. Raises RefusedScan with the service's words, or NoAnswer."""
        try:
            found = answer.json()
            if found["success"] is True:
                return dict(found["data"])
            words = found.get("error") or found["data"].get("message") or found["data"]["error"]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._foreign(answer) from None
        if answer.status_code >= 500:
            raise NoAnswer(f"{self._url}: {words}")
        raise RefusedScan(f"{self._url} refused: {words}")

    def _foreign(self, answer: httpx.Response) -> NoAnswer:
        return NoAnswer(f"HTTP {answer.status_code} from {self._url} is no answer of BotTalk: is --url right?")
