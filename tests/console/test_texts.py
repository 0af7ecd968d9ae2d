"""The page of a long text: who sees it, how long, and under which headers."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from bottalk.console.texts import CONTENT_SECURITY_POLICY
from tests.support.http import Bound, Site, open_site

PUBLIC = "https://push.example.org"
LONG = "第一段 **重要** disk_full。\n\n" + "很长的一句话。" * 600
DAY = 86400.0


async def pushed(site: Site, browser: httpx.AsyncClient, bound: Bound, **fields: Any) -> str:  # noqa: ANN401
    """The path and query of the page of a new push."""
    key = bound.data["send_key"]
    answer = await browser.post(f"/{key}.send", json={"wait": 20, **fields})
    data = answer.json()["data"]
    return f"/m/{data['pushid']}?readkey={data['readkey']}"


async def test_the_link_of_a_long_message_leads_to_the_whole_text(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, base_url=PUBLIC) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        path = await pushed(site, browser, bound, title="磁盘 a_b", desp=LONG)
        received = site.sandbox.read(bound.user)[-1].text
        assert received.startswith("磁盘 `a_b`\n\n第一段 **重要** `disk_full`。")
        assert received.endswith(f"…\n\n全文：{PUBLIC}{path}")
        page = await (await site.browser("192.0.2.9")).get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert '<h1 dir="auto">磁盘 a_b</h1>' in page.text
        assert "<p>第一段 <strong>重要</strong> disk_full。</p>" in page.text
        assert page.text.count("很长的一句话。") == 600
        assert "<script" not in page.text
        assert re.search(r"<time>2026-09-2\d \d\d:\d\d</time>", page.text)


async def test_its_headers(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, base_url=PUBLIC) as site:
        browser = await site.browser()
        path = await pushed(site, browser, await site.bind(browser), desp="x")
        for target, status in ((path, 200), (path.replace("readkey=", "readkey=x"), 404)):
            for method in ("GET", "HEAD"):
                answer = await browser.request(method, target)
                assert answer.status_code == status
                assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
                assert answer.headers["cache-control"] == "private, no-store"
                assert answer.headers["referrer-policy"] == "no-referrer"
                assert answer.headers["x-robots-tag"] == "noindex, nofollow"
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert "access-control-allow-origin" not in answer.headers
                assert "set-cookie" not in answer.headers
            assert '<meta name="robots" content="noindex, nofollow">' in (await browser.get(target)).text


def test_its_policy_allows_no_script_and_no_picture_from_elsewhere() -> None:
    policy = dict(directive.split(" ", 1) for directive in CONTENT_SECURITY_POLICY.split("; "))
    assert policy["default-src"] == "'none'"
    assert "script-src" not in policy
    assert (policy["style-src"], policy["img-src"]) == ("'self'", "'self'")


async def test_its_files_are_there_with_and_without_a_slash(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        path = await pushed(site, browser, await site.bind(browser), desp="x")
        for target in (path, path.replace("?", "/?"), "/m/0"):
            page = await browser.get(target)
            for file in re.findall(r'<(?:link|img)[^>]+(?:href|src)="([^"]+)"', page.text):
                answer = await browser.get(str(page.url.join(file)))
                assert answer.status_code == 200, file
                assert "immutable" in answer.headers["cache-control"]


WRONG = [
    "/m/{id}",
    "/m/{id}?readkey=",
    "/m/{other}?readkey={key}",
    "/m/{id}?readkey={key}x",
    "/m/x?readkey={key}",
    "/m/{id}1?readkey={key}",
    "/m/%00?readkey={key}",
    "/m/{id}?readkey=%00",
    "/m/9999999999999999999999?readkey={key}",
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_pair_is_the_same_page_as_an_expired_text(
    tmp_path: Path, autojump_clock: object, wrong: str
) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        path = await pushed(site, browser, await site.bind(browser), desp="the text")
        number, _, key = path.removeprefix("/m/").partition("?readkey=")
        answer = await browser.get(wrong.format(id=number, other=int(number) + 1, key=key))
        site.world.clock.offset += 91 * DAY
        expired = await browser.get(path)
        assert (answer.status_code, expired.status_code) == (404, 404)
        assert answer.text == expired.text
        assert "看不到这条消息" in answer.text


@pytest.mark.parametrize("texts", ["full", "title", "none"])
async def test_a_text_with_a_link_is_kept_a_week_whatever_the_log_keeps(
    tmp_path: Path, autojump_clock: object, texts: str
) -> None:
    async with open_site(tmp_path, base_url=PUBLIC, log_texts=texts) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        long = await pushed(site, browser, bound, title="长", desp=LONG)
        short = await pushed(site, browser, bound, title="短", desp="一句话")
        waiting = await pushed(site, browser, bound, title="等", desp="以后", delay=80 * DAY / 4)
        page = await browser.get(long)
        assert page.status_code == 200
        assert "这一页保留到" in page.text
        assert (await browser.get(short)).status_code == (200 if texts == "full" else 404)
        told = await browser.get(waiting)
        assert told.status_code == 200
        assert "这一页保留到" not in told.text, "nobody knows yet"
        site.world.clock.offset += 6.9 * DAY
        assert (await browser.get(long)).status_code == 200
        site.world.clock.offset += 0.2 * DAY
        assert (await browser.get(long)).status_code == (200 if texts == "full" else 404)


async def test_a_text_leaves_with_its_account(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        path = await pushed(site, browser, bound, desp="the text")
        await browser.request("DELETE", "/api/auth/me", json={"confirm": bound.data["send_key"]})
        assert (await browser.get(path)).status_code == 404


async def test_a_push_to_several_channels_has_one_text(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        await site.bind(browser, route="/api/channels/qrcode")
        path = await pushed(site, browser, bound, desp="the text", channel="all")
        page = await browser.get(path)
        assert page.status_code == 200
        assert page.text.count("the text") == 1


async def test_a_title_alone_and_what_html_it_holds(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        path = await pushed(site, browser, await site.bind(browser), title="<b>a & b</b>")
        page = await browser.get(path)
        assert '<h1 dir="auto">&lt;b&gt;a &amp; b&lt;/b&gt;</h1>' in page.text
        assert "<article" not in page.text
