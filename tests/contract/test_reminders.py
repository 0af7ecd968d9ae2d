"""`/api/reminders`."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.contract.stage import FUTURE, set_stage
from tests.support.http import open_site

OBJECT = {
    "id", "user_id", "title", "message", "time", "type", "enabled", "send_count", "max_count", "created_at", "next_at",
    "channel", "note",
}  # fmt: skip


async def test_made_changed_listed_deleted(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        owner = stage.owner
        answer = await owner.post("/api/reminders/", data={"title": "站会", "time": "09:30", "type": "workday"})
        made = answer.json()
        assert (answer.status_code, made["success"], made["id"], made["note"]) == (200, True, 2, "周一至周五")
        assert set(made["data"]) == OBJECT
        assert made["data"]["id"] == 2
        listed = (await owner.get("/api/reminders")).json()["data"]
        assert [r["id"] for r in listed] == [2, 1]
        assert listed[0] == made["data"]
        assert (listed[1]["type"], listed[1]["time"], listed[1]["enabled"]) == ("once", FUTURE, 1)
        answer = await owner.patch("/api/reminders/2", json={"type": "repeat", "max_count": "3", "message": "带上笔记"})
        changed = answer.json()["data"]
        assert set(changed) == OBJECT
        assert (changed["title"], changed["type"], changed["max_count"]) == ("站会", "daily", 3)
        assert (changed["message"], changed["note"]) == ("带上笔记", None)
        for enabled, expected in ((False, 0), ("true", 1), (0, 0), ("1", 1)):
            answer = await owner.patch("/api/reminders/2/enable", json={"enabled": enabled})
            assert answer.json() == {"success": True}
            assert (await owner.get("/api/reminders")).json()["data"][0]["enabled"] == expected
        assert (await owner.delete("/api/reminders/2")).json() == {"success": True}
        assert [r["id"] for r in (await owner.get("/api/reminders")).json()["data"]] == [1]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"title": ""}, "title"),
        ({"title": " "}, "title"),
        ({"title": None}, "title"),
        ({"time": None}, "time"),
        ({"time": "25:00"}, "time"),
        ({"time": "tomorrow"}, "time"),
        ({"time": "2020-01-01T00:00"}, "time"),
        ({"time": "2099-02-30T00:00"}, "time"),
        ({"type": "cron"}, "time"),
        ({"type": "cron", "time": "0 0 30 2 *"}, "time"),
        ({"type": "monthly"}, "type"),
        ({"max_count": -1}, "max_count"),
        ({"max_count": "many"}, "max_count"),
        ({"title": "长" * 201}, "title"),
    ],
)
async def test_what_is_wrong_is_named(
    tmp_path: Path, autojump_clock: object, fields: dict[str, Any], named: str
) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        body = {"title": "x", "time": "09:30", **fields}
        requests = [("POST", "/api/reminders")]
        if None not in fields.values():  # where nothing is given, nothing is changed
            requests.append(("PATCH", "/api/reminders/1"))
        for method, path in requests:
            answer = await stage.owner.request(method, path, json=body)
            assert answer.status_code in (200, 400)
            assert answer.json()["success"] is False
            assert answer.json()["error"].startswith(named), answer.text
        [left] = (await stage.owner.get("/api/reminders")).json()["data"]
        assert (left["title"], left["time"]) == ("喝水", FUTURE)


async def test_it_comes_and_is_counted_and_logged(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        body = {"title": "喝水", "message": "一杯", "type": "every2min", "time": "00:00", "max_count": 2}
        made = (await stage.owner.post("/api/reminders", json=body)).json()["id"]
        await trio.sleep(25 * 3600)
        [reminder, _] = (await stage.owner.get("/api/reminders")).json()["data"]
        assert (reminder["id"], reminder["send_count"], reminder["enabled"]) == (made, 2, 0)
        rows = (await stage.owner.get("/api/push-logs", params={"q": "一杯"})).json()["data"]
        assert {row["ip"] for row in rows} == {"reminder"}
        # an exhausted one starts anew
        assert (await stage.owner.patch(f"/api/reminders/{made}/enable", json={"enabled": 1})).json()["success"]
        [reminder, _] = (await stage.owner.get("/api/reminders")).json()["data"]
        assert (reminder["send_count"], reminder["enabled"]) == (0, 1)
        assert (await stage.owner.delete(f"/api/reminders/{made}")).json() == {"success": True}
        assert (await stage.owner.get("/api/push-logs", params={"q": "一杯"})).json()["data"] == []
