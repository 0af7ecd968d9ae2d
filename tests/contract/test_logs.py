"""`/api/push-logs`."""

import json
from pathlib import Path

from tests.contract.stage import set_stage
from tests.support.http import OWN_CODE, open_site

ROW = {
    "id", "user_id", "title", "content", "status", "ip", "channel_id", "channel_name", "response", "created_at",
    "reason",
}  # fmt: skip


async def test_the_list(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        for path in ("/api/push-logs", "/api/push-logs/"):
            kept, sent = (await stage.owner.get(path)).json()["data"]
        assert set(kept) == set(sent) == ROW
        assert (kept["title"], kept["content"], kept["status"], kept["response"]) == ("kept", "", "queued", "{}")
        assert (sent["title"], sent["status"], sent["channel_name"]) == ("sent", "success", "默认通道")
        assert (sent["ip"], sent["user_id"], sent["channel_id"]) == ("192.0.2.1", 1, 1)
        response = json.loads(sent["response"])
        assert (response["errcode"], response["errmsg"], response["http_status"]) == (0, "ok", 200)
        assert response["duration_ms"] >= 0


async def test_pages_and_filters(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        second = await site.bind(stage.owner, route=OWN_CODE)
        url = stage.filled("/{key}.send")
        for n in range(60):
            body = {"title": f"标题 {n}", "desp": "100%_", "channel": second.data["id"], "delay": 60}
            await stage.owner.post(url, json=body)

        async def ids(**query: object) -> list[int]:
            answer = await stage.owner.get("/api/push-logs", params={k: str(v) for k, v in query.items()})
            assert answer.status_code == 200, answer.text
            return [row["id"] for row in answer.json()["data"]]

        every = await ids(limit=200)
        assert len(every) == 62
        assert every == sorted(every, reverse=True)
        assert await ids() == every[:50]
        assert await ids(before=every[49]) == every[50:]
        assert await ids(limit=1) == every[:1]
        assert await ids(channel=1) == every[60:]
        assert await ids(status="success") == every[61:]
        assert await ids(status="FAILED") == []
        assert await ids(q="标题 5") == [every[60 - 1 - n] for n in (*range(59, 49, -1), 5)]
        assert len(await ids(q="0%_", limit=200)) == 60
        assert await ids(q="0%x") == []
        assert await ids(channel=2) == [], "another account's channel"
        for bad in ({"limit": "0"}, {"limit": "201"}, {"before": "-1"}, {"status": "sent"}, {"q": "x" * 201}):
            answer = await stage.owner.get("/api/push-logs", params=bad)
            assert answer.status_code == 400
            assert answer.json()["error"].startswith(next(iter(bad)))


async def test_one_row_with_its_story(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        sent = (await stage.owner.get(stage.filled("/api/push-logs/{settled}"))).json()["data"]
        assert set(sent) >= ROW
        assert (sent["pushid"], sent["attempts"], sent["priority"]) == (stage.names["pushid"], 1, "normal")
        assert sent["settled_at"] >= sent["created_at"]
        assert sent["maybe_duplicate"] is False
        kept = (await stage.owner.get(stage.filled("/api/push-logs/{waiting}/"))).json()["data"]
        assert (kept["attempts"], kept["settled_at"]) == (0, None)
        assert kept["not_before"] > kept["created_at"]
        for strange in ("0", "-1", "x", "9" * 30, "2.0"):
            answer = await stage.owner.get(f"/api/push-logs/{strange}")
            assert (answer.status_code, answer.json()) == (404, {"success": False, "error": "推送记录不存在"})


async def test_a_waiting_row_is_dropped_once(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        url = stage.filled("/api/push-logs/{waiting}")
        assert (await stage.owner.delete(url)).json() == {"success": True}
        again = await stage.owner.delete(url)
        assert (again.status_code, again.json()) == (409, {"success": False, "error": "该消息已发出"})
        assert (await stage.owner.get("/api/channels")).json()["data"][0]["queued"] == 0
