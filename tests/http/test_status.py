"""`/api/admin/status` and `/metrics`: which poller is ill, since when, and why; both say the same."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from bottalk.clock import utc_text
from bottalk.health import TABLE, Cause, Level
from tests.http.thousand import MONITOR, Thousand, fall_ill, open_thousand
from tests.support.http import Site, open_site

STATUS, METRICS = "/api/admin/status", "/metrics"
BEARER = {"authorization": f"Bearer {MONITOR}"}
QUICK_S = 0.25
"""Seconds; it takes some milliseconds, the machine may be busy."""


async def status(browser: httpx.AsyncClient, **query: str | int) -> Any:  # noqa: ANN401 - JSON
    answer = await browser.get(STATUS, params=query, headers=BEARER)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def metrics(browser: httpx.AsyncClient) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name, label values in the order of the label names: value."""
    answer = await browser.get(METRICS, headers=BEARER)
    assert answer.status_code == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in sorted(sample.labels))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def pages(browser: httpx.AsyncClient, which: str, limit: int) -> list[dict[str, Any]]:
    """Every listed channel, page by page."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        page = await status(browser, channels=which, limit=limit, after=after)
        assert len(page["channels"]) <= limit
        found += page["channels"]
        if page["after"] is None:
            return found
        assert page["after"] == page["channels"][-1]["id"] > after
        after = page["after"]


# --- a thousand channels in every state ---


@pytest.mark.slow
async def test_a_thousand_channels_in_every_state(tmp_path: Path, autojump_clock: object) -> None:
    async with open_thousand(tmp_path) as the:
        await fall_ill(the)
        browser = await the.site.browser()
        await the_summary_is_small_and_quick(the, browser)
        listed = {row["id"]: row for row in await pages(browser, "all", 300)}
        assert {channel_id: row["reason"] for channel_id, row in listed.items()} == the.expected()
        for row in listed.values():
            level, advice = TABLE[Cause(row["reason"])] if row["reason"] else (Level.GREEN, "")
            assert (row["health"], row["advice"]) == (level, advice)
            assert (row["since"] is None) == (level is Level.GREEN), "since when is always known"
        for level in (Level.YELLOW, Level.RED):
            ill = await pages(browser, level.value, 7)
            assert ill == [row for row in listed.values() if row["health"] == level]
        the_rows_say_what_is_seen_of_each(the, listed)
        await the_metrics_say_the_same(the, browser)
        await the_owners_are_told_the_same(the, listed)


async def the_summary_is_small_and_quick(the: Thousand, browser: httpx.AsyncClient) -> None:
    for query, largest in (("", 4_000), ("?channels=all&limit=1000", 500_000)):
        began = time.perf_counter()
        answer = await browser.get(STATUS + query, headers=BEARER)
        assert time.perf_counter() - began < QUICK_S
        assert len(answer.content) < largest
    data = await status(browser)
    counts = data["channel_counts"]
    by_level = Counter(TABLE[cause][0] if cause else Level.GREEN for cause in the.expected().values())
    assert (counts["green"], counts["yellow"], counts["red"]) == tuple(by_level[level] for level in Level)
    assert counts["total"] == data["totals"]["channels"] == data["totals"]["users"] == 1000
    assert counts["reasons"] == {cause.value: len(ones) for cause, ones in the.of.items() if cause is not None}
    assert data["health"] == "red"
    assert (data["channels"], data["after"]) == (None, None)
    up = {host["host"]: host["up"] for host in data["ilink"]}
    assert up == {"ilink.test": True, "other.test": False}
    (branch,) = (actor["children"] for actor in data["tree"] if actor["name"] == "channels")
    dead = len(the.of[Cause.SESSION_EXPIRED]) + len(the.of[Cause.AUTH])
    parked = len(the.of[Cause.PARKED])
    assert branch == {"running": 1000 - dead - parked, "finished": dead, "parked": parked}


def the_rows_say_what_is_seen_of_each(the: Thousand, listed: dict[int, dict[str, Any]]) -> None:
    def rows(cause: Cause | None) -> list[dict[str, Any]]:
        return [listed[one.channel_id] for one in the.of[cause]]

    for row in rows(Cause.PARKED):
        assert (row["poller"], row["restarts"], row["poller_since"]) == ("parked", 5, row["since"])
        assert "planted" in row["crash"]
        assert row["crash_at"] == row["since"]
    for row in rows(Cause.NO_POLL):
        assert (row["poller"], row["last_ok_seconds_ago"], row["since"]) == ("running", None, row["poller_since"])
        assert row["last_error"] == "getupdates: no answer in time"
    for cause in (Cause.SESSION_EXPIRED, Cause.AUTH):
        for row in rows(cause):
            assert (row["poller"], row["status"], row["crash"]) == ("finished", "inactive", None)
    for row in rows(Cause.WAITING_FOR_REPLY):
        assert (row["queued"], row["window_left"], row["status"]) == (1, 0, "pending")
    for row in rows(None):
        assert (row["poller"], row["queued"], row["crash"], row["last_error"]) == ("running", 0, None, "")
        assert row["last_ok_seconds_ago"] < 60
    for row in rows(Cause.RETRYING):
        assert row["last_inbound_at"] is not None
        assert row["window_left"] == 10
        assert row["queued"] == 1


async def the_metrics_say_the_same(the: Thousand, browser: httpx.AsyncClient) -> None:
    data, told = await status(browser), await metrics(browser)
    counts = data["channel_counts"]
    assert told["bottalk_channels"] == {(level,): counts[level] for level in ("green", "yellow", "red")}
    assert told["bottalk_channels_ill"] == {(cause.value,): counts["reasons"][cause.value] for cause in Cause}
    assert told["bottalk_queue_rows"] == {(): data["totals"]["queued"]}
    assert told["bottalk_ilink_up"] == {("ilink.test",): 1, ("other.test",): 0}
    (branch,) = (actor["children"] for actor in data["tree"] if actor["name"] == "channels")
    children = {key[0]: n for key, n in told["bottalk_children"].items() if "channels" in key and n}
    assert children == branch
    assert sum(map(len, told.values())) < 400, "a thousand channels make no series of their own"


async def the_owners_are_told_the_same(the: Thousand, listed: dict[int, dict[str, Any]]) -> None:
    """Each cause's first by HTTP, all of them by the use case behind it."""
    for cause, ones in the.of.items():
        browser = await the.site.browser()
        await browser.post("/api/auth/login", json={"send_key": ones[0].send_key})
        (own,) = (await browser.get("/api/channels", params={"all": 1})).json()["data"]
        row = listed[ones[0].channel_id]
        health = {"level": row["health"], "reason": row["reason"], "since": row["since"], "advice": row["advice"]}
        if cause is Cause.NO_POLL:
            health["since"] = own["health"]["since"]  # two subtractions of seconds, rounded
        assert own["health"] == health
    views = the.site.world.daemon.services.channels.overview().channels
    assert {view.channel.id: view.health.cause for view in views} == the.expected()
    for view in views:
        assert the.site.world.daemon.services.channels.view(view.channel).health.cause is view.health.cause


