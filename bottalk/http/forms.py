"""From the texts of a request to a frozen form: a msgspec struct whose types and limits are also the published ones."""

import re
from enum import Enum
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from bottalk.errors import Invalid
from bottalk.http.fields import Fields

F = TypeVar("F")

_NUMBERS = (inspect.IntType, inspect.FloatType)


def parse(form: type[F], fields: Fields) -> F:
    """Fill `form`. A missing value takes the field's default; a blank one too, except in a text, where it is given.

    Raises Invalid, naming the field.
    """
    found: dict[str, Any] = {}
    for name, required, kind in _layout(form):
        text = fields.text(name)
        if kind is str:
            if required or fields.has(name):
                found[name] = text
        elif text.strip():
            found[name] = text.strip().lower() if kind is Enum else text.strip()
    try:
        return msgspec.convert(found, form, strict=False)
    except msgspec.ValidationError as e:
        raise Invalid(_words(form, str(e))) from None


_layouts: dict[type[Any], tuple[tuple[str, bool, type], ...]] = {}


def _layout(form: type[Any]) -> tuple[tuple[str, bool, type], ...]:
    """Each field's name on the wire, whether it must be there, and its kind: `str` for a text (whose blanks are kept),
    `Enum` for a word of a few (in any letter case), else `object`."""
    if form not in _layouts:
        info = inspect.type_info(form)
        if not isinstance(info, inspect.StructType):
            raise TypeError(f"{form} is no struct")
        _layouts[form] = tuple((f.encode_name, f.required, _kind(_bare(f.type))) for f in info.fields)
    return _layouts[form]


def _kind(bare: inspect.Type) -> type:
    if isinstance(bare, inspect.StrType):
        return str
    return Enum if isinstance(bare, inspect.EnumType) else object


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without `| None` and without what is only said of it."""
    if isinstance(kind, inspect.Metadata):
        return _bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        rest = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return _bare(rest[0]) if len(rest) == 1 else kind
    return kind


def _words(form: type[Any], error: str) -> str:
    """msgspec's error in words that say what to write: the field's own limits."""
    info = inspect.type_info(form)
    missing = re.search(r"missing required field `(\w+)`", error)
    if missing is not None:
        return f"缺少 {missing[1]}"
    name = error.rpartition("$.")[2].rstrip("`") if "$." in error else ""
    if isinstance(info, inspect.StructType):
        for f in info.fields:
            if f.encode_name == name:
                return f"{name} {_wanted(_bare(f.type))}"
    return error


def _wanted(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StrType):
        if kind.pattern is not None:
            return "格式错误"
        if kind.max_length is not None and kind.min_length:
            return f"必须是 {kind.min_length} 到 {kind.max_length} 个字符"
        return f"过长（最多 {kind.max_length} 个字符）" if kind.max_length is not None else "格式错误"
    if isinstance(kind, _NUMBERS):
        what = "整数" if isinstance(kind, inspect.IntType) else "数字"
        if kind.ge is not None and kind.le is not None:
            return f"必须是 {kind.ge:.10g} 到 {kind.le:.10g} 之间的{what}"
        return f"必须是{what}"
    if isinstance(kind, inspect.BoolType):
        return "必须是 0 或 1"
    if isinstance(kind, inspect.EnumType):
        return f"必须是 {'、'.join(str(member.value) for member in kind.cls)} 之一"
    if isinstance(kind, inspect.LiteralType):
        return f"必须是 {'、'.join(str(value) for value in kind.values)} 之一"
    return "格式错误"
