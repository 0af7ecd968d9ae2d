"""A real browser's `fetch` from a page of another origin: pushing works, and a session there is of no use to it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.browser import Page, ScriptFailed, open_browser, program
from tests.clients.pages import other_site
from tests.clients.stage import open_stage

pytestmark = pytest.mark.skipif(program() is None, reason="no browser: npm out of reach and no chromium installed")

FETCH = """
fetch({url}, {options}).then(async (response) => ({{
  status: response.status,
  limit: response.headers.get("X-RateLimit-Limit"),
  left: response.headers.get("X-RateLimit-Remaining"),
  reset: response.headers.get("X-RateLimit-Reset"),
  body: response.type === "opaque" ? null : await response.json(),
}}))
"""


async def fetch(page: Page, url: str, **options: Any) -> Any:  # noqa: ANN401 - JSON
    """What the page's script gets to see. Raises ScriptFailed where it gets an error instead."""
    return await page.value(FETCH.format(url=json.dumps(url), options=json.dumps(options)))


async def test_a_page_of_another_origin_pushes_and_reads_the_answer(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world, other_site() as port:
        person = await world.active()
        base = world.daemon.url
        url = f"{base}/{person.send_key}.send"
        async with open_browser(tmp_path) as browser:
            page = await browser.page()
            await page.go(f"http://127.0.0.1:{port}/")
            kind = {"Content-Type": "application/json"}
            asked_first = {**kind, "Idempotency-Key": "order 17"}
            posted = [
                await fetch(page, url, method="POST", headers=asked_first, body='{"title": "你好", "desp": "& 再见"}'),
                await fetch(page, f"{url}?title=read"),
                await fetch(
                    page,
                    f"{base}/notify",
                    method="POST",
                    headers={"Authorization": f"Bearer {person.send_key}"},
                    body="plain words",
                ),
            ]
            wrong = [
                await fetch(page, url, method="POST", headers=kind, body="{"),
                await fetch(page, f"{base}/nowhere"),
                await fetch(page, f"{base}/api/auth/me"),
            ]
        assert [(answer["status"], answer["body"]["code"]) for answer in posted] == [(200, 0)] * 3
        assert {answer["limit"] for answer in posted} == {"100"}
        assert [answer["left"] for answer in posted] == ["99", "98", "97"]
        assert all(0 < int(answer["reset"]) <= 3600 for answer in posted)
        assert world.texts(person) == ["你好\n\n& 再见", "read", "plain words"]
        assert [answer["status"] for answer in wrong] == [400, 404, 401]
        assert wrong[2]["body"] == {"error": "Unauthorized. Please log in."}


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        pytest.param("127.0.0.1", True, id="same site, other port: the browser does send the cookie"),
        pytest.param("localhost", False, id="other site: SameSite holds it back"),
    ],
)
async def test_a_session_is_of_no_use_to_another_origin(host: str, sent: bool, tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, stage.daemon() as world, other_site() as port:
        person = await world.active()
        base = world.daemon.url
        key = json.dumps({"send_key": person.send_key})
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with open_browser(tmp_path) as browser:
            own = await browser.page()
            await own.go(f"{base}/")
            logged_in = await fetch(own, "/api/auth/login", method="POST", body=key)
            assert logged_in["body"]["data"]["send_key"] == person.send_key

            page = await browser.page()
            await page.go(f"http://{host}:{port}/")
            with pytest.raises(ScriptFailed, match="Failed to fetch"):
                await fetch(page, f"{base}/api/auth/me", credentials="include")
            with pytest.raises(ScriptFailed, match="Failed to fetch"):
                await fetch(page, f"{base}/api/auth/me", credentials="include", method="DELETE", headers=form, body=key)
            with pytest.raises(ScriptFailed, match="Failed to fetch"):
                await fetch(page, f"{base}/api/key/reset", credentials="include", method="POST", headers=form)
            blind = await fetch(page, f"{base}/api/key/reset", credentials="include", method="POST", mode="no-cors")
            assert (blind["status"], blind["body"]) == (0, None)
            answered = await page.heard("Network.responseReceivedExtraInfo", 5)
            asked = await page.heard("Network.requestWillBeSentExtraInfo", 5)

            still = await fetch(own, "/api/auth/me")
            assert still["body"]["data"]["send_key"] == person.send_key
        assert [told["statusCode"] for told in answered[1:]] == ([200, 200, 403, 403] if sent else [401, 200, 401, 401])
        assert ["Cookie" in told["headers"] for told in asked[1:]] == [sent, False, sent, sent], "none with a preflight"
