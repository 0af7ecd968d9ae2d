"""`/api/channels/…`: what they answer when all is well."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from bottalk.config import take_over
from tests.contract.stage import set_stage
from tests.support.http import OWN_CODE, open_site

OBJECT = {
    "id", "user_id", "name", "channel_type", "wechat_openid", "bot_token", "context_token", "status", "is_default",
    "created_at", "inactive_reason", "can_login", "health", "last_inbound_at", "window", "queued",
}  # fmt: skip


async def test_the_object(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        [channel] = (await stage.owner.get("/api/channels")).json()["data"]
        assert set(channel) == OBJECT
        told = {name: channel[name] for name in ("id", "user_id", "name", "channel_type", "wechat_openid", "status")}
        assert told == {
            "id": 1,
            "user_id": 1,
            "name": "默认通道",
            "channel_type": "wechat_ilink",
            "wechat_openid": stage.bound.user,
            "status": "active",
        }
        assert (channel["is_default"], channel["can_login"], channel["queued"]) == (1, 1, 1)
        assert len(channel["bot_token"]) == len(channel["context_token"]) == 7
        assert channel["health"] == {"level": "green", "reason": None, "since": None, "advice": ""}
        assert (channel["window"]["state"], channel["window"]["left"]) == ("open", 9)


async def test_a_change(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        second = await site.bind(stage.owner, route=OWN_CODE)
        url = f"/api/channels/{second.data['id']}"
        answer = await stage.owner.patch(url, json={"name": " 备用 ", "is_default": 1, "can_login": 1})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        changed = answer.json()["data"]
        assert set(changed) == OBJECT
        assert (changed["name"], changed["is_default"], changed["can_login"]) == ("备用", 1, 1)
        listed = (await stage.owner.get("/api/channels")).json()["data"]
        assert [(c["id"], c["is_default"]) for c in listed] == [(3, 1), (1, 0)]
        bad: tuple[dict[str, Any], ...] = (
            {},
            {"name": ""},
            {"name": " "},
            {"name": "长" * 51},
            {"is_default": 0},
            {"is_default": 2},
            {"can_login": 2},
        )
        for body in bad:
            answer = await stage.owner.patch(url, json=body)
            assert answer.status_code == 400, body
            assert answer.json()["success"] is False


async def test_a_check(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        url = "/api/channels/1/check"
        calls = len(site.sandbox.record.calls)
        data = (await stage.owner.post(url)).json()["data"]
        assert len(site.sandbox.record.calls) == calls, "without calling iLink"
        assert set(data) == {"alive", "reason", "last_ok_seconds_ago", "status"}
        assert (data["alive"], data["reason"], data["status"]) == (True, None, "active")
        site.sandbox.expire(stage.bound.user)
        await trio.sleep(60)
        data = (await stage.owner.post(url)).json()["data"]
        assert (data["alive"], data["reason"], data["status"]) == (False, "session_expired", "inactive")
        await stage.owner.delete("/api/channels/1")
        data = (await stage.owner.post(url)).json()["data"]
        assert (data["alive"], data["reason"]) == (False, "stopped")


async def test_what_waits_is_dropped(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        for count in (1, 0):
            answer = await stage.owner.delete("/api/channels/1/queue/")
            assert answer.json() == {"success": True, "data": {"deleted": count}}
        row = (await stage.owner.get(stage.filled("/api/push-logs/{waiting}"))).json()["data"]
        assert (row["status"], row["reason"]) == ("failed", "deleted")


async def test_a_deleted_channel_is_not_there_but_for_check(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        second = await site.bind(stage.owner, route=OWN_CODE)
        answer = await stage.owner.delete("/api/channels/1/")
        assert answer.json() == {"success": True, "data": {"message": "Channel deleted"}}
        [left] = (await stage.owner.get("/api/channels", params={"all": "1"})).json()["data"]
        assert (left["id"], left["is_default"]) == (second.data["id"], 1)
        for method, path in (("GET", "/activation"), ("PATCH", ""), ("DELETE", "/queue"), ("DELETE", "")):
            body = {"name": "x"} if method == "PATCH" else None
            answer = await stage.owner.request(method, f"/api/channels/1{path}", json=body)
            assert (answer.status_code, answer.json()["data"]) == (404, {"error": "Channel not found"})


async def test_a_rebind_is_not_held_back_by_the_number_of_channels(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"max_channels": 1}) as site:
        browser = await site.browser()
        user = (await site.bind(browser)).user
        site.sandbox.expire(user)
        await trio.sleep(60)
        code = (await browser.post(OWN_CODE, params={"rebind": 1})).json()["data"]["qrcode"]
        site.sandbox.scan(code, user)
        site.sandbox.confirm(code)
        data = (await site.end_of(browser, code, public=False)).json()["data"]
        assert (data["id"], data["rebind"], data["status"]) == (1, True, "pending")
        for unknown in (77, 2):
            answer = await browser.post(OWN_CODE, json={"rebind": unknown})
            assert answer.status_code == 400
            assert answer.json()["data"]["error"] == "Maximum 1 channels allowed"


async def test_the_number_that_is_told_is_the_one_that_counts(tmp_path: Path, autojump_clock: object) -> None:
    """It may change while the daemon runs."""
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        await site.bind(browser)
        config = site.world.daemon.config
        take_over(config, replace(config, max_channels=1))
        answer = await browser.post(OWN_CODE)
        assert (answer.status_code, answer.json()["data"]["error"]) == (400, "Maximum 1 channels allowed")
