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
from bottalk.http import pushes
from bottalk.messages import Bind
from bottalk.values import Secret
from tests.support.http import OWN_CODE, PUBLIC_CODE, Bound, logged, open_site


class Style(Enum):
    PUSH = auto()
    MANAGEMENT = auto()
    PAGE = auto()
    """For people: reads no input, so whatever comes with it changes nothing."""


@dataclass(frozen=True)
class Case:
    """One route. `path` has `{key}`, `{code}`, `{channel}` filled in; `fields` are texts it reads, `numbers` too."""

    style: Style
    path: str
    fields: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


PUSH_FIELDS = ("title", "desp", "channel", "replace_key")
PUSH_NUMBERS = ("wait", "ttl", "delay", "strict", "priority")


def push(path: str, *more: str) -> Case:
    return Case(Style.PUSH, path, (*PUSH_FIELDS, *more), PUSH_NUMBERS)


M = Style.MANAGEMENT
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
    "POST /api/auth/login": Case(M, "/api/auth/login", ("send_key",)),
    "GET /api/auth/me": Case(M, "/api/auth/me"),
    "POST /api/channels/qrcode-public": Case(M, "/api/channels/qrcode-public"),
    "POST /api/channels/qrcode": Case(M, "/api/channels/qrcode", ("rebind",), ("rebind",)),
    "GET /api/channels/bind-status-public/<code>": Case(
        M, "/api/channels/bind-status-public/{code}", ("verify_code",), ("verify_code",)
    ),
    "GET /api/channels/bind-status/<code>": Case(
        M, "/api/channels/bind-status/{code}", ("verify_code",), ("verify_code",)
    ),
    "GET /api/channels/": Case(M, "/api/channels", ("all",), ("all",)),
    "GET /api/channels/<number>/activation": Case(M, "/api/channels/{channel}/activation"),
    "GET /api/config": Case(M, "/api/config"),
    "GET /healthz": Case(Style.PAGE, "/healthz"),
    "GET /": Case(Style.PAGE, "/"),
    "GET /console/static/<stamp>/<name>": Case(Style.PAGE, "/console/static/x/y"),
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
    assert "Traceback" not in answer.text, told
    assert "<" not in answer.text, told
    body = answer.json()
    if case.style is Style.PUSH:
        assert (body["code"], body["data"]["results"]) == (40000, []), told
        assert body["message"], told
    else:
        assert body["success"] is False, told
        assert body["error"], told


def filled(path: str, bound: Bound) -> str:
    return path.format(key=bound.data["send_key"], code=bound.code, channel=bound.data["id"])


def with_query(url: str, query: str) -> str:
    """`query` as it is, undecoded: httpx would mend what is broken in it."""
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


async def test_the_table_names_every_route(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        known = {
            f"{method} {rule.rule}"
            for rule in site.app.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
        known |= {f"{method} {route.rule}" for route in pushes.ROUTES for method in pushes.METHODS}
        assert known == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
async def test_bad_input(tmp_path: Path, autojump_clock: object, capfd: pytest.CaptureFixture[str], name: str) -> None:
    case = ROUTES[name]
    method = name.partition(" ")[0]
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        code = await site.ask(browser, OWN_CODE if "bind-status/" in name else PUBLIC_CODE)
        url = filled(case.path, Bound(bound.user, code, bound.data, 200))
        capfd.readouterr()
        requests: list[tuple[str, int, str, dict[str, Any]]] = [
            (what, 400, with_query(url, query), {}) for what, query in bad_queries(case)
        ]
        if method == "POST":
            requests += [(what, status, url, request) for what, status, request in bad_bodies(case)]
        for what, status, target, request in requests:
            with logged() as lines:
                check(case, await browser.request(method, target, **request), status, f"{name}, {what}")
            assert len(lines) <= 1, f"{name}, {what}: {lines}"
            assert bound.data["send_key"] not in repr(lines)
            assert code not in repr(lines)
        assert capfd.readouterr() == ("", "")
        assert site.texts(bound.user) == []
        good = await browser.post(f"/{bound.data['send_key']}.send", json={"title": "after all that"})
        assert good.json()["message"] == "success"


@pytest.mark.parametrize("name", ROUTES)
async def test_what_a_route_does_not_read_does_it_no_harm(tmp_path: Path, autojump_clock: object, name: str) -> None:
    """Rubbish in the query of a route without fields, a body where none belongs, a trailing slash."""
    case = ROUTES[name]
    method = name.partition(" ")[0]
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        code = await site.ask(browser, OWN_CODE if "bind-status/" in name else PUBLIC_CODE)
        path, _, query = filled(case.path, Bound(bound.user, code, bound.data, 200)).partition("?")
        for target in sorted({path, path.rstrip("/") + "/"}):
            target = with_query(target, query or ("" if case.fields else "x=1&x=2&y=&=&%zz"))
            request: dict[str, Any] = {}
            if method == "GET":
                request = {"content": b"{" * TWO_MB, "headers": JSON}
            with logged() as lines:
                answer = await browser.request(method, target, **request)
            assert answer.status_code in ((200, 404) if "static" in name else (200,)), f"{target}: {answer.text}"
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
        assert {line["event"] for line in lines} <= {"http.bad_input"}
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
