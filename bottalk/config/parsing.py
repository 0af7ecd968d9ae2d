"""A value of a file, the environment or the command line, as the type of its setting."""

import math
import types
import typing
from typing import Any

from bottalk.values import Secret


def parse(kind: Any, raw: object) -> Any:  # noqa: ANN401 - the table holds values of every type
    """`raw` as `kind`; text becomes numbers, truth and lists. Raises ValueError with what to write instead."""
    if typing.get_origin(kind) is tuple:
        items = raw if isinstance(raw, list | tuple) else [p.strip() for p in str(raw).split(",") if p.strip()]
        inner = typing.get_args(kind)[0]
        return tuple(parse(inner, item) for item in items)
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
