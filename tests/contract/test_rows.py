"""What becomes of a row, and what the caller is told: the cases that test_push_answers leaves out, and later ends."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from bottalk.sandbox.rules.faults import Fault
from tests.contract.test_push_answers import closed_channel
from tests.support.http import Bound, Site, both, open_site

QUEUED = (0, "queued", None, "queued", True, None)
CLOSED = (50001, "全部推送失败", "context_expired", "failed", True, "context_expired")
DEAD = (50001, "全部推送失败", "channel_dead", "failed", True, "channel_dead")


def told(answer: httpx.Response) -> tuple[object, ...]:
    """Code, message, the sum's reason; the only row's status, `queued` and reason."""
    body = answer.json()
    [row] = body["data"]["results"]
    return (
        *(body["code"], body["message"], body["data"].get("reason")),
        *(row["status"], row.get("queued"), row.get("reason")),
    )


async def both_are(browser: httpx.AsyncClient, url: str, expected: object, strict_status: int, **fields: Any) -> None:  # noqa: ANN401
    plain, strict = await both(browser, url, **fields)
    assert (told(plain), plain.status_code) == (expected, 200)
    assert (told(strict), strict.status_code) == (expected, strict_status)


async def opened(site: Site) -> tuple[httpx.AsyncClient, Bound, str]:
    browser = await site.browser()
    bound = await site.bind(browser)
    return browser, bound, f"/{bound.data['send_key']}.send"


async def test_its_turn_lies_beyond_the_wait(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, _, url = await opened(site)
        for n in range(7):  # three are left: 30 s between messages
            assert (await browser.post(url, json={"title": f"{n}", "wait": 20})).json()["code"] == 0
        before = trio.current_time()
        await both_are(browser, url, QUEUED, 202, title="paced")
        assert trio.current_time() == before, "waiting cannot help, so nobody waits"


async def test_a_send_that_is_tried_again(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, bound, url = await opened(site)
        site.sandbox.arm(Fault(kind="status", endpoint="sendmessage", status=500, seconds=60))
        await both_are(browser, url, QUEUED, 202, title="later", wait=1)
        await trio.sleep(400)
        assert "later" in "".join(site.texts(bound.user))


async def test_a_burst_penalty(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, _, url = await opened(site)
        site.sandbox.set(burst=((1, 20.0),))
        assert (await browser.post(url, json={"title": "first"})).json()["message"] == "success"
        await both_are(browser, url, QUEUED, 202, title="too soon")


async def test_the_host_is_down(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, _, url = await opened(site)
        site.sandbox.arm(Fault(kind="refuse_connections", seconds=600))
        await trio.sleep(60)
        before = trio.current_time()
        await both_are(browser, url, QUEUED, 202, title="down")
        assert trio.current_time() - before < 1


async def test_a_delay_that_still_runs(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, bound, url = await closed_channel(site)
        await both_are(browser, url, QUEUED, 202, title="x", delay=3600)
        await site.bind(await site.browser(), bound.user, words=False)
        await both_are(browser, url, QUEUED, 202, title="x", delay=3600)
        await both_are(browser, url, CLOSED, 202, title="never opened since the rebind")
        site.sandbox.expire(bound.user)
        directory = site.world.daemon.pictures.directory
        await site.world.until(lambda: directory.channel(bound.data["id"]).is_dead)  # type: ignore[union-attr]
        await both_are(browser, url, DEAD, 202, title="x", delay=3600)


@pytest.mark.parametrize("reason", ["expired", "replaced", "deleted"])
async def test_how_a_waiting_row_may_end(tmp_path: Path, autojump_clock: object, reason: str) -> None:
    async with open_site(tmp_path) as site:
        browser, _, url = await closed_channel(site)
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


async def test_no_actor_runs(tmp_path: Path, autojump_clock: object) -> None:
    """Parked or not started yet: kept, and nobody waits for what cannot come."""
    async with open_site(tmp_path) as site:
        browser, bound, url = await opened(site)
        channels = site.world.daemon.channels
        await channels.supervisor.stop_child(f"channel {bound.data['id']}")
        before = trio.current_time()
        await both_are(browser, url, QUEUED, 202, title="kept")
        assert trio.current_time() == before
        await channels.restart(bound.data["id"])
        await trio.sleep(5)
        assert "kept" in "".join(site.texts(bound.user))
