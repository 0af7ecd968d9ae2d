"""A day of mixed load in virtual time: its evening leaves nothing behind, of memory or of descriptors."""

import gc
import os
import random
import tracemalloc
from pathlib import Path

import httpx
import pytest
import trio

from tests.support.agreement import assert_memory_is_database, count
from tests.support.http import Site, open_site
from tests.support.world import Person, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EVENING = 18
"""The hour from which what is allocated is followed."""

MOST_HELD = 100_000
"""Bytes: caches of some hundred small things. The 240 pushes of the evening have 100 KB of texts, each allocated
several times on its way: not one of them may stay."""


def own_bytes() -> int:
    """What our own code has allocated meanwhile and still holds; the sandbox, in this process too, keeps everything."""
    gc.collect()
    ours = (tracemalloc.Filter(True, "*/bottalk/*"), tracemalloc.Filter(True, "*/supervisors/*"))
    snapshot = tracemalloc.take_snapshot().filter_traces(ours)
    snapshot = snapshot.filter_traces((tracemalloc.Filter(False, "*/bottalk/sandbox/*"),))
    return sum(trace.size for trace in snapshot.traces)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def an_hour(world: World, site: Site, browser: httpx.AsyncClient, people: list[Person], hour: int) -> None:
    """Pushes, replies, pages and status, every minute some of it."""
    rng = random.Random(hour)
    for minute in range(60):
        for person in people:
            if (minute + hour) % 3 == 0:
                title = f"{hour:02}:{minute:02} {rng.random()}"
                await world.push(person, title, "字" * rng.randrange(400), wait=0, idempotency_key=title)
        if minute % 20 == 7:
            site.sandbox.write(rng.choice(people).user, "好")
        if minute % 10 == 3:
            for path in ("/", "/api/auth/me", "/api/channels", "/api/push-logs", "/m/1?readkey=none"):
                assert (await browser.get(path)).status_code in (200, 401, 404), path
        for _ in range(3):
            world.daemon.services.status.view()
            await trio.sleep(20)


async def test_the_last_hours_of_a_day_leave_nothing(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, log_days=2) as site:
        world, browser = site.world, await site.browser()
        people = [await world.active() for _ in range(2)]
        for hour in range(EVENING):
            await an_hour(world, site, browser, people, hour)
        files = descriptors()
        tracemalloc.start()  # it makes everything slower: what was there before is not looked at
        try:
            for hour in range(EVENING, 24):
                await an_hour(world, site, browser, people, hour)
            for person in people:
                await world.write(person)
            await trio.sleep(600)
            held = own_bytes()
        finally:
            tracemalloc.stop()
        assert [world.waiting(person) for person in people] == [0, 0]
        assert held < MOST_HELD, f"{held} bytes of the evening are held"
        assert descriptors() <= files + 2
        pushed = 2 * 20 * 24
        assert count(tmp_path, "SELECT count(*) FROM push_logs WHERE source = 'api' AND status = 'success'") == pushed
        assert count(tmp_path, "SELECT count(*) FROM push_logs WHERE status = 'queued'") == 0
        site.sandbox.check_invariants()
        assert site.sandbox.max_concurrent_polls() == 1
        await assert_memory_is_database(world, tmp_path)
