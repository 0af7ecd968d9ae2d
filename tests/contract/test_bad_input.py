"""Bad input to every route: a JSON error as the contract says, at most one log line, nothing on standard error.

The table must name every route of the app: a new one that is missing here fails the first test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from bottalk.errors import CannotWrite
from bottalk.messages import Bind
from bottalk.values import Secret
from tests.contract.stage import every_route, is_open_to_other_origins, set_stage
from tests.support.http import logged, open_site


class Style(Enum):
    PUSH = auto()
    MANAGEMENT = auto()
    PAGE = auto()
    """Reads no input, so whatever comes with it changes nothing."""
    CLOSED = auto()
    """The operator's: not there for anybody else, whatever is sent."""


@dataclass(frozen=True)
class Case:
    """One route. `path` has `{key}`, `{code}` and the like filled in; `fields` are texts it reads, `numbers` too.

    `plain`: the status of a call that gives nothing.
    """

    style: Style
    path: str
    fields: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    plain: int = 200


PUSH_FIELDS = ("title", "desp", "channel", "replace_key")
PUSH_NUMBERS = ("wait", "ttl", "delay", "strict", "priority")


def push(path: str, *more: str) -> Case:
    return Case(Style.PUSH, path, (*PUSH_FIELDS, *more), PUSH_NUMBERS)


