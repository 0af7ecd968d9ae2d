"""`/api/admin` and the daemon's own routes."""

from pathlib import Path

import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.faults import Disk
from tests.contract.stage import set_stage
from tests.support.http import open_site


async def test_users(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        answer = await stage.owner.get("/api/admin/users/")
        first, second = answer.json()["data"]
        assert set(first) == {
            "id", "email", "wechat_openid", "send_key", "nickname", "role", "is_disabled", "rate_limit", "created_at",
            "channel_count", "push_count",
        }  # fmt: skip
        assert (first["role"], first["channel_count"], first["push_count"]) == ("admin", 1, 2)
        assert (second["role"], second["is_disabled"], second["rate_limit"]) == ("user", 0, None)
        assert stage.names["other_key"] not in answer.text
        change = {"rate_limit": 0, "nickname": "阿二"}
        answer = await stage.owner.patch("/api/admin/users/2", json=change)
        assert answer.json() == {"success": True, "data": {**second, **change}}
        push = await stage.other.post(f"/{stage.names['other_key']}.send", json={"title": "x"})
        assert push.json()["message"] == "发送频率超限（每小时最多0条）"
        for bad in ({"rate_limit": 100_001}, {"role": "root"}, {"is_disabled": 2}, {"nickname": "长" * 21}):
            answer = await stage.owner.patch("/api/admin/users/2", json=bad)
            assert answer.status_code == 400
            assert answer.json()["error"].startswith(next(iter(bad)))


async def test_disabled_and_enabled_again(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        url = f"/{stage.names['other_key']}.send"
        for disabled, code in ((1, 40001), (0, 0)):
            answer = await stage.owner.patch("/api/admin/users/2", json={"is_disabled": disabled})
            assert answer.json()["data"]["is_disabled"] == disabled
            assert (await stage.other.post(url, json={"title": "x", "wait": 20})).json()["code"] == code
        assert (await stage.other.get("/api/auth/me")).status_code == 401, "the sessions are over"
        login = await stage.other.post("/api/auth/login", json={"send_key": stage.names["other_key"]})
        assert login.json()["success"] is True


async def test_figures_channels_and_logs(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        assert (await stage.owner.get("/api/admin/stats")).json() == {
            "success": True,
            "data": {
                "total_users": 2,
                "today_pushes": 2,
                "active_channels": 2,
                "disabled_users": 0,
                "admin_count": 1,
                "today_new_users": 2,
                "failed_today": 0,
                "queued": 1,
            },
        }
        data = (await stage.owner.get("/api/admin/channels")).json()["data"]
        assert (data["green"], data["yellow"], data["red"]) == (2, 0, 0)
        assert [channel["user_id"] for channel in data["channels"]] == [1, 2]
        rows = (await stage.owner.get("/api/admin/push-logs", params={"status": "queued"})).json()["data"]
        assert [(row["id"], row["status"]) for row in rows] == [(int(stage.names["waiting"]), "queued")]
        assert not {"title", "content"} & set(rows[0])
        answer = await stage.owner.get("/api/admin/push-logs", params={"q": "sent"})
        assert answer.status_code == 400
        answer = await stage.owner.post("/api/admin/channels/1/restart")
        assert answer.json() == {"success": True, "data": {"restarted": 1}}
        answer = await stage.owner.post("/api/admin/channels/77/restart")
        assert (answer.status_code, answer.json()["data"]) == (404, {"error": "Channel not found"})


async def test_texts_where_the_setting_allows_them(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"admin_sees_text": True}) as site:
        stage = await set_stage(site, admin=True)
        [row] = (await stage.owner.get("/api/admin/push-logs", params={"q": "sent"})).json()["data"]
        assert row["title"] == "sent"


async def test_the_status_and_its_pages(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        await site.bind(await site.browser(), words=False)
        summary = (await stage.owner.get("/api/admin/status")).json()["data"]
        assert summary["channels"] is None
        assert {actor["name"] for actor in summary["tree"]} >= {"journal", "channels", "bindings", "reminders"}
        assert {actor["state"] for actor in summary["tree"]} == {"running"}
        assert (summary["totals"]["users"], summary["totals"]["channels"], summary["totals"]["queued"]) == (3, 3, 1)
        counts = summary["channel_counts"]
        assert (counts["green"], counts["yellow"], counts["red"]) == (2, 1, 0)
        assert counts["reasons"] == {"pending": 1}
        for secret in (stage.names["key"], stage.names["other_key"], stage.names["code"]):
            assert secret not in str(summary)

        async def page(**query: object) -> tuple[list[int], int | None]:
            answer = await stage.owner.get("/api/admin/status", params={k: str(v) for k, v in query.items()})
            data = answer.json()["data"]
            return [channel["id"] for channel in data["channels"]], data["after"]

        assert await page(channels="all") == ([1, 2, 3], None)
        assert await page(channels="all", limit=2) == ([1, 2], 2)
        assert await page(channels="all", limit=2, after=2) == ([3], None)
        assert await page(channels="yellow") == ([3], None)
        assert await page(channels="red") == ([], None)
        for bad in ({"channels": "blue"}, {"limit": "0"}, {"limit": "1001"}, {"after": "-1"}):
            answer = await stage.owner.get("/api/admin/status", params=bad)
            assert answer.status_code == 400
            assert answer.json()["error"].startswith(next(iter(bad)))


async def test_metrics_are_prometheus_text(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        answer = await stage.owner.get("/metrics/")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert families["bottalk_users"].samples[0].value == 2
        healths = {s.labels["health"]: s.value for s in families["bottalk_channels"].samples}
        assert healths == {"green": 2, "yellow": 0, "red": 0}
        for secret in (stage.names["key"], stage.names["wechat"], stage.names["code"]):
            assert secret not in answer.text


async def test_ready_and_not(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    async with open_site(tmp_path, runner=disk) as site:
        stage = await set_stage(site)
        ready = {"ready": True, "not_ready": []}
        for path in ("/readyz", "/readyz/"):
            answer = await stage.owner.get(path)
            assert (answer.status_code, answer.json()) == (200, ready)
        disk.full = True
        await stage.owner.post(stage.filled("/{key}.send"), json={"title": "x"})
        answer = await stage.owner.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert [what.partition(":")[0] for what in answer.json()["not_ready"]] == ["journal"]
        assert (await stage.owner.get("/healthz")).text == "ok"
        await trio.sleep(10)
        assert (await stage.owner.get("/readyz")).status_code == 503
        disk.full = False
        await trio.sleep(4)  # nobody writes: the journal finds out by itself
        assert (await stage.owner.get("/readyz")).json() == ready
