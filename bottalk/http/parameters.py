"""Parameters in the description: the parts of a path, the fields of a query, one header."""

import re
from typing import Any

import msgspec
from msgspec import inspect

_IN_PATH: dict[str, dict[str, Any]] = {
    "id": {"schema": {"type": "integer", "minimum": 1}, "example": 1},
    "qrcode": {"description": "The handle of a code.", "schema": {"type": "string", "pattern": r"^[^/]+$"}},
    "sendkey": {
        "description": "The SendKey. It is a password.",
        "schema": {"type": "string", "pattern": r"^[A-Za-z0-9_-]{1,256}$"},
        "example": "0123456789abcdef0123456789abcdef",
    },
}

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key within 24 hours answers with the first push, and sends nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x20-\x7e]+$"},
}


def in_path(path: str) -> list[dict[str, Any]]:
    """The parts that a path names in braces."""
    return [{"name": name, "in": "path", "required": True, **_IN_PATH[name]} for name in re.findall(r"\{(\w+)\}", path)]


def in_query(form: type[Any]) -> list[dict[str, Any]]:
    """A form's fields, each with its type and limits in full."""
    (schema,), components = msgspec.json.schema_components([form])
    properties = components[schema["$ref"].rpartition("/")[2]]["properties"]
    info = inspect.type_info(form)
    required = {f.encode_name for f in info.fields if f.required} if isinstance(info, inspect.StructType) else set()
    return [_query(name, _whole(kind, components), name in required) for name, kind in properties.items()]


def _query(name: str, kind: dict[str, Any], required: bool) -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "required": required, "schema": kind}
    description = kind.pop("description", None)
    return parameter if description is None else {**parameter, "description": description}


def _whole(kind: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """The schema without references, and without the `null` that no query can say."""
    said = {name: value for name, value in kind.items() if name not in ("$ref", "anyOf", "allOf", "title")}
    if said.get("default", "") is None:
        del said["default"]
    if "$ref" in kind:
        named = _whole(components[kind["$ref"].rpartition("/")[2]], components)
        named.pop("description", None)
        return named | said
    parts = [_whole(part, components) for part in kind.get("anyOf", kind.get("allOf", ())) if part != {"type": "null"}]
    if len(parts) == 1:
        return parts[0] | said
    if "enum" in said:
        said["enum"] = [value for value in said["enum"] if value is not None]
    return said | {"anyOf": parts} if parts else said
