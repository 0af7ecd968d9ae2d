"""How this client presents itself to iLink and how long it waits."""

import re
from dataclasses import dataclass

from bottalk import __version__
from bottalk.ilink.hosts import HostRule, parse_origin

DEFAULT_AGENT = f"BotTalk/{__version__}"
_PRODUCT = r"[A-Za-z0-9_.-]{1,32}/[A-Za-z0-9_.+-]{1,32}( \([ -'*-~]{1,64}\))?"
_AGENT = re.compile(rf"{_PRODUCT}( {_PRODUCT})*\Z")
_AGENT_MAX = 256
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\Z", re.ASCII)
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class IlinkSettings:
    """Settings of the client; durations in seconds. Raises ValueError for what could not be sent.

    Time-outs (protocol notes §2) cover a whole call, its answer's body included. `allow_http` lets iLink name plain
    http addresses and odd ports: for a sandbox on this machine, never for the real service.
    """

    base_url: str = "https://ilinkai.weixin.qq.com"
    app_id: str = "bot"
    client_version: str = "2.4.9"
    bot_agent: str = DEFAULT_AGENT
    route_tag: str | None = None
    allowed_hosts: tuple[str, ...] = (".weixin.qq.com",)
    allow_http: bool = False
    connect_timeout: float = 10.0
    """Of every call's time, the part that may pass until the connection stands."""
    qrcode_timeout: float = 15.0
    status_timeout: float = 45.0
    poll_hold: float = 35.0
    """How long iLink holds a poll as long as it has not said so itself."""
    poll_grace: float = 10.0
    """Waited longer than iLink holds a poll: whoever stops at the same moment loses the messages of the answer."""
    send_timeout: float = 15.0
    other_timeout: float = 10.0
    max_answer: int = 1 << 20
    """Bytes of an answer's body; a larger one is malformed."""
    idle_close: float = 30.0
    """A connection for sends is closed after this time without use."""

    def __post_init__(self) -> None:
        if parse_origin(self.base_url) is None:
            raise ValueError(f"base_url: not an http(s) address: {self.base_url!r}")
        if not _VERSION.match(self.client_version) or max(self._numbers) > 255:
            raise ValueError(f"client_version: must look like 2.4.9, each part at most 255: {self.client_version!r}")
        for name, value in (("app_id", self.app_id), ("route_tag", self.route_tag or "-")):
            if not _HEADER_VALUE.match(value):
                raise ValueError(f"{name}: must be visible ASCII: {value!r}")

    @property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.client_version.split("."))

    @property
    def client_version_number(self) -> int:
        """`major<<16 | minor<<8 | patch`: 2.4.9 is 132105."""
        major, minor, patch = self._numbers
        return major << 16 | minor << 8 | patch

    @property
    def agent(self) -> str:
        """`bot_agent` if it has the form that iLink takes (protocol notes §2), else BotTalk's own."""
        fits = _AGENT.match(self.bot_agent) and len(self.bot_agent) <= _AGENT_MAX
        return self.bot_agent if fits else DEFAULT_AGENT

    @property
    def hosts(self) -> HostRule:
        fixed = parse_origin(self.base_url)
        assert fixed is not None, "checked in __post_init__"
        return HostRule(fixed, self.allowed_hosts, self.allow_http)
