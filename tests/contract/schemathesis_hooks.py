"""Loaded by `schemathesis run` (see test_schemathesis): who it is, and real names among those it makes up."""

import os
from itertools import count
from typing import Any

import requests
import schemathesis
from schemathesis import Case, HookContext

SEND_KEY = os.environ["TEST_SEND_KEY"]
COOKIE = os.environ["TEST_COOKIE"]
QRCODE = os.environ["TEST_QRCODE"]
BASE = os.environ["TEST_BASE_URL"]
NAME = "bottalk.sid"
_numbers = count()
PUSH_ROUTES = ("/{sendkey}.send", "/send/{sendkey}.send", "/send/{sendkey}", "/notify")


@schemathesis.auth()
class Session:
    """The cookie of an account; `logout` gets a session of its own to end."""

    def get(self, case: Case[Any], context: Any) -> str:  # noqa: ANN401 - schemathesis' own
        return COOKIE

    def set(self, case: Case[Any], data: str, context: Any) -> None:  # noqa: ANN401
        if case.operation.path in ("/api/auth/register", "/api/auth/login"):
            return  # they would rotate the session
        if case.operation.path == "/api/auth/logout":
            data = _new_session()
        case.cookies[NAME] = data


def _new_session() -> str:
    """Of an account of its own: to end all sessions of an account is one of the cases."""
    email = f"{next(_numbers)}@example.org"
    answer = requests.post(f"{BASE}/api/auth/register", json={"email": email}, timeout=5)
    return str(answer.cookies[NAME])


@schemathesis.hook
def map_path_parameters(context: HookContext, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """A made up key or code is unknown: every other one is real."""
    if path_parameters is None:
        return None
    real = {"sendkey": SEND_KEY, "qrcode": QRCODE}
    operation = context.operation
    if operation is not None and operation.label == "DELETE /api/channels/{id}" and path_parameters.get("id") == 1:
        return {"id": 2}  # the first one is still needed
    return {
        name: real[name] if name in real and hash(str(value)) % 2 == 0 else value
        for name, value in path_parameters.items()
    }


@schemathesis.hook
def map_query(context: HookContext, query: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if query is None else _soon(context, query)


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:  # noqa: ANN401 - whatever was made up
    return _soon(context, body) if isinstance(body, dict) else body


def _soon(context: HookContext, fields: dict[str, Any]) -> dict[str, Any]:
    """A push waits for its outcome up to 20 s: here it does not."""
    if context.operation is None or context.operation.path not in PUSH_ROUTES:
        return fields
    if isinstance(fields.get("wait", 0), int | float):
        fields["wait"] = 0
    if "key" in fields and hash(str(fields["key"])) % 2 == 0:
        fields["key"] = SEND_KEY
    return fields
