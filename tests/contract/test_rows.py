"""How a waiting row may end without having been sent. What is told at once: `test_outcome_table`."""

from pathlib import Path

import pytest
import trio

from tests.contract.scenes import set_stage, spent


@pytest.mark.parametrize("reason", ["expired", "replaced", "deleted"])
async def test_how_a_waiting_row_may_end(tmp_path: Path, autojump_clock: object, reason: str) -> None:
    async with set_stage(tmp_path) as stage:
        await spent(stage)
        browser, url = stage.browser, stage.url
        first = (await browser.post(url, json={"title": "x", "ttl": 60, "replace_key": "k"})).json()["data"]
        [row] = (await browser.get("/api/push-logs", params={"limit": 1})).json()["data"]
        assert (row["status"], row["reason"], row["response"]) == ("queued", None, "{}")
        if reason == "expired":
            await trio.sleep(61)
        elif reason == "replaced":
            await browser.post(url, json={"title": "y", "replace_key": "k"})
        else:
            assert (await browser.delete(f"/api/push-logs/{row['id']}")).json() == {"success": True}
        await trio.sleep(1)
        pair = {"id": first["pushid"], "readkey": first["readkey"]}
        story = (await browser.get("/push", params=pair)).json()["data"]
        [told_row] = story["results"]
        assert (told_row["status"], told_row["reason"]) == ("failed", reason)
        assert "queued" not in told_row
        assert told_row["settled_at"] >= told_row["created_at"]
        assert story["wxstatus"] == f'{{"errcode":-1,"errmsg":"{reason}"}}'
        [row] = (await browser.get("/api/push-logs", params={"status": "failed"})).json()["data"]
        assert (row["status"], row["reason"], row["title"]) == ("failed", reason, "x")
