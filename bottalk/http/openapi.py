"""`/openapi.json`: the contract as OpenAPI 3.1, made from the very declarations that validate requests."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from bottalk import __version__
from bottalk.http.endpoints import (
    BAD_INPUT,
    CANNOT_SAVE,
    FORBIDDEN,
    UNAUTHORIZED,
    Access,
    Endpoint,
    NoForm,
    Reply,
)

_REF = "#/components/schemas/{name}"
_BODY_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
_JSON = "application/json; charset=utf-8"

SECURITY: Mapping[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.SESSION: [{"session": []}],
    Access.ADMIN: [{"session": []}],
    Access.MONITOR: [{"session": []}, {"monitor": []}],
}

_DESCRIPTION = """\
Self-hosted WeChat push. The push API answers `code` + `message` + `data` and always HTTP 200 for business answers
(unless `strict=1`); the management API answers `success` + `data` or `error`. Every path answers with and without a
trailing slash. Bodies may be JSON, a form or multipart; a non-empty body value wins over the query.
"""


def document(endpoints: Sequence[Endpoint[Any]], base_url: str) -> dict[str, Any]:
    """The whole description of `endpoints` (operator's routes are left out)."""
    shown = [e for e in endpoints if e.access is not Access.OPERATOR]
    types = {_key(t): t for e in shown for t in (e.form, *(reply.body for reply in replies(e))) if t is not None}
    _, schemas = msgspec.json.schema_components(list(types.values()), ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in shown:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "BotTalk", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "bottalk.sid"},
                "monitor": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def replies(endpoint: Endpoint[Any]) -> list[Reply]:
    """What it may answer: its own answers, and those that come of its access and its form."""
    found = list(endpoint.replies)
    if endpoint.access in (Access.SESSION, Access.ADMIN, Access.MONITOR):
        found.append(UNAUTHORIZED)
        if endpoint.access is not Access.SESSION or endpoint.changes:
            found.append(FORBIDDEN)
    if endpoint.path.startswith("/api/"):
        if endpoint.form is not NoForm and not any(r.status == 400 for r in found):
            found.append(BAD_INPUT)
        if endpoint.changes:
            found.append(CANNOT_SAVE)
    return found


def _key(kind: Any) -> str:  # noqa: ANN401 - types, generic ones too
    return str(kind)


def _operation(endpoint: Endpoint[Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        "summary": endpoint.summary,
        "tags": [endpoint.tag] if endpoint.tag else [],
        "parameters": [*_path_parameters(endpoint.path)],
        "responses": _responses(replies(endpoint)),
        "security": SECURITY[endpoint.access],
    }
    if endpoint.form is not NoForm:
        if endpoint.method == "GET":
            operation["parameters"] += _query_parameters(endpoint.form)
        else:
            schema = {"$ref": _REF.format(name=endpoint.form.__name__)}
            operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in _BODY_TYPES}}
    if endpoint.successor:
        operation["deprecated"] = True
        operation["description"] = f"Superseded by `{endpoint.successor}`."
    return operation


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(form: type[Any]) -> Iterable[dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([form], ref_template=_REF)
    name = schema["$ref"].rpartition("/")[2]
    info = inspect.type_info(form)
    required = {f.encode_name for f in info.fields if f.required} if isinstance(info, inspect.StructType) else set()
    for field, kind in components[name]["properties"].items():
        yield {"name": field, "in": "query", "required": field in required, "schema": kind}


def _responses(found: Sequence[Reply]) -> dict[str, Any]:
    """One entry per status; answers that share a status are alternatives."""
    by_status: dict[int, list[Reply]] = {}
    for reply in found:
        by_status.setdefault(reply.status, []).append(reply)
    return {str(status): _response(alternatives) for status, alternatives in sorted(by_status.items())}


def _response(alternatives: Sequence[Reply]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "; ".join(reply.what for reply in alternatives)}
    if alternatives[0].body is None:
        return response
    (*schemas,), _ = msgspec.json.schema_components([reply.body for reply in alternatives], ref_template=_REF)
    distinct = list({str(schema): schema for schema in schemas}.values())
    content: dict[str, Any] = {"schema": distinct[0] if len(distinct) == 1 else {"anyOf": distinct}}
    examples = {
        f"{n}": {"summary": reply.what, "value": msgspec.to_builtins(reply.example)}
        for n, reply in enumerate(alternatives, 1)
        if reply.example is not None
    }
    if examples:
        content["examples"] = examples
    return {**response, "content": {alternatives[0].content_type or _JSON: content}}
