"""Every cause of illness, brought about in a living channel: told the same everywhere, since when, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from bottalk.clock import utc_text
from bottalk.health import POLL_OVERDUE_S, TABLE, Cause, Level
from tests.contract import scenes
from tests.contract.scenes import Scene, Stage, after, set_stage

MONITOR = "monitor-token-of-the-tests"
BEARER = {"authorization": f"Bearer {MONITOR}"}


async def waiting(stage: Stage) -> None:
    await scenes.spent(stage)
    await stage.push("等回复", wait=0)


@dataclass(frozen=True, slots=True)
class Case:
    """`check`: what `/check` says of it, alive and reason. `at_most_s`: so many seconds it is ill by then."""

    cause: Cause
    scene: Scene
    check: tuple[bool, str | None] = (True, None)
    words: bool = True
    at_most_s: float = 60.0


CASES: dict[str, Case] = {
    "expired": Case(Cause.SESSION_EXPIRED, scenes.expired, (False, "session_expired")),
    "expired while closed": Case(Cause.SESSION_EXPIRED, after(waiting, scenes.expired), (False, "session_expired")),
    "unauthorized": Case(Cause.AUTH, scenes.unauthorized, (False, "session_expired")),
    "half-dead": Case(Cause.HALF_DEAD, scenes.half_dead),
    "half-dead, then the host is down": Case(Cause.HALF_DEAD, after(scenes.half_dead, scenes.host_down), at_most_s=200),
    "parked": Case(Cause.PARKED, scenes.parked, (False, "no_poller"), at_most_s=1),
    "no poll": Case(Cause.NO_POLL, scenes.overdue, (False, "heartbeat_timeout"), at_most_s=POLL_OVERDUE_S + 200),
    "host down": Case(Cause.ILINK_DOWN, scenes.host_down, at_most_s=1),
    "host down while closed": Case(Cause.ILINK_DOWN, after(waiting, scenes.host_down), at_most_s=1),
    "penalty": Case(Cause.PENALTY, scenes.punished, at_most_s=1),
    "retrying": Case(Cause.RETRYING, scenes.retried),
    "silent drop": Case(Cause.SILENT_DROP_SUSPECTED, scenes.unconfirmed, at_most_s=1),
    "waiting for a reply": Case(Cause.WAITING_FOR_REPLY, waiting, at_most_s=1),
    "waiting since a rebind": Case(Cause.WAITING_FOR_REPLY, after(waiting, scenes.rebound), at_most_s=10),
    "pending": Case(Cause.PENDING, scenes.opened, words=False, at_most_s=10),
    "pending since a rebind": Case(Cause.PENDING, scenes.rebound, at_most_s=10),
}


def test_every_cause_is_brought_about() -> None:
    assert {case.cause for case in CASES.values()} == set(Cause)


@pytest.mark.parametrize("name", CASES)
async def test_a_cause_is_told_the_same_everywhere(tmp_path: Path, autojump_clock: object, name: str) -> None:
    case = CASES[name]
    async with set_stage(tmp_path, words=case.words, settings={"monitor_token": MONITOR}) as stage:
        if case.words:
            await told_everywhere(stage, None)
        await case.scene(stage)
        health = await told_everywhere(stage, case.cause)
        now = stage.site.world.clock.now()
        assert utc_text(now - case.at_most_s) <= health["since"] <= utc_text(now), (health, utc_text(now))
        answer = (await stage.browser.post(f"/api/channels/{stage.channel_id}/check")).json()["data"]
        assert (answer["alive"], answer["reason"]) == case.check


async def told_everywhere(stage: Stage, cause: Cause | None) -> dict[str, Any]:
    """The owner's list, the administrator's and the metrics agree on the cause. The health as its owner sees it."""
    level, advice = TABLE[cause] if cause else (Level.GREEN, "")
    reason = cause.value if cause else None
    health: dict[str, Any] = (await stage.shown())["health"]
    assert (health["level"], health["reason"], health["advice"]) == (level, reason, advice)
    assert (health["since"] is None) == (cause is None)

    status = (await stage.browser.get("/api/admin/status?channels=all", headers=BEARER)).json()["data"]
    row = next(one for one in status["channels"] if one["id"] == stage.channel_id)
    assert (row["health"], row["reason"], row["advice"]) == (level, reason, advice)
    assert row["since"] == health["since"]
    counts = status["channel_counts"]
    assert {each: counts[each] for each in Level} == {each: int(each is level) for each in Level}
    assert counts["reasons"] == ({reason: 1} if reason else {})
    assert status["health"] == level
    for each in (Level.YELLOW, Level.RED):
        page = (await stage.browser.get(f"/api/admin/status?channels={each}", headers=BEARER)).json()["data"]
        assert [one["id"] for one in page["channels"]] == ([stage.channel_id] if each is level else [])

    told = await metrics(stage.browser)
    assert told["bottalk_channels"] == {each: float(each is level) for each in Level}
    assert told["bottalk_channels_ill"] == {each: float(each is cause) for each in Cause}
    seen = stage.site.world.daemon.services.channels.overview().channels
    assert [(view.health.cause, view.health.advice) for view in seen] == [(cause, advice)]
    return health


async def metrics(browser: httpx.AsyncClient) -> Mapping[str, Mapping[str, float]]:
    """Of each metric with one label: its label's values."""
    answer = await browser.get("/metrics", headers=BEARER)
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if len(sample.labels) == 1:
                [label] = sample.labels.values()
                found.setdefault(sample.name, {})[label] = sample.value
    return found


# --- what ails the daemon itself --------------------------------------------------------------------------------------


async def test_a_journal_that_cannot_write_is_red_everywhere_until_it_can(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with set_stage(tmp_path, settings={"monitor_token": MONITOR}) as stage:
        browser = stage.browser
        assert await journal(browser) == ("green", None, 200, 1.0)
        stage.disk.full = True
        assert (await stage.push("不收"))["code"] == 50301
        assert await journal(browser) == ("red", "database or disk is full", 503, 0.0)
        assert (await stage.shown())["health"]["level"] == "green", "it is no illness of a channel"
        stage.disk.full = False
        await trio.sleep(10)
        assert await journal(browser) == ("green", None, 200, 1.0)


async def journal(browser: httpx.AsyncClient) -> tuple[str, str | None, int, float]:
    """The daemon's health, why it cannot write, the status of `/readyz`, and the metric."""
    status = (await browser.get("/api/admin/status", headers=BEARER)).json()["data"]
    ready = await browser.get("/readyz")
    assert (ready.status_code == 200) == ("journal" not in ready.text)
    text = (await browser.get("/metrics", headers=BEARER)).text
    (up,) = (line.split()[1] for line in text.splitlines() if line.startswith("bottalk_journal_up "))
    return status["health"], status["store"]["cannot_write"], ready.status_code, float(up)