M = Style.MANAGEMENT
FILTER = ("limit", "before", "channel", "status")
REMINDER = ("title", "time", "message", "type", "channel")
DIGITS = ("verify_code",)
ROUTES: dict[str, Case] = {
    "GET /{sendkey}.send": push("/{key}.send"),
    "POST /{sendkey}.send": push("/{key}.send"),
    "GET /send/{sendkey}.send": push("/send/{key}.send"),
    "POST /send/{sendkey}.send": push("/send/{key}.send"),
    "GET /send/{sendkey}": push("/send/{key}"),
    "POST /send/{sendkey}": push("/send/{key}"),
    "GET /notify": push("/notify?key={key}"),
    "POST /notify": push("/notify", "key"),
    "GET /push": Case(Style.PUSH, "/push", ("id", "readkey"), ("strict",)),
    "POST /api/auth/register": Case(M, "/api/auth/register", ("email", "invite")),
    "POST /api/auth/login": Case(M, "/api/auth/login", ("send_key",)),
    "POST /api/auth/logout": Case(M, "/api/auth/logout", ("everywhere",), ("everywhere",)),
    "GET /api/auth/me": Case(M, "/api/auth/me"),
    "PATCH /api/auth/me": Case(M, "/api/auth/me", ("nickname",), ("strict",), plain=400),
    "DELETE /api/auth/me": Case(M, "/api/auth/me", ("confirm",), plain=400),
    "GET /api/auth/me/export": Case(M, "/api/auth/me/export"),
    "GET /api/key": Case(M, "/api/key"),
    "POST /api/key/reset": Case(M, "/api/key/reset"),
    "POST /api/channels/qrcode-public": Case(M, "/api/channels/qrcode-public", ("invite",)),
    "POST /api/channels/qrcode": Case(M, "/api/channels/qrcode", ("rebind",), ("rebind",)),
    "GET /api/channels/bind-status-public/{qrcode}": Case(M, "/api/channels/bind-status-public/{code}", DIGITS, DIGITS),
    "GET /api/channels/bind-status/{qrcode}": Case(M, "/api/channels/bind-status/{own_code}", DIGITS, DIGITS),
    "GET /api/channels": Case(M, "/api/channels", ("all",), ("all",)),
    "GET /api/channels/{id}/activation": Case(M, "/api/channels/{channel}/activation"),
    "PATCH /api/channels/{id}": Case(
        M, "/api/channels/{channel}", ("name", "is_default"), ("is_default", "can_login"), plain=400
    ),
    "POST /api/channels/{id}/check": Case(M, "/api/channels/{channel}/check"),
    "DELETE /api/channels/{id}/queue": Case(M, "/api/channels/{channel}/queue"),
    "DELETE /api/channels/{id}": Case(M, "/api/channels/{channel}"),
    "GET /api/push-logs": Case(M, "/api/push-logs", ("q", *FILTER), FILTER),
    "GET /api/push-logs/{id}": Case(M, "/api/push-logs/{settled}"),
    "DELETE /api/push-logs/{id}": Case(M, "/api/push-logs/{waiting}"),
    "GET /api/reminders": Case(M, "/api/reminders"),
    "POST /api/reminders": Case(M, "/api/reminders", REMINDER, ("max_count",)),
    "PATCH /api/reminders/{id}": Case(M, "/api/reminders/{reminder}", REMINDER, ("max_count",)),
    "DELETE /api/reminders/{id}": Case(M, "/api/reminders/{reminder}"),
    "PATCH /api/reminders/{id}/enable": Case(
        M, "/api/reminders/{reminder}/enable", ("enabled",), ("enabled",), plain=400
    ),
    "GET /api/config": Case(M, "/api/config"),
    "GET /api/admin/status": Case(
        M, "/api/admin/status", ("channels", "limit", "after"), ("channels", "limit", "after")
    ),
    "GET /api/admin/users": Case(M, "/api/admin/users"),
    "PATCH /api/admin/users/{id}": Case(
        M, "/api/admin/users/{other}", ("nickname", "role"), ("role", "is_disabled", "rate_limit"), plain=400
    ),
    "DELETE /api/admin/users/{id}": Case(M, "/api/admin/users/{other}"),
    "GET /api/admin/stats": Case(M, "/api/admin/stats"),
    "GET /api/admin/channels": Case(M, "/api/admin/channels"),
    "POST /api/admin/channels/{id}/restart": Case(M, "/api/admin/channels/{channel}/restart"),
    "GET /api/admin/push-logs": Case(M, "/api/admin/push-logs", FILTER, FILTER),
    "GET /api/login/qrcode": Case(M, "/api/login/qrcode", ("invite",)),
    "GET /api/login/status/{qrcode}": Case(M, "/api/login/status/{code}", DIGITS, DIGITS),
    "POST /api/login/reset-key": Case(M, "/api/login/reset-key", ("user_id",), plain=403),
    "GET /api/login/bind-status": Case(M, "/api/login/bind-status", ("user_id",), plain=403),
    "GET /api/login/push-logs": Case(M, "/api/login/push-logs", ("user_id",), plain=403),
    "GET /healthz": Case(Style.PAGE, "/healthz"),
    "GET /readyz": Case(Style.PAGE, "/readyz"),
    "GET /metrics": Case(Style.PAGE, "/metrics"),
    "GET /openapi.json": Case(Style.PAGE, "/openapi.json"),
    "GET /": Case(Style.PAGE, "/"),
    "GET /docs": Case(Style.PAGE, "/docs"),
    "GET /m/<pushid>": Case(Style.PAGE, "/m/{pushid}", plain=404),
    "GET /console/static/<stamp>/<name>": Case(Style.PAGE, "/console/static/x/y", plain=404),
    "GET /operator/admins": Case(Style.CLOSED, "/operator/admins", plain=404),
    "POST /operator/admins/grant": Case(Style.CLOSED, "/operator/admins/grant", ("who",), plain=404),
    "POST /operator/admins/revoke": Case(Style.CLOSED, "/operator/admins/revoke", ("who",), plain=404),
    "GET /operator/status": Case(Style.CLOSED, "/operator/status", plain=404),
    "GET /operator/users": Case(Style.CLOSED, "/operator/users", plain=404),
    "POST /operator/users/disable": Case(Style.CLOSED, "/operator/users/disable", ("who",), plain=404),
    "POST /operator/users/enable": Case(Style.CLOSED, "/operator/users/enable", ("who",), plain=404),
    "POST /operator/users/reset-key": Case(Style.CLOSED, "/operator/users/reset-key", ("who",), plain=404),
    "GET /operator/channels": Case(Style.CLOSED, "/operator/channels", plain=404),
    "POST /operator/channels/restart": Case(Style.CLOSED, "/operator/channels/restart", plain=404),
    "POST /operator/channels/move": Case(Style.CLOSED, "/operator/channels/move", plain=404),
    "POST /operator/channels/drop": Case(Style.CLOSED, "/operator/channels/drop", plain=404),
    "POST /operator/import/accounts": Case(Style.CLOSED, "/operator/import/accounts", ("batch",), plain=404),
    "POST /operator/import/logs": Case(Style.CLOSED, "/operator/import/logs", ("batch",), plain=404),
}

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
MULTIPART = {"content-type": "multipart/form-data; boundary=xyz"}
TWO_MB = 2 * 1024 * 1024


