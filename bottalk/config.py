"""Every setting, in one table: name, environment name, type, default, range and help.

The dataclasses below *are* the table. The loader, the commented `config/bottalk.toml`, `--help` and the test that holds
the documentation against the code all read it (`table()`).

Precedence: command line, environment, file, default. In the environment a setting `delivery.quota` is
`BOTTALK_DELIVERY_QUOTA`; a few are known to users by an older name without the prefix (`PORT`), which is read too;
given both, the prefixed one counts. A secret may also come from a file: `SESSION_SECRET_FILE` names it, or it is the
unit's systemd credential `session_secret`.
"""

import dataclasses
import math
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bottalk import secret_files
from bottalk.secret_files import SecretFileError
from bottalk.values import Secret


class ConfigError(Exception):
    """Something in the settings is wrong; the text names each setting and what to write instead."""


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
        return None if _is_loopback(host) else self.public_url

    @property
    def database(self) -> Path:
        return Path(self.data_dir) / "bottalk.db"

    @property
    def backups(self) -> Path:
        """The directory of the backups."""
        return Path(self.backup_dir) if self.backup_dir else Path(self.data_dir) / "backups"


LIVE = frozenset(
    (
        "log_level",
        "log_format",
        "rate_limit",
        "max_channels",
        "registration",
        "invite",
        "admin_sees_text",
        "log_days",
        "log_texts",
        "monitor_token",
        "codes_per_address",
        "codes_in_all",
        "alert_url",
        "alert_disk_free",
        *(f"delivery.{f.name}" for f in dataclasses.fields(DeliverySettings)),
    )
)
"""Settings that count at once when they are read anew: whoever needs one looks at the daemon's `Config` each time. All
others are built into what is open, and wait for a restart."""


CLIENT_VARIABLES = frozenset({"BOTTALK_SEND_KEY", "BOTTALK_URL"})
"""Read by commands that speak to a daemon, and no settings of one."""


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


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


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


def changed(before: Config, after: Config) -> list[str]:
    """The dotted names of the settings that are not the same in both, in the table's order."""
    return [s.name for s in table() if value_of(before, s.name) != value_of(after, s.name)]


def take_over(config: Config, found: Config) -> list[str]:
    """Give a running daemon's `config` the live settings of `found`; the names of those that have changed.

    The one place where a Config changes: in place, because all parts of the daemon hold this one, and its `delivery`.
    They are frozen to everybody else. No await: on trio's thread nobody sees half of it.
    """
    names = [name for name in changed(config, found) if name in LIVE]
    for name in names:
        section, _, last = name.rpartition(".")
        owner = value_of(config, section) if section else config
        object.__setattr__(owner, last, value_of(found, name))
    return names


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Read the settings. `overrides` (the command line) has dotted names and wins.

    Raises ConfigError with every bad value at once, each with what to write instead.
    """
    return read(path, environ, overrides).config


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and where each that is not a default came from: a variable, a file, the command line."""

    config: Config
    origins: Mapping[str, str]


