"""The old routes: they answer as their successors do, and name them."""

from pathlib import Path

import pytest

from tests.contract.stage import set_stage
from tests.support.http import PUBLIC_CODE, open_site

SUCCESSORS = {
    "GET /api/login/qrcode": PUBLIC_CODE,
    "GET /api/login/status/{code}": "/api/channels/bind-status-public/{code}",
    "POST /api/login/reset-key": "/api/key/reset",
    "GET /api/login/bind-status": "/api/channels",
    "GET /api/login/push-logs": "/api/push-logs",
}


@pytest.mark.parametrize("route", SUCCESSORS)
async def test_every_answer_names_the_successor(tmp_path: Path, autojump_clock: object, route: str) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        method, _, path = route.partition(" ")
        link = f'<{stage.filled(SUCCESSORS[route])}>; rel="successor-version"'
        stranger = await site.browser()
        for browser in (stage.owner, stage.other, stranger):
            for slash in ("", "/"):
                for query in ({}, {"user_id": stage.names["wechat"]}, {"user_id": "a\0b"}):
                    answer = await browser.request(method, stage.filled(path) + slash, params=query)
                    assert (answer.headers["deprecation"], answer.headers["link"]) == ("true", link)


async def test_a_code_and_its_scan(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        data = (await browser.get("/api/login/qrcode")).json()["data"]
        assert data["qrcode_url"] == data["qr_url"]
        status = f"/api/login/status/{data['qrcode']}"
        assert (await browser.get(status)).json() == {"success": True, "data": {"status": "waiting"}}
        site.sandbox.scan(data["qrcode"], site.sandbox.new_user())
        site.sandbox.confirm(data["qrcode"])
        done = (await site.end_of(browser, data["qrcode"])).json()
        assert (await browser.get(status)).json() == done
        assert (await browser.get("/api/auth/me")).json()["data"]["send_key"] == done["data"]["send_key"]


async def test_a_link_preview_opens_no_code(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for path in ("/api/login/qrcode", "/api/login/qrcode/"):
            answer = await browser.head(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, OPTIONS")
            assert "set-cookie" not in answer.headers
        assert site.world.daemon.pictures.bindings == {}


async def test_the_routes_of_ones_own_account(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        own = {"user_id": stage.names["wechat"]}
        answer = await stage.owner.get("/api/login/bind-status", params=own)
        assert answer.json() == {"success": True, "data": {"bound": True, "activated": True}}
        answer = await stage.owner.get("/api/login/push-logs", params=own)
        assert answer.json() == (await stage.owner.get("/api/push-logs")).json()
        for user_id in ("", " ", "1", stage.names["other_wechat"]):
            answer = await stage.owner.get("/api/login/push-logs", params={"user_id": user_id})
            assert (answer.status_code, answer.json()) == (403, {"success": False, "error": "Forbidden"})
        answer = await stage.owner.post("/api/login/reset-key", json=own)
        key = answer.json()["data"]["send_key"]
        assert key != stage.names["key"]
        assert (await stage.owner.get("/api/key")).json()["data"]["send_key"] == key