def bad_bodies(case: Case) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """What it is, the status it must be answered with, and the request."""
    field = case.fields[0] if case.fields else "title"
    yield "truncated json", 400, {"content": b'{"title": "x', "headers": JSON}
    yield "json with trailing rubbish", 400, {"content": b'{"title": "x"} x', "headers": JSON}
    yield "an empty json text", 400, {"content": b" ", "headers": JSON}
    yield "a json list", 400, {"content": b'["title"]', "headers": JSON}
    yield "a json string", 400, {"content": b'"title"', "headers": JSON}
    yield "json null", 400, {"content": b"null", "headers": JSON}
    yield "json NaN", 400, {"content": b'{"title": NaN}', "headers": JSON}
    yield "json nested too deep", 400, {"content": b"[" * 100_000, "headers": JSON}
    yield "json objects nested too deep", 400, {"content": b'{"a":' * 100_000, "headers": JSON}
    yield "a json number of 5,000 digits", 400, {"content": b'{"title": ' + b"1" * 5000 + b"}", "headers": JSON}
    yield "json that is no utf-8", 400, {"content": b'{"title": "\xff\xfe"}', "headers": JSON}
    yield "a lone surrogate as utf-8", 400, {"content": b'{"title": "\xed\xa0\x80"}', "headers": JSON}
    yield "a lone high surrogate", 400, {"content": b'{"title": "\\ud800x"}', "headers": JSON}
    yield "a lone low surrogate", 400, {"content": b'{"title": "\\udc00"}', "headers": JSON}
    yield "a form that is no utf-8", 400, {"content": b"title=\xff", "headers": FORM}
    yield "an escaped lone surrogate", 400, {"content": b"title=%ED%A0%80", "headers": FORM}
    yield "a form with too many fields", 400, {"content": b"a=1&" * 1001, "headers": FORM}
    yield "multipart without a boundary", 400, {"content": b"x", "headers": {"content-type": "multipart/form-data"}}
    yield "multipart that breaks off", 400, {"content": b"--xyz\r\nContent-Disp", "headers": MULTIPART}
    yield "text that is no utf-8", 400, {"content": b"\xff", "headers": {"content-type": "text/plain"}}
    for kind, headers in (("form", FORM), ("json", JSON), ("multipart", MULTIPART), ("unnamed", {})):
        yield f"2 MB of {kind}", 413, {"content": b"x" * TWO_MB, "headers": headers}
    if case.fields:
        yield "a NUL in json", 400, {"json": {field: "a\0b"}}
        yield "a NUL in a form", 400, {"content": f"{field}=a%00b".encode(), "headers": FORM}
        yield "an object for a text", 400, {"json": {field: {"a": "b"}}}
        yield "a list for a text", 400, {"json": {field: ["a"]}}
        yield "an object said to be a form", 400, {"content": f'{{"{field}": []}}'.encode(), "headers": FORM}
    for name in case.numbers:
        yield f"rubbish for {name}", 400, {"json": {name: "rubbish"}}
        yield f"a huge {name}", 400, {"json": {name: 10**30}}


def bad_queries(case: Case) -> Iterator[tuple[str, str]]:
    """What it is, and the query: all are answered with 400."""
    if not case.fields:
        return
    yield "a query that is no utf-8", "title=%FF"
    yield "a query with a lone surrogate", "title=%ED%A0%80"
    yield "a query with too many fields", "a=1&" * 1001
    for name in case.fields:
        yield f"a NUL in {name}", f"{name}=a%00b"
    for name in case.numbers:
        yield f"rubbish for {name}", f"{name}=rubbish"
        yield f"a huge {name}", f"{name}={'9' * 30}"
        yield f"a very long {name}", f"{name}={'9' * 10_000}"


def check(case: Case, answer: httpx.Response, status: int, what: str) -> None:
    """The error has that status and its API's style, and tells nothing of the program."""
    told = f"{what}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code == status, told
    assert answer.headers["content-type"] == "application/json; charset=utf-8", told
    assert case.style is Style.PAGE or is_open_to_other_origins(answer), told
    assert "Traceback" not in answer.text, told
    assert "<" not in answer.text, told
    body = answer.json()
    if case.style is not Style.MANAGEMENT:
        assert (body["code"], body["data"]["results"]) == (40000, []), told
        assert body["message"], told
    else:
        assert body["success"] is False, told
        assert body["error"], told


def with_query(url: str, query: str) -> str:
    """`query` as it is, undecoded: httpx would mend what is broken in it."""
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


