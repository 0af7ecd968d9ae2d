"""The first page and its files over HTTP: what is answered, under which headers, kept for how long."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from quart.typing import TestClientProtocol as Client
from quart_trio import QuartTrio

from bottalk.clock import SystemClock
from bottalk.config import load
from bottalk.console.pages import CONTENT_SECURITY_POLICY, blueprint
from bottalk.service.texts import Texts
from bottalk.store.database import open_database


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    app = QuartTrio(__name__, static_folder=None)
    async with open_database(tmp_path / "bottalk.db", now=0.0) as database:
        texts = Texts(database, load(environ={}), SystemClock())
        app.register_blueprint(blueprint(dict, texts, ZoneInfo("UTC")))
        yield app.test_client()


async def page(client: Client) -> str:
    return (await (await client.get("/")).get_data(as_text=True)).replace("\n", " ")


async def test_the_page_says_what_a_scan_ends_and_what_wechat_allows(client: Client) -> None:
    html = await page(client)
    assert "一个微信号只有一个 iLink 机器人" in html
    assert "它在别处的绑定就会失效" in html
    assert "一天内大约能发十条" in html
    assert "BotTalk 替你留着" in html
    assert 'id="start"' in html


async def test_the_page_is_html_that_a_browser_asks_for_again(client: Client) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"


async def test_head_answers_as_get_and_nothing_else_is_allowed(client: Client) -> None:
    assert (await client.head("/")).status_code == 200
    for call in (client.post, client.put, client.patch, client.delete):
        response = await call("/")
        assert response.status_code == 405
        assert "GET" in response.headers["Allow"]


async def test_every_answer_carries_the_policy(client: Client) -> None:
    style = _addresses(await page(client))[0]
    for path in ("/", f"/{style}", "/console/static/x/missing.js"):
        headers = (await client.get(path)).headers
        assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"


def test_the_policy_allows_own_files_and_drawn_pictures_only() -> None:
    policy = dict(directive.split(" ", 1) for directive in CONTENT_SECURITY_POLICY.split("; "))
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy.values()) == {"'self'", "'none'"}
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"


async def test_each_file_of_the_page_is_there_with_its_type(client: Client) -> None:
    addresses = _addresses(await page(client))
    assert {address.rpartition(".")[2] for address in addresses} == {"css", "js", "svg"}
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for address in addresses:
        response = await client.get(f"/{address}")
        assert response.status_code == 200, address
        assert response.headers["Content-Type"].startswith(types[address.rpartition(".")[2]])


async def test_a_file_under_its_stamp_may_be_kept_for_ever(client: Client) -> None:
    for address in _addresses(await page(client)):
        assert (await client.get(f"/{address}")).headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_a_page_from_before_an_upgrade_gets_the_present_file_and_does_not_keep_it(
    client: Client,
) -> None:
    response = await client.get("/console/static/0123456789ab/first_page.css")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-cache"


async def test_a_file_that_is_known_is_not_sent_again(client: Client) -> None:
    path = f"/{_addresses(await page(client))[0]}"
    etag = (await client.get(path)).headers["ETag"]
    again = await client.get(path, headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert await again.get_data() == b""
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "name", ["missing.js", "..%2Fpages.py", "%2e%2e/pages.py", "..%2Ftemplates%2Ffirst_page.html", ""]
)
async def test_nothing_else_is_served(client: Client, name: str) -> None:
    assert (await client.get(f"/console/static/x/{name}")).status_code == 404


def _addresses(html: str) -> list[str]:
    """The page's own files. They are relative, so that the page works under a proxy's path prefix."""
    found = re.findall(r'<(?:link|script|img)[^>]+(?:href|src)="([^"]+)"', html)
    assert found
    assert all(address.startswith("console/static/") for address in found)
    return list(dict.fromkeys(found))
