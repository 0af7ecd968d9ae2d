"""`/openapi.json`: the contract as OpenAPI 3.1, made from the very declarations that validate requests."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bottalk import __version__
from bottalk.http.answers import JSON
from bottalk.http.endpoints import (
    BAD_INPUT,
    BUG,
    CANNOT_SAVE,
    FORBIDDEN,
    NOT_A_ROUTE,
    TOO_LARGE,
    TOO_LONG,
    TOO_SLOW,
    UNAUTHORIZED,
    Access,
    Endpoint,
    NoForm,
    Reply,
)
from bottalk.http.parameters import IDEMPOTENCY_KEY, in_path, in_query

Schemas = Mapping[str, dict[str, Any]]

_REF = "#/components/schemas/{name}"
_MODULE = re.compile(r"(?:\b|(?<=_))bottalk\.(?:\w+\.)+")
_BODY_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")

SECURITY: Mapping[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.SENDKEY: [{}, {"sendkey": []}],
    Access.SESSION: [{"session": []}],
    Access.ADMIN: [{"session": []}],
    Access.MONITOR: [{"session": []}, {"monitor": []}],
}
SCHEMES = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "bottalk.sid",
        "description": "Set by a scan, by /api/auth/register and by /api/auth/login.",
    },
    "sendkey": {"type": "http", "scheme": "bearer", "description": "The SendKey."},
    "monitor": {"type": "http", "scheme": "bearer", "description": "The setting MONITOR_TOKEN."},
}
TAGS = {
    "push": "推送：只凭 SendKey。Push a message; a SendKey is all it takes.",
    "binding": "绑定：扫一个码。Bind a WeChat by scanning one code.",
    "account": "账户与登录。Accounts and sessions.",
    "key": "SendKey.",
    "channels": "通道：每个绑定的微信一个。Channels, one for each WeChat.",
    "log": "推送记录。What was pushed, and what became of it.",
    "reminders": "提醒。Texts that come at their time.",
    "daemon": "守护进程。The daemon: health, metrics, this description.",
    "admin": "管理员。For administrators.",
    "old": "旧接口，仍可用。Old routes, kept working.",
}

_DESCRIPTION = """\
Self-hosted WeChat push.

- The push API answers `code`, `message` and `data`, always with HTTP 200 for business answers; with `strict=1` the
  HTTP status says the same. The management API answers `success` and `data`, or `error`.
- Every path answers with and without a trailing slash.
- Bodies may be JSON, a form or multipart; whatever a body takes may come in the query too, where a non-empty body value
  wins. Numbers and booleans are taken for texts, `1` and `0` for booleans, `null` for a missing value; unknown fields
  are ignored.
- Wrong methods are answered with 405 and `Allow`, unknown paths with 404, both as JSON. HEAD never acts.
- Times are UTC, `YYYY-MM-DD HH:MM:SS`.
- Any origin may call every route (CORS), never with cookies. What changes something in a session is refused to other
  sites' pages.
"""


def document(endpoints: Sequence[Endpoint[Any]], base_url: str) -> dict[str, Any]:
    """The whole description of `endpoints` (operator's routes are left out)."""
    shown = [e for e in endpoints if e.access is not Access.OPERATOR]
    schemas, components = _schemas(shown)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in shown:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    used = {endpoint.tag for endpoint in shown}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "BotTalk",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SCHEMES},
    }


def _schemas(shown: Sequence[Endpoint[Any]]) -> tuple[Schemas, dict[str, Any]]:
    """The schema of each type that is taken or answered, by the type's name, and what they refer to.

    Made in one go: two types of one name would be told apart by longer ones.
    """
    forms = [e.form for e in shown if e.changes and e.form is not NoForm]
    bodies = [reply.body for e in shown for reply in replies(e) if reply.body is not None]
    types = {str(t): t for t in (*forms, *bodies)}
    found, components = msgspec.json.schema_components(list(types.values()), ref_template=_REF)
    found, components = _without_modules(found), _without_modules(components)
    return dict(zip(types, found, strict=True)), components