# --- who may ask, and what else it says ---


@asynccontextmanager
async def open_small(data_dir: Path) -> AsyncIterator[tuple[Site, httpx.AsyncClient]]:
    async with open_site(data_dir, settings={"monitor_token": MONITOR}) as site:
        yield site, await site.browser()


async def test_who_may_ask(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path) as (site, browser):
        for path in (STATUS, METRICS):
            assert (await browser.get(path)).status_code == 401
            for token in ("", "x", MONITOR + "x", MONITOR.upper()):
                answer = await browser.get(path, headers={"authorization": f"Bearer {token}"})
                assert answer.status_code == 401
        bound = await site.bind(browser)
        for path in (STATUS, METRICS):
            assert (await browser.get(path)).status_code == 403
        await site.world.daemon.services.users.grant(bound.user)
        stranger = await site.browser()
        for path in (STATUS, METRICS):
            assert (await browser.get(path)).status_code == 200
            assert (await stranger.get(path, headers=BEARER)).status_code == 200
            assert (await stranger.get(path + "/", headers=BEARER)).status_code == 200
        assert (await stranger.get("/api/admin/users", headers=BEARER)).status_code == 401, "it opens only these two"


@pytest.mark.parametrize(
    "query", ["channels=green", "channels=x", "limit=0", "limit=1001", "limit=x", "after=-1", "after=1.5"]
)
async def test_a_bad_query_names_the_field(query: str, tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path) as (_, browser):
        answer = await browser.get(f"{STATUS}?{query}", headers=BEARER)
        assert answer.status_code == 400
        assert query.split("=")[0] in answer.json()["error"]


async def test_an_empty_daemon_is_green_and_says_all_it_has(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path) as (site, browser):
        await trio.sleep(90)
        data = await status(browser, channels="all")
        assert data["health"] == "green"
        assert data["uptime_seconds"] == 90.0
        assert (data["channels"], data["after"]) == ([], None)
        assert data["channel_counts"] == {"total": 0, "green": 0, "yellow": 0, "red": 0, "reasons": {}}
        names = [child.name for child in site.world.daemon.root.status().children]
        assert [actor["name"] for actor in data["tree"]] == names
        for actor in data["tree"]:
            assert (actor["state"], actor["restarts"], actor["last_error"]) == ("running", 0, None)
            assert (actor["children"] is not None) == (actor["name"] in ("channels", "bindings"))
        await site.bind(browser)
        data = await status(browser)
        store = data["store"]
        assert store["commits"] >= 3
        assert store["verbs"] >= store["commits"]
        assert store["file_bytes"] == (tmp_path / "bottalk.db").stat().st_size
        assert store["wal_bytes"] == (tmp_path / "bottalk.db-wal").stat().st_size
        assert store["last_commit_at"] <= utc_text(site.world.clock.now())
        assert (store["cannot_write"], store["last_backup_at"]) == (None, None)
        assert data["totals"] == {"users": 1, "channels": 1, "queued": 0, "open_codes": 0}


async def test_a_deleted_channel_is_in_no_figure(tmp_path: Path, autojump_clock: object) -> None:
    async with open_small(tmp_path) as (site, browser):
        kept, gone = await site.bind(browser), await site.bind(await site.browser())
        user = site.world.daemon.pictures.directory.user_of_wechat(gone.user)
        assert user is not None
        await site.world.daemon.services.channels.delete(user.id, gone.data["id"])
        data = await status(browser, channels="all")
        assert (data["channel_counts"]["total"], data["totals"]["channels"]) == (1, 1)
        assert [row["id"] for row in data["channels"]] == [kept.data["id"]]
        assert (await metrics(browser))["bottalk_channels"] == {("green",): 1, ("yellow",): 0, ("red",): 0}
