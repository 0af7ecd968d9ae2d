"""What a request brings: query and body, of every kind that clients send, read once into texts."""

import io
import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from bottalk.errors import Invalid

# a number given for a text arrives as it was written: 1.10 stays 1.10
_decode_json = msgspec.json.Decoder(float_hook=str).decode
_MEMBER = re.compile(rb'"\s*:')
"""Ends the name of a JSON member; inside a text it can only follow a backslash."""

MAX_FIELDS = 1000
BODILESS = ("GET", "HEAD", "OPTIONS")


class Fields:
    """Named texts of one request. A non-empty body value wins over the query; given twice, the first counts.

    Values of a JSON body are looked at when they are asked for: a field that nobody reads may hold anything.
    """

    __slots__ = ("_body", "_query")

    def __init__(self, query: Mapping[str, str], body: Mapping[str, object]) -> None:
        self._query = query
        self._body = body

    def text(self, name: str, longest: int | None = None) -> str:
        """The text of that name as it came; empty when missing. Raises Invalid for what no text may hold."""
        value = self._body.get(name, "")
        if not isinstance(value, str):
            value = _scalar(name, value)
        if not value.strip():
            value = self._query.get(name, "") or value
        if "\0" in value:
            raise Invalid(f"{name} 含有 NUL 字符")
        if longest is not None and len(value) > longest:
            raise Invalid(f"{name} 过长（最多 {longest} 个字符）")
        if not value.isascii() and _has_lone_surrogate(value):
            raise Invalid(f"{name} 含有无效的 Unicode 字符")
        return value

    def has(self, name: str) -> bool:
        """Whether it was given at all, blank or not; `null` counts as missing."""
        return self._body.get(name) is not None or name in self._query


async def read(request: Request, *, plain_text_as: str = "text") -> Fields:
    """Read query and body. A `text/plain` body is the field `plain_text_as`.

    Raises Invalid (400, or 413 for a body over the size limit).
    """
    try:
        raw = b"" if request.method in BODILESS else await request.get_data()
    except RequestEntityTooLarge:
        raise Invalid("请求体过大", 413) from None
    body = raw if isinstance(raw, bytes) else raw.encode()
    return parse(request.query_string, body, request.headers.get("Content-Type", ""), plain_text_as)


def parse(query: bytes, body: bytes, content_type: str, plain_text_as: str = "text") -> Fields:
    """The fields of a raw query and body. Raises Invalid."""
    return Fields(_pairs(query, "查询参数"), _body(body, content_type, plain_text_as) if body else {})


def _body(body: bytes, content_type: str, plain_text_as: str) -> Mapping[str, object]:
    kind, options = parse_options_header(content_type)
    kind = kind.lower()
    is_json = kind == "application/json" or kind.endswith("+json")
    if is_json or body.lstrip()[:1] == b"{":
        # `curl -d '{"title":"x"}'` says that it is a form: an object is understood whatever the header says
        try:
            return _object(body)
        except Invalid:
            if is_json:
                raise
    if kind == "multipart/form-data":
        return _multipart(body, options)
    if kind == "text/plain":
        return {plain_text_as: _decode(body)}
    return _pairs(body, "表单")


def _object(body: bytes) -> Mapping[str, object]:
    try:
        value = _decode_json(body)
        if isinstance(value, dict) and len(_MEMBER.findall(body)) > len(value):
            # perhaps a name was given twice: msgspec keeps the last
            value = json.loads(body, object_pairs_hook=_first_of_each, parse_int=str, parse_float=str)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Invalid(f"JSON 格式错误：{e}") from None
    if not isinstance(value, dict):
        raise Invalid("JSON 必须是对象")
    return value


def _first_of_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _scalar(name: str, value: object) -> str:
    """A JSON value that is no text, as one; `null` counts as missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise Invalid(f"{name} 必须是文本")


def _pairs(raw: bytes, what: str) -> Mapping[str, str]:
    if not raw:
        return {}
    if raw.count(b"&") >= MAX_FIELDS:
        raise Invalid(f"{what}的字段过多（最多 {MAX_FIELDS} 个）")
    try:
        pairs = parse_qsl(
            raw.decode("ascii", "strict") if raw.isascii() else _decode(raw),
            keep_blank_values=True,
            errors="strict",
        )
    except UnicodeDecodeError:
        raise Invalid(f"{what}不是有效的 UTF-8") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _multipart(body: bytes, options: Mapping[str, str]) -> Mapping[str, str]:
    try:
        _, form, _ = FormDataParser(max_form_parts=MAX_FIELDS, silent=False).parse(
            io.BytesIO(body), "multipart/form-data", len(body), dict(options)
        )
    except (ValueError, RequestEntityTooLarge):
        raise Invalid("multipart 格式错误") from None
    return {name: form[name] for name in form}


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Invalid("内容不是有效的 UTF-8") from None


def _has_lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
