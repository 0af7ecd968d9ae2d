"""`/openapi.json` and `/docs`: complete, whole, and from no other host."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.contract.stage import every_route, is_open_to_other_origins
from tests.support.http import open_site

LEFT_OUT = {"GET /", "GET /docs", "GET /m/<pushid>", "GET /console/static/<stamp>/<name>"}
"""Pages; the operator's routes are left out too."""


async def described(tmp_path: Path) -> tuple[dict[str, Any], set[str]]:
    async with open_site(tmp_path, settings={"base_url": "https://push.example/"}) as site:
        answer = await (await site.browser()).get("/openapi.json/")
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert is_open_to_other_origins(answer)
        document: dict[str, Any] = answer.json()
        return document, every_route(site)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


async def test_every_route_is_in_it(tmp_path: Path, autojump_clock: object) -> None:
    document, routes = await described(tmp_path)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "https://push.example"}]
    assert {name for name, _ in operations(document)} == {
        name for name in routes - LEFT_OUT if "/operator/" not in name
    }
    assert "operator" not in json.dumps(document["paths"])


async def test_operations_are_told_apart_and_say_what_they_need(tmp_path: Path, autojump_clock: object) -> None:
    document, _ = await described(tmp_path)
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert len(operation["tags"]) == 1
        assert set(operation["tags"]) <= tags
        named = set(re.findall(r"\{(\w+)\}", name))
        assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == named
        if operation["security"] and {} not in operation["security"]:
            assert "401" in operation["responses"], name
        schemes = {scheme for way in operation["security"] for scheme in way}
        assert schemes <= set(document["components"]["securitySchemes"])


async def test_every_reference_leads_somewhere_and_nothing_is_left_over(tmp_path: Path, autojump_clock: object) -> None:
    document, _ = await described(tmp_path)
    names = set(document["components"]["schemas"])
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert referred == names
    assert all(re.fullmatch(r"\w+", name) for name in names)


async def test_every_example_is_what_its_schema_says(tmp_path: Path, autojump_clock: object) -> None:
    document, _ = await described(tmp_path)
    components = {"components": document["components"]}
    seen = 0
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            for media in response.get("content", {}).values():
                check = jsonschema_rs.validator_for({**media["schema"], **components})
                for example in media.get("examples", {}).values():
                    assert check.is_valid(example["value"]), f"{name} {status}: {example}"
                    seen += 1
                if status.startswith("2"):
                    assert media.get("examples") or name in WITHOUT_EXAMPLE, f"{name} {status} has no example"
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if "example" in media:
                check = jsonschema_rs.validator_for({**media["schema"], **components})
                assert check.is_valid(media["example"]), name
                seen += 1
    assert seen > 300


WITHOUT_EXAMPLE = {"GET /openapi.json", "GET /api/auth/me/export", "GET /api/admin/status", "GET /api/admin/push-logs"}
"""Too long to be of use, or as another one."""


async def test_the_page_shows_all_of_it_from_here(tmp_path: Path, autojump_clock: object) -> None:
    document, _ = await described(tmp_path / "a")
    async with open_site(tmp_path / "b") as site:
        browser = await site.browser()
        for path, root in (("/docs", ""), ("/docs/", "../")):
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            for wanted in document["paths"]:
                assert f'<code class="path">{wanted}</code>' in answer.text
            links = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
            assert {link for link in links if link.startswith(("http:", "https:", "//"))} == set()
            for link in links:
                if link.startswith("#"):
                    assert f'id="{link[1:]}"' in answer.text
                else:
                    assert link.startswith(root)
                    assert (await browser.get("/" + link.removeprefix(root).removeprefix("./"))).status_code == 200
            assert "<script" not in answer.text
            assert "style=" not in answer.text
        ids = re.findall(r'\bid="([^"]+)"', answer.text)
        assert len(ids) == len(set(ids))
        assert "docs" in re.findall(r'href="([^"]+)"', (await browser.get("/")).text)
