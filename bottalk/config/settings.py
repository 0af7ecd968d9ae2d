"""Every setting, in one table: name, environment name, type, default, range and help.

The dataclasses below *are* the table. The loader, the commented `config/bottalk.toml`, `--help` and the test that holds
the documentation against the code all read it (`table()`).
"""

import dataclasses
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bottalk.loopback import is_loopback
from bottalk.values import Secret


@dataclass(frozen=True, slots=True)
class Rule:
    """What the loader checks of one value besides its type."""

    help: str
    plain_env: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def setting(
    default: Any,  # noqa: ANN401 - one function serves fields of every type, as dataclasses.field does
    help: str,
    *,
    plain_env: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401
    return field(default=default, metadata={"rule": Rule(help, plain_env, low, high, choices)})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """`[delivery]`: what WeChat allows, and how BotTalk stays inside it."""

    quota: int = setting(10, "messages that iLink lets a bot send per reply of the user", low=1, high=1000)
    life: float = setting(86400.0, "seconds after the user's last message that a bot may send", low=60, high=86400)
    gap: float = setting(1.0, "seconds between two messages while more than 5 are left", low=0, high=3600)
    gap_low: float = setting(5.0, "seconds between two messages at 5 and 4 left", low=0, high=3600)
    gap_scarce: float = setting(30.0, "seconds between two messages at 3 and 2 left", low=0, high=3600)
    last_hold: float = setting(300.0, "seconds the last message of a window is kept, to carry more", low=0, high=3600)
    low_hold: float = setting(
        3600.0, "seconds a low push waits for a message to go along with, before it goes alone", low=0, high=604800
    )
    safe_characters: int = setting(2000, "characters that fit one message safely", low=100, high=4000)
    safe_bytes: int = setting(8000, "UTF-8 bytes that fit one message safely", low=400, high=16000)
    queue: int = setting(500, "waiting rows per channel", low=1, high=100000)
    keep: float = setting(604800.0, "seconds a waiting row is kept before it expires", low=60, high=2592000)
    retry: tuple[float, ...] = setting(
        (1.0, 2.0, 5.0, 15.0, 60.0, 300.0),
        "seconds before each try after a transport error; the last repeats",
        low=0.1,
    )
    penalty: tuple[float, ...] = setting(
        (30.0, 120.0, 420.0, 1320.0, 4920.0), "seconds a channel rests after each refusal of a burst", low=1
    )
    probe: float = setting(3600.0, "seconds between two probes of a closed window", low=60)
    start_spread: float = setting(
        5.0, "seconds over which channels with waiting rows begin to send after a start", low=0, high=300
    )
    nudge: bool = setting(True, "remind the user before a window closes by its age, once for each window")
    nudge_before: float = setting(7200.0, "seconds before the closing that the reminder goes", low=60, high=43200)
    waking_from: str = setting("08:00", "time of day, in the zone of tz, from which a reminder may go")
    waking_to: str = setting("22:00", "time of day from which none may go; the same as waking_from: at any time")


@dataclass(frozen=True, slots=True, kw_only=True)
class IlinkSection:
    """`[ilink]`: the upstream."""

    base_url: str = setting("https://ilinkai.weixin.qq.com", "address of the iLink Bot API", plain_env="ILINK_BASE_URL")
    app_id: str = setting("bot", "iLink-App-Id header")
    client_version: str = setting("2.4.9", "iLink client version; an outdated one makes the phone refuse the scan")
    route_tag: str = setting("", "SKRouteTag header; empty: left out")
    allowed_hosts: tuple[str, ...] = setting(
        (".weixin.qq.com",), "hosts that iLink may name for a channel; a leading dot means any host below"
    )
    calls_while_down: float = setting(5.0, "calls a second in all while iLink does not answer", low=0.1, high=100)
    starts_per_second: float = setting(200.0, "first polls a second at start and after an outage", low=1, high=100000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of the daemon."""

    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 opens it to other machines", plain_env="HOST")
    port: int = setting(3000, "TCP port; 0 takes a free one", plain_env="PORT", low=0, high=65535)
    base_url: str = setting("", "public address; empty: http://localhost:{port}", plain_env="BASE_URL")
    data_dir: str = setting("data", "directory of the database (bottalk.db) and the lock", plain_env="DATA_DIR")
    session_secret: Secret = setting(
        Secret(""), "signs session cookies; empty: made once and kept in the data directory", plain_env="SESSION_SECRET"
    )
    tz: str = setting("Asia/Shanghai", "time zone of reminders, statistics and the times in a digest", plain_env="TZ")
    log_level: str = setting("info", "least level that is logged", choices=("debug", "info", "warning", "error"))
    log_format: str = setting(
        "auto", "console, json, or auto: console on a terminal, json elsewhere", choices=("auto", "console", "json")
    )
    rate_limit: int = setting(100, "pushes per account and hour", low=0, high=100000)
    max_body: int = setting(1048576, "bytes of a request body", low=1024, high=104857600)
    max_channels: int = setting(10, "live channels per account", low=1, high=1000)
    registration: str = setting(
        "open",
        "who may make an account, by e-mail or scan: anybody, who gives the word of invite, nobody",
        choices=("open", "invite", "closed"),
    )
    invite: Secret = setting(Secret(""), "the word newcomers must give where registration is invite; empty: nobody can")
    admin_sees_text: bool = setting(False, "administrators see title and text of everybody's pushes in the log")
    log_days: int = setting(90, "days a settled push stays in the log", low=1, high=3650)
    log_texts: str = setting(
        "full",
        "what the log keeps of a settled push: all, its title, neither; a text sent with a link stays 7 days",
        choices=("full", "title", "none"),
    )
    rewrite_up_to: int = setting(
        128,
        "MB of the database up to which it is written anew at night, after removals; pushes wait meanwhile; 0: never",
        low=0,
        high=1000,
    )
    words: str = setting("", "file of BotTalk's own words on the phone (config/words.toml has all); empty: as they are")
    monitor_token: Secret = setting(
        Secret(""), "opens /metrics and /api/admin/status as a bearer token; empty: none", plain_env="MONITOR_TOKEN"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "addresses or networks of proxies whose X-Forwarded-For counts",
        plain_env="TRUSTED_PROXIES",
    )
    codes_per_address: int = setting(5, "open QR codes per client address", low=1, high=10000)
    codes_in_all: int = setting(200, "open QR codes in all", low=1, high=100000)
    backup_dir: str = setting("", "directory of backups; empty: backups in the data directory")
    backup_every: float = setting(24.0, "hours between two backups that the daemon makes; 0: none", low=0, high=8760)
    backup_keep: int = setting(7, "newest backups that are kept", low=1, high=10000)
    alert_url: Secret = setting(
        Secret(""),
        "address that hears of troubles: a webhook, or a push address ending in .send; empty: none",
        plain_env="ALERT_URL",
    )
    alert_disk_free: int = setting(
        500, "MB free on the disk of the data directory below which it is a trouble; 0: never", low=0, high=100000000
    )
    demo: bool = setting(False, "the upstream is a sandbox: plain http and its host are allowed")
    ilink: IlinkSection = field(default_factory=IlinkSection)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)

    @property
    def public_url(self) -> str:
        return (self.base_url or f"http://localhost:{self.port}").rstrip("/")

    @property
    def pages_url(self) -> str | None:
        """The public address, where phones can reach it: not when it names this machine only."""
        host = urlsplit(self.public_url).hostname or ""
        return None if is_loopback(host) or _is_unspecified(host) else self.public_url

    @property
    def database(self) -> Path:
        return Path(self.data_dir) / "bottalk.db"

    @property
    def backups(self) -> Path:
        """The directory of the backups."""
        return Path(self.backup_dir) if self.backup_dir else Path(self.data_dir) / "backups"


def _is_unspecified(host: str) -> bool:
    """0.0.0.0 and its like: to listen on, and no address to reach anybody at."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table."""

    name: str
    env: str
    type: Any
    default: Any
    rule: Rule

    @property
    def names(self) -> tuple[str, ...]:
        """Its names in the environment, the one that counts last."""
        return (self.rule.plain_env, self.env) if self.rule.plain_env else (self.env,)

    @property
    def is_secret(self) -> bool:
        return self.type is Secret


def table() -> tuple[Setting, ...]:
    """Every setting, top-level ones first, each with its dotted name and its names in the environment."""
    return tuple(_lines(Config, ""))


def _lines(section: type[Any], prefix: str) -> Iterable[Setting]:
    hints = typing.get_type_hints(section)
    for f in dataclasses.fields(section):
        if "rule" in f.metadata:
            name = prefix + f.name
            env = "BOTTALK_" + name.replace(".", "_").upper()
            yield Setting(name, env, hints[f.name], f.default, f.metadata["rule"])
        else:
            yield from _lines(hints[f.name], f"{prefix}{f.name}.")


def value_of(config: Config, name: str) -> Any:  # noqa: ANN401 - the table holds values of every type
    """The value of the setting of that dotted name."""
    found: Any = config
    for part in name.split("."):
        found = getattr(found, part)
    return found
