"""Where settings come from: command line, environment, file, default, in this precedence.

In the environment a setting `delivery.quota` is `BOTTALK_DELIVERY_QUOTA`; a few are known to users by an older name
without the prefix (`PORT`), which is read too; given both, the prefixed one counts. A secret may also come from a file:
`SESSION_SECRET_FILE` names it, or it is the unit's systemd credential `session_secret`.
"""

import dataclasses
import os
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bottalk.config import secret_files
from bottalk.config.checks import check, cross_checks
from bottalk.config.parsing import parse
from bottalk.config.secret_files import SecretFileError
from bottalk.config.settings import Config, Setting, table

CLIENT_VARIABLES = frozenset({"BOTTALK_SEND_KEY", "BOTTALK_URL"})
"""Read by commands that speak to a daemon, and no settings of one."""


class ConfigError(Exception):
    """Something in the settings is wrong; the text names each setting and what to write instead."""


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
    problems += cross_checks(found)
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
        found[s.name] = check(s, parse(s.type, raw))
    except ValueError as e:
        problems.append(f"{where}: {e}")


def _build(section: type[Any], found: Mapping[str, Any], prefix: str) -> Any:  # noqa: ANN401 - Config or a section of it
    hints = typing.get_type_hints(section)
    values: dict[str, Any] = {}
    for f in dataclasses.fields(section):
        if "rule" not in f.metadata:
            values[f.name] = _build(hints[f.name], found, f"{prefix}{f.name}.")
        elif prefix + f.name in found:
            values[f.name] = found[prefix + f.name]
    return section(**values)
