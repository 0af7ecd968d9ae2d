"""`/api/auth` and `/api/key`: what they answer when all is well."""

import re
from pathlib import Path

from tests.contract.stage import set_stage
from tests.support.http import COOKIE, PUBLIC_CODE, open_site

KEY = re.compile(r"[0-9a-f]{32}")


async def test_register(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        await browser.post(PUBLIC_CODE)
        before = browser.cookies[COOKIE]
        answer = await browser.post("/api/auth/register/", data={"email": " Me@Example.ORG "})
        data = answer.json()["data"]
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert set(data) == {"id", "email", "send_key"}
        assert (data["id"], data["email"]) == (1, "me@example.org")
        assert KEY.fullmatch(data["send_key"])
        assert browser.cookies[COOKIE] != before
        me = (await browser.get("/api/auth/me")).json()["data"]
        assert me == {**data, "channel_count": 0, "role": "user", "strict": 0}
        # nothing bound yet
        answer = await browser.post(f"/{data['send_key']}.send", json={"title": "x"})
        assert answer.json()["code"] == 40002


async def test_an_invitation(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"registration": "invite", "invite": "芝麻开门"}) as site:
        browser = await site.browser()
        for body in ({}, {"invite": ""}, {"invite": "芝麻"}):
            answer = await browser.post("/api/auth/register", json={"email": "a@example.org", **body})
            assert (answer.status_code, answer.json()) == (403, {"success": False, "error": "注册未开放"})
        answer = await browser.post("/api/auth/register", json={"email": "a@example.org", "invite": "芝麻开门"})
        assert answer.json()["success"] is True
        # the same word at qrcode-public
        newcomer = await site.browser()
        code = (await newcomer.post(PUBLIC_CODE, json={"invite": "芝麻开门"})).json()["data"]["qrcode"]
        site.sandbox.scan(code, site.sandbox.new_user())
        site.sandbox.confirm(code)
        assert (await site.end_of(newcomer, code)).json()["data"]["is_new"] is True


async def test_strict_and_nickname(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        owner = stage.owner
        before = (await owner.get("/api/auth/me")).json()["data"]
        answer = await owner.patch("/api/auth/me", json={"strict": 1})
        assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {**before, "strict": 1}})
        url = stage.filled("/{key}.send")
        assert (await owner.post(url, json={"title": " "})).status_code == 400
        assert (await owner.post(url, json={"title": " ", "strict": 0})).status_code == 200
        answer = await owner.patch("/api/auth/me", json={"nickname": "阿一", "strict": "0"})
        assert answer.json()["data"]["strict"] == 0
        export = (await owner.get("/api/auth/me/export")).json()["data"]
        assert export["account"]["nickname"] == "阿一"
        for bad, text in (
            ({}, "没有可更新的字段"),
            ({"strict": 2}, "strict 必须是 0、1 之一"),
            ({"nickname": "长" * 21}, "nickname 过长（最多 20 个字符）"),
        ):
            answer = await owner.patch("/api/auth/me", json=bad)
            assert (answer.status_code, answer.json()) == (400, {"success": False, "error": text})


async def test_the_key_and_a_new_one(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        old = stage.names["key"]
        for path in ("/api/key", "/api/key/"):
            assert (await stage.owner.get(path)).json() == {"success": True, "data": {"send_key": old}}
        answer = await stage.owner.post("/api/key/reset")
        new = answer.json()["data"]["send_key"]
        assert answer.json() == {"success": True, "data": {"send_key": new}}
        assert KEY.fullmatch(new)
        assert new != old
        assert (await stage.owner.post(f"/{old}.send", json={"title": "x"})).json()["code"] == 40001
        assert (await stage.owner.post("/api/auth/login", json={"send_key": old})).json()["success"] is False
        assert (await stage.owner.post(f"/{new}.send", json={"title": "x"})).json()["code"] == 0


async def test_an_export(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        answer = await stage.owner.get("/api/auth/me/export")
        data = answer.json()["data"]
        assert set(data) == {"exported_at", "account", "channels", "reminders", "logs"}
        assert data["account"]["send_key"] == stage.names["key"]
        assert [row["title"] for row in data["logs"]] == ["kept", "sent"]
        assert [channel["id"] for channel in data["channels"]] == [1]
        assert [reminder["title"] for reminder in data["reminders"]] == ["喝水"]
        session = site.sandbox.session(stage.bound.user)
        assert session.token not in answer.text
        assert "token" not in answer.text


async def test_leaving(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        for confirm in ({}, {"confirm": "x"}, {"confirm": stage.names["other_key"]}):
            answer = await stage.owner.request("DELETE", "/api/auth/me", json=confirm)
            told = {"success": False, "error": "confirm 必须是本账户的 SendKey"}
            assert (answer.status_code, answer.json()) == (400, told)
        answer = await stage.owner.request("DELETE", "/api/auth/me", params={"confirm": stage.names["key"]})
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert COOKIE not in stage.owner.cookies
        pair = {"id": stage.names["pushid"], "readkey": stage.names["readkey"]}
        assert (await stage.owner.get("/push", params=pair)).json()["code"] == 40004
        assert (await stage.other.get("/api/auth/me")).status_code == 200
