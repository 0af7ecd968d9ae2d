"""What a setting's value must be besides its type: its range, its choices, the form that its meaning asks for."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bottalk.config.settings import Setting


def check(s: Setting, value: Any) -> Any:  # noqa: ANN401 - the table holds values of every type
    """The value itself, where its rule allows it. Raises ValueError with what to write instead."""
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


def cross_checks(found: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with settings whose meaning asks for a form (an address, a zone, a time of day), a line each."""
    for name, empty in (("base_url", "http://localhost"), ("ilink.base_url", "")):  # only ours may be left open
        url = found.get(name)
        if url is not None and not _is_address(url or empty, path=r"(/[^\s?#]*)?"):
            yield f"{name}: must be an http(s) address such as https://push.example.org, not {url!r}"
    alert_url = found.get("alert_url")
    if alert_url and not _is_address(alert_url.reveal(), path=r"(/\S*)?"):
        yield "alert_url: must be an http(s) address"  # its value is never shown
    if not re.fullmatch(r"[!-~]+", found.get("host", "-")):  # an empty one would be every address
        yield f"host: must be an address such as 127.0.0.1, or a name; not {found['host']!r}"
    if found.get("data_dir") == "":
        yield "data_dir: must not be empty"
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


def _is_address(url: str, path: str) -> bool:
    """Whether `urlsplit` and httpx make the same of it: scheme, host, port. `path`: the pattern of the rest."""
    if not re.fullmatch(rf"https?://(\[[0-9A-Fa-f:.]+\]|[^/\s?#@:\[\]]+)(:[0-9]+)?{path}", url):
        return False
    try:
        return urlsplit(url).port != 0
    except ValueError:  # no such port, or no IPv6 address in the brackets
        return False


def _is_version(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){2}", text) is not None and max(map(int, text.split("."))) <= 255