def read(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Loaded:
    """As `load`, with the origins."""
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    known = {s.name: s for s in table()}
    for name, value in _from_file(path, problems).items():
        if name not in known:
            problems.append(f"{path}: unknown setting {name!r}{_suggest(name, known)}")
            continue
        _take(found, known[name], value, f"{path}: {name}", problems)
        origins[name] = str(path)
    for s in known.values():
        for origin, value in _from_environment(s, environ, problems):
            _take(found, s, value, origin, problems)
            origins[s.name] = origin
    problems += _unknown_variables(environ, known.values())
    for name, value in (overrides or {}).items():
        _take(found, known[name], value, name, problems)
        origins[name] = "command line"
    problems += _cross_checks(found)
    if problems:
        raise ConfigError("\n".join(problems))
    return Loaded(_build(Config, found, ""), origins)


def _from_environment(s: Setting, environ: Mapping[str, str], problems: list[str]) -> Iterable[tuple[str, str]]:
    """What the environment says of a setting, each with its origin; the last counts."""
    if s.is_secret:
        try:
            credential = secret_files.of_credentials(environ, s.name)
            if credential is not None:
                yield f"credential {s.name}", credential
        except SecretFileError as e:
            problems.append(f"credential {s.name}: {e}")
    for env in s.names:
        if environ.get(env, "") != "":
            yield env, environ[env]
        if s.is_secret and environ.get(f"{env}_FILE", "") != "":
            yield from _from_secret_file(env, environ, problems)


def _from_secret_file(env: str, environ: Mapping[str, str], problems: list[str]) -> Iterable[tuple[str, str]]:
    if environ.get(env, "") != "":
        problems.append(f"{env} and {env}_FILE are both set: keep one of them")
        return
    try:
        text = secret_files.of_variable(environ, env)
    except SecretFileError as e:
        problems.append(f"{env}_FILE: {e}")
        return
    if text is not None:
        yield f"{env}_FILE", text


def _unknown_variables(environ: Mapping[str, str], known: Iterable[Setting]) -> Iterable[str]:
    envs = {s.env for s in known} | CLIENT_VARIABLES
    envs |= secret_files.variables(s.env for s in known if s.is_secret)
    for key in environ:
        if key.startswith("BOTTALK_") and key not in envs:
            yield f"environment: unknown setting {key}{_suggest(key, envs)}"


def _from_file(path: Path | None, problems: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        problems.append(f"{path}: {e}")
        return {}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{k}": v for k, v in value.items()})
        else:
            flat[key] = value
    return flat


def _suggest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _take(found: dict[str, Any], s: Setting, raw: object, where: str, problems: list[str]) -> None:
    try:
        found[s.name] = _check(s, _parse(s.type, raw))
    except ValueError as e:
        problems.append(f"{where}: {e}")


def _parse(kind: Any, raw: object) -> Any:  # noqa: ANN401 - the table holds values of every type
    if typing.get_origin(kind) is tuple:
        items = raw if isinstance(raw, list | tuple) else [p.strip() for p in str(raw).split(",") if p.strip()]
        inner = typing.get_args(kind)[0]
        return tuple(_parse(inner, item) for item in items)
    if isinstance(kind, types.UnionType):
        raise TypeError(f"no parser for {kind}")
    if kind is Secret:
        if not isinstance(raw, Secret | str):
            raise ValueError("must be text")  # its value is never shown
        return raw if isinstance(raw, Secret) else Secret(raw)
    if kind is bool:
        return _parse_bool(raw)
    if kind in (int, float):
        return _parse_number(kind, raw)
    if not isinstance(raw, str):
        raise ValueError(f"must be text, not {raw!r}")
    return raw


def _parse_number(kind: type[int] | type[float], raw: object) -> float:
    try:
        if isinstance(raw, bool) or not isinstance(raw, int | float | str):
            raise ValueError
        number = kind(raw)
        if not math.isfinite(number) or (isinstance(raw, float) and number != raw):
            raise ValueError
    except (ValueError, OverflowError):
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"must be {what}, not {raw!r}") from None
    return number


def _parse_bool(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(raw).lower()]
    except KeyError:
        raise ValueError(f"must be true or false, not {raw!r}") from None


def _check(s: Setting, value: Any) -> Any:  # noqa: ANN401
    rule = s.rule
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, int | float) and not isinstance(number, bool):
            if rule.low is not None and number < rule.low:
                raise ValueError(f"must be at least {rule.low:.10g}, not {number:.10g}")
            if rule.high is not None and number > rule.high:
                raise ValueError(f"must be at most {rule.high:.10g}, not {number:.10g}")
    if rule.choices and value not in rule.choices:
        raise ValueError(f"must be one of {', '.join(rule.choices)}, not {value!r}")
    if isinstance(value, tuple) and not value and s.default:
        raise ValueError("must not be empty")
    return value


def _cross_checks(found: Mapping[str, Any]) -> Iterable[str]:
    for name, empty in (("base_url", "http://localhost"), ("ilink.base_url", "")):  # only ours may be left open
        url = found.get(name)
        if url is not None and not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", url or empty):
            yield f"{name}: must be an http(s) address such as https://push.example.org, not {url!r}"
    alert_url = found.get("alert_url")
    if alert_url and not re.fullmatch(r"https?://[^/\s?#@]+(/\S*)?", alert_url.reveal()):
        yield "alert_url: must be an http(s) address"  # its value is never shown
    version = found.get("ilink.client_version")
    if version is not None and not _is_version(version):
        yield f"ilink.client_version: must look like 2.4.9, each part at most 255, not {version!r}"
    for name, empty in (("ilink.app_id", ""), ("ilink.route_tag", "-")):  # only the tag may be left out
        if name in found and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", found[name] or empty):
            yield f"{name}: must be visible ASCII, because it becomes an HTTP header; not {found[name]!r}"
    for name in ("delivery.waking_from", "delivery.waking_to"):
        if name in found and not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", found[name]):
            yield f"{name}: must be a time of day such as 08:00, not {found[name]!r}"
    for proxy in found.get("trusted_proxies", ()):
        try:
            ip_network(proxy)
        except ValueError:
            yield f"trusted_proxies: must be addresses or networks such as 10.0.0.0/8, not {proxy!r}"
    if "tz" in found:
        try:
            ZoneInfo(found["tz"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield f"tz: unknown zone {found['tz']!r}; write one such as Asia/Shanghai or Europe/Berlin"


def _is_version(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){2}", text) is not None and max(map(int, text.split("."))) <= 255


def _build(section: type[Any], found: Mapping[str, Any], prefix: str) -> Any:  # noqa: ANN401
    hints = typing.get_type_hints(section)
    values: dict[str, Any] = {}
    for f in dataclasses.fields(section):
        if "rule" not in f.metadata:
            values[f.name] = _build(hints[f.name], found, f"{prefix}{f.name}.")
        elif prefix + f.name in found:
            values[f.name] = found[prefix + f.name]
    return section(**values)