async def test_the_table_names_every_route(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        assert every_route(site) == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
async def test_bad_input(tmp_path: Path, autojump_clock: object, capfd: pytest.CaptureFixture[str], name: str) -> None:
    case = ROUTES[name]
    method = name.partition(" ")[0]
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        url = stage.filled(case.path)
        before = site.texts(stage.bound.user)
        capfd.readouterr()
        requests: list[tuple[str, int, str, dict[str, Any]]] = [
            (what, 400, with_query(url, query), {}) for what, query in bad_queries(case)
        ]
        if method != "GET":
            requests += [(what, status, url, request) for what, status, request in bad_bodies(case)]
        for what, status, target, request in requests:
            expected = 404 if case.style is Style.CLOSED else status
            with logged() as lines:
                answer = await stage.owner.request(method, target, **request)
                check(case, answer, expected, f"{name}, {what}")
            assert len(lines) <= 1, f"{name}, {what}: {lines}"
            assert stage.names["key"] not in repr(lines)
            assert stage.names["code"] not in repr(lines)
        assert capfd.readouterr() == ("", "")
        assert site.texts(stage.bound.user) == before
        good = await stage.owner.post(f"/{stage.names['key']}.send", json={"title": "after all that", "wait": 20})
        assert good.json()["message"] == "success"


@pytest.mark.parametrize("name", ROUTES)
async def test_what_a_route_does_not_read_does_it_no_harm(tmp_path: Path, autojump_clock: object, name: str) -> None:
    """Rubbish in the query of a route without fields, a body where none belongs, a trailing slash."""
    case = ROUTES[name]
    method = name.partition(" ")[0]
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        path, _, query = stage.filled(case.path).partition("?")
        target = with_query(path.rstrip("/") + "/", query or ("" if case.fields else "x=1&x=2&y=&=&%zz"))
        request: dict[str, Any] = {}
        if method == "GET":
            request = {"content": b"{" * 1000, "headers": JSON}
        with logged() as lines:
            answer = await stage.owner.request(method, target, **request)
        assert answer.status_code == case.plain, f"{target}: {answer.text}"
        assert not answer.history
        assert [line for line in lines if line["log_level"] in ("error", "critical")] == []


async def test_strange_keys_codes_and_numbers_in_paths(
    tmp_path: Path, autojump_clock: object, capfd: pytest.CaptureFixture[str]
) -> None:
    strange = [
        "x" * 10_000,
        "%00",
        "a%00b",
        "%ED%A0%80",
        "%FF",
        "'; DROP TABLE users",
        "..",
        "键",
        "%0d%0aX: y",
        "{",
        "%25",
    ]
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        await site.bind(browser)
        capfd.readouterr()
        with logged() as lines:
            for text in strange:
                for url in (f"/{text}.send", f"/send/{text}.send", f"/notify?key={text}", f"/send/x{text}"):
                    answer = await browser.post(url, json={"title": "x"})
                    code = answer.json()["code"]
                    assert (code, answer.json()["data"]["results"]) in ((40001, []), (40000, [])), (
                        f"{url}: {answer.text}"
                    )
                    assert answer.status_code == (200 if code == 40001 else answer.status_code)
                for public in ("", "-public"):
                    answer = await browser.get(f"/api/channels/bind-status{public}/{text}x")
                    assert answer.json() == {"success": True, "data": {"status": "expired"}}
                answer = await browser.get(f"/api/channels/{text}x/activation")
                assert answer.status_code == 404
                assert answer.json() == {"success": False, "data": {"error": "Channel not found"}}
            for number in ("0", "-1", "1.0", "1e3", "٣", "9" * 18, "9" * 100, " 1"):
                answer = await browser.get(f"/api/channels/{number}/activation")
                assert answer.status_code == 404
                assert answer.json() == {"success": False, "data": {"error": "Channel not found"}}
            for key in ("x" * 10_000, "' OR 1=1", "键"):
                answer = await browser.post("/api/auth/login", json={"send_key": key})
                assert answer.json() == {"success": False, "error": "SendKey 无效"}
        assert {line["event"] for line in lines} <= {"http.request"}
        assert capfd.readouterr() == ("", "")


async def test_bad_pushes_do_no_harm_to_good_ones_of_the_same_commit(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        case = ROUTES["POST /{sendkey}.send"]
        good: list[dict[str, Any]] = []
        refused: list[str] = []

        async def push_good(n: int) -> None:
            good.append((await browser.post(url, json={"title": f"消息 {n:02}", "wait": 20})).json())

        async def push_bad(what: str, status: int, request: dict[str, Any]) -> None:
            check(case, await browser.post(url, **request), status, what)

        async def write_bad(n: int) -> None:
            """What the journal itself refuses, in the same group: no input from outside gets that far."""
            ask = Bind(Secret(f"nobody asked for {n}"), Secret("t"), "b", "u", "http://ilink.test")
            try:
                await site.world.daemon.journal.mailbox.ask(ask)
            except CannotWrite:
                raise
            except LookupError as e:
                refused.append(str(e))

        async with trio.open_nursery() as nursery:
            bad = list(bad_bodies(case))
            for n in range(20):
                nursery.start_soon(push_good, n)
                nursery.start_soon(push_bad, *bad[n])
                nursery.start_soon(write_bad, n)
        assert [(answer["code"], answer["message"]) for answer in good] == [(0, "success")] * 20
        assert len(refused) == 20
        assert site.world.daemon.journal.status().largest_group >= 20
        everything = "\n".join(site.texts(bound.user))
        assert all(everything.count(f"消息 {n:02}") == 1 for n in range(20))
        assert len({answer["data"]["pushid"] for answer in good}) == 20
