"""What holds for every route: methods that are not there, HEAD, preflights, kinds of body.

Trailing slashes and CORS are looked at in passing by test_guards and test_bad_input.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from bottalk.http import pushes
from tests.contract.stage import data_dir, is_open_to_other_origins, set_stage
from tests.contract.test_guards import ROUTES
from tests.support.http import open_site

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ALLOWED: dict[str, set[str]] = {}
"""By the path as it is declared."""
SAMPLES: dict[str, str] = {}
for _name, _row in ROUTES.items():
    _method, _, _path = _name.partition(" ")
    ALLOWED.setdefault(_path, set()).add(_method)
    SAMPLES[_path] = _row.path
FROM_ELSEWHERE = {"origin": "https://a.example"}
PREFLIGHT = {
    **FROM_ELSEWHERE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type, idempotency-key",
}
KINDS = ("unsaid_json", "form", "multipart", "query")
BODIES = [name for name, row in ROUTES.items() if row.body and not name.startswith("GET") and "/operator/" not in name]


def is_page(path: str) -> bool:
    return path in ("/", "/docs", "/m/<pushid>") or path.startswith("/console/")


def names(header: str) -> set[str]:
    return {name.strip() for name in header.split(",")}


async def test_other_methods_are_not_there(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        before = (await stage.owner.get("/api/auth/me/export")).json()["data"]
        for path, sample in SAMPLES.items():
            for target in {stage.filled(sample), stage.filled(sample).rstrip("/") + "/"}:
                for method in sorted(set(METHODS) - ALLOWED[path]):
                    answer = await stage.owner.request(method, target)
                    assert answer.status_code == 405, f"{method} {target}: {answer.text}"
                    assert names(answer.headers["allow"]) - {"HEAD", "OPTIONS"} == ALLOWED[path], path
                    assert answer.headers["content-type"] == "application/json; charset=utf-8"
                    assert is_page(path) or is_open_to_other_origins(answer)
                    if path.startswith("/api/"):
                        assert answer.json() == {"success": False, "error": "不支持的请求方法"}
                    else:
                        assert (answer.json()["code"], answer.json()["data"]["results"]) == (40000, [])
        after = (await stage.owner.get("/api/auth/me/export")).json()["data"]
        assert {**after, "exported_at": ""} == {**before, "exported_at": ""}


async def test_head_never_acts(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        before = (await stage.owner.get("/api/auth/me/export")).json()["data"]
        codes = len(site.sandbox.codes)
        for path, sample in SAMPLES.items():
            query = {"title": "x", "msg": "x", "key": stage.names["key"], "verify_code": "1"}
            answer = await stage.owner.head(stage.filled(sample), params=query)
            acts = path in [route.rule for route in pushes.ROUTES] or path == "/api/login/qrcode"
            if acts or "GET" not in ALLOWED[path]:
                assert answer.status_code == 405, path
                assert names(answer.headers["allow"]) - {"HEAD", "OPTIONS"} == ALLOWED[path], path
            else:
                assert answer.status_code == (await stage.owner.get(stage.filled(sample), params=query)).status_code
        after = (await stage.owner.get("/api/auth/me/export")).json()["data"]
        assert {**after, "exported_at": ""} == {**before, "exported_at": ""}
        assert len(site.sandbox.codes) == codes


async def test_preflights(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        stranger = await site.browser()
        for path, sample in SAMPLES.items():
            if is_page(path):
                continue
            for target in (stage.filled(sample), stage.filled(sample) + "/"):
                answer = await stranger.options(target, headers=PREFLIGHT)
                assert answer.status_code in (200, 204), f"{target}: {answer.text}"
                assert is_open_to_other_origins(answer)
                assert names(answer.headers["access-control-allow-methods"]) >= ALLOWED[path]
                assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type, Idempotency-Key"
                assert names(answer.headers["allow"]) - {"HEAD", "OPTIONS"} == ALLOWED[path], path
                assert answer.content == b""
                assert "set-cookie" not in answer.headers


async def test_a_path_that_is_not_there_has_no_preflight(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for path in ("/nothing", "/api/nothing"):
            answer = await browser.options(path, headers=PREFLIGHT)
            assert answer.status_code == 404
            assert is_open_to_other_origins(answer)


@pytest.mark.parametrize("name", BODIES)
async def test_every_kind_of_body(tmp_path: Path, autojump_clock: object, name: str) -> None:
    """What test_guards sends as JSON is understood in other forms too: each route takes two of the four."""
    row, method, turn = ROUTES[name], name.partition(" ")[0], BODIES.index(name)
    for kind in (KINDS[turn % 4], KINDS[(turn + 1) % 4]):
        async with open_site(data_dir(tmp_path, kind)) as site:
            stage = await set_stage(site, admin="/admin/" in name)
            filled = {k: stage.filled(value) if isinstance(value, str) else value for k, value in row.body.items()}
            texts = {key: str(value).lower() if value is False else str(value) for key, value in filled.items()}
            request: dict[str, dict[str, Any]] = {
                "unsaid_json": {"content": httpx.Request("POST", "http://x", json=filled).content},
                "form": {"data": texts},
                "multipart": {"files": {key: (None, value) for key, value in texts.items()}},
                "query": {"params": texts},
            }
            answer = await stage.owner.request(method, stage.filled(row.path), **request[kind])
            (row.admin if "/admin/" in name else row.owner).check(answer, f"{name}, {kind}")