def _without_modules(value: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """The same with `Ok_list_bottalk.http.logs.LogBody__` as `Ok_list_LogBody__`, the name that clients are made with.

    Raises ValueError where two names would become one.
    """
    if isinstance(value, str):
        return _MODULE.sub("", value)
    if isinstance(value, Mapping):
        renamed = {_without_modules(name): _without_modules(part) for name, part in value.items()}
        if len(renamed) < len(value):
            raise ValueError("two types of one name are published")
        return renamed
    return [_without_modules(part) for part in value] if isinstance(value, Sequence) else value


def replies(endpoint: Endpoint[Any]) -> list[Reply]:
    """What it may answer: its own answers, and those that come of its access and its form."""
    found = list(endpoint.replies)
    if endpoint.form is not NoForm and not endpoint.changes:
        found.append(TOO_LONG)
    if endpoint.tag == "push":
        return found
    if endpoint.access in (Access.SESSION, Access.ADMIN, Access.MONITOR):
        found.append(UNAUTHORIZED)
        if FORBIDDEN not in found and (endpoint.access is not Access.SESSION or endpoint.changes):
            found.append(FORBIDDEN)
    if not endpoint.path.startswith("/api/"):
        return found
    if not any(reply.status == 400 for reply in found):
        found.append(BAD_INPUT)
    if "{" in endpoint.path:
        found.append(NOT_A_ROUTE)
    if endpoint.changes:
        found += [TOO_SLOW, TOO_LARGE, CANNOT_SAVE]
    elif endpoint.opens_session:
        found.append(CANNOT_SAVE)
    return [*found, BUG]


def _operation(endpoint: Endpoint[Any], schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method.lower()}{endpoint.path}").strip("_"),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": in_path(endpoint.path),
        "responses": _responses(replies(endpoint), schemas),
        "security": SECURITY[endpoint.access],
    }
    is_push = endpoint.tag == "push" and endpoint.example is not None
    if endpoint.form is not NoForm:
        if endpoint.changes:
            operation["requestBody"] = _request_body(endpoint, schemas, plain_text=is_push)
        else:
            operation["parameters"] += in_query(endpoint.form)
    if is_push:
        operation["parameters"].append(IDEMPOTENCY_KEY)
    if endpoint.successor:
        operation["deprecated"] = True
        operation["description"] = f"Superseded by `{endpoint.successor}`; answers carry `Deprecation` and `Link`."
    return operation


def _request_body(endpoint: Endpoint[Any], schemas: Schemas, *, plain_text: bool) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schemas[str(endpoint.form)]}
    if endpoint.example is not None:
        media["example"] = endpoint.example
    content = dict.fromkeys(_BODY_TYPES, media)
    if plain_text:
        content["text/plain"] = {"schema": {"type": "string", "description": "The text."}}
    return {"content": content}


def _responses(found: Sequence[Reply], schemas: Schemas) -> dict[str, Any]:
    """One entry per status; answers that share a status are alternatives."""
    by_status: dict[int, list[Reply]] = {}
    for reply in found:
        by_status.setdefault(reply.status, []).append(reply)
    return {str(status): _response(alternatives, schemas) for status, alternatives in sorted(by_status.items())}


def _response(alternatives: Sequence[Reply], schemas: Schemas) -> dict[str, Any]:
    described = list(dict.fromkeys(reply.what for reply in alternatives))
    response: dict[str, Any] = {"description": "; ".join(described)}
    headers = {name: text for reply in alternatives for name, text in reply.headers.items()}
    if headers:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    distinct = list({str(reply.body): schemas[str(reply.body)] for reply in alternatives if reply.body}.values())
    if not distinct:
        return response
    content: dict[str, Any] = {"schema": distinct[0] if len(distinct) == 1 else {"anyOf": distinct}}
    examples = {
        f"{n}": {"summary": reply.what, "value": msgspec.to_builtins(reply.example)}
        for n, reply in enumerate(alternatives, 1)
        if reply.example is not None
    }
    if examples:
        content["examples"] = examples
    return {**response, "content": {alternatives[0].content_type or JSON: content}}
