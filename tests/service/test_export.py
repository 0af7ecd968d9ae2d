"""Exports over real connections: larger than any one answer may be, and of an account that is deleted meanwhile."""

from pathlib import Path

import httpx
import pytest
import trio

from tests.support.sockets import open_live

ROWS = 30
LONG = "长" * 300_000


@pytest.mark.parametrize("is_deleted_meanwhile", [False, True])
async def test_a_log_that_no_client_takes_at_once(is_deleted_meanwhile: bool, tmp_path: Path) -> None:
    async with open_live(tmp_path / "data") as live, live.browser() as owner:
        _, key = await live.bind(owner)
        live.sandbox.write(live.sandbox.codes[-1].user or "", "hi")
        await until_active(owner)
        for n in range(ROWS):
            answer = await owner.post(f"/{key}.send", json={"title": str(n), "desp": LONG, "delay": 60, "wait": 0})
            assert answer.json()["code"] == 0, answer.text
        async with owner.stream("GET", "/api/auth/me/export") as answer:
            assert answer.status_code == 200
            assert "content-length" not in answer.headers
            if is_deleted_meanwhile:
                async with live.browser() as other:
                    await other.post("/api/auth/login", json={"send_key": key})
                    gone = await other.request("DELETE", "/api/auth/me", json={"confirm": key})
                    assert gone.json() == {"success": True}
                with pytest.raises(httpx.RemoteProtocolError):
                    await answer.aread()
                return
            await answer.aread()
        rows = answer.json()["data"]["logs"]
        assert [row["title"] for row in rows] == [str(n) for n in reversed(range(ROWS))]
        assert all(row["content"] == LONG for row in rows)


async def until_active(owner: httpx.AsyncClient) -> None:
    with trio.fail_after(15):
        while (await owner.get("/api/channels")).json()["data"][0]["status"] != "active":  # noqa: ASYNC110 - an answer
            await trio.sleep(0.02)
