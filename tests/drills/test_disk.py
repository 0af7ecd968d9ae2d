"""The disk fills up, or another program locks the database, while pushes and messages come."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.drills.tools import AT_ONCE, delivered, epochs, fill, is_sound, said, small_disk, waiting
from tests.e2e.processes import Bound, Field, Process, field

pytestmark = pytest.mark.slow

BUSY = 50301
LONG = "字" * 6000


@asynccontextmanager
async def a_small_disk(tmp_path: Path) -> AsyncIterator[Field]:
    with small_disk(tmp_path / "data", 4):
        async with field(tmp_path) as the:
            yield the


async def push_until_refused(the: Field, bound: Bound, name: str) -> list[str]:
    """The titles that were accepted: what the log beside the database has room for is still taken, and kept."""
    accepted: list[str] = []
    for n in range(200):
        title = f"<{name}-{n}>"
        answer = await the.push(bound, title, desp=LONG, wait="0")
        if answer["code"] == BUSY:
            return accepted
        assert answer["code"] == 0, answer
        accepted.append(title)
    raise AssertionError("the disk is not full")


async def test_a_disk_that_fills_up_loses_nothing_and_needs_no_restart(tmp_path: Path) -> None:
    """Before a send, while one is under way, and after it; twice."""
    async with a_small_disk(tmp_path) as the, the.daemon(AT_ONCE) as daemon:
        bound, other = await the.bind(), await the.bind()
        await the.push(bound, "<before>", wait="20")
        accepted = ["<before>"]
        for turn in range(2):
            accepted += await filled_and_freed(the, daemon, bound, other, turn)
        shown = await delivered(the, bound)
        assert [shown.count(title) for title in accepted] == [1] * len(accepted)
        assert [shown.index(title) for title in accepted] == sorted(shown.index(title) for title in accepted)
        assert "<refused>" not in await delivered(the, other)
        assert len(said(daemon, "journal.cannot_write")) >= 2
        assert "Traceback" not in daemon.errors.read_text()
        assert [row["status"] for row in the.rows()] == ["success"] * len(accepted)
        assert not any(row["maybe_duplicate"] for row in the.rows())


async def filled_and_freed(the: Field, daemon: Process, bound: Bound, other: Bound, turn: int) -> list[str]:
    """The disk fills up during a send, then `other` writes, then there is room again; what was accepted, in order."""
    before = epochs(the)
    during, after = f"<during-{turn}>", f"<after-{turn}>"
    await the.control("/faults", {"kind": "delay", "endpoint": "sendmessage", "delay_s": 2.0, "when": "after"})
    await the.push(bound, during, wait="0")
    await the.until(lambda: delivered(the, bound), lambda text: during in text)
    filler = fill(the.data_dir)
    accepted = [during, *await push_until_refused(the, bound, f"full-{turn}")]
    await the.write(other.user, "满的时候")
    await the.until(lambda: logged(daemon, "journal.waiting"), lambda lines: len(lines) > turn)
    for _ in range(3):
        assert (await the.push(other, "<refused>", wait="5"))["code"] == BUSY
    assert (await the.client.get(f"{the.url}/healthz")).text == "ok"
    filler.unlink()
    await the.until(lambda: taken(the, bound, after), bool)
    await the.write(bound.user)
    await the.until(lambda: waiting(the), lambda found: found == 0)
    now = await the.until(lambda: stored(the), lambda found: all(found[one] > before[one] for one in before))
    assert now == {one: epoch + 1 for one, epoch in before.items()}, "each wrote once, one of them on the full disk"
    return [*accepted, after]


async def test_a_database_locked_for_twenty_seconds(tmp_path: Path) -> None:
    async with field(tmp_path) as the, the.daemon(AT_ONCE) as daemon:
        bound = await the.bind()
        before = epochs(the)
        slow = {"kind": "delay", "endpoint": "sendmessage", "delay_s": 1.0, "when": "after"}
        await the.control("/faults", slow)
        await the.push(bound, "<during>", wait="0")
        await the.until(lambda: delivered(the, bound), bool)
        with closing(sqlite3.connect(the.data_dir / "bottalk.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            locked_at = trio.current_time()
            answers: list[dict[str, Any]] = []

            async def push(n: int) -> None:
                answers.append(await the.push(bound, f"<locked-{n}>", wait="0"))

            async with trio.open_nursery() as nursery:
                for n in range(10):
                    nursery.start_soon(push, n)
            began = trio.current_time()
            await push(10)
            assert trio.current_time() - began < 2.0, "once it is known, nobody waits for the lock anew"
            await the.write(bound.user)
            assert (await the.client.get(f"{the.url}/healthz")).text == "ok"
            await trio.sleep_until(locked_at + 20.0)  # the real clock: another program holds it so long
            other.execute("COMMIT")
        assert {answer["code"] for answer in answers} == {BUSY}
        await the.until(lambda: taken(the, bound, "<after>"), bool)
        await the.until(lambda: waiting(the), lambda found: found == 0)
        await the.until(lambda: stored(the), lambda found: found[bound.channel_id] > before[bound.channel_id])
        assert epochs(the)[bound.channel_id] == before[bound.channel_id] + 1
        shown = await delivered(the, bound)
        assert [shown.count(title) for title in ("<during>", "<after>", "<locked")] == [1, 1, 0]
        assert "locked" in said(daemon, "journal.cannot_write")[0]["error"]
        assert len(said(daemon, "journal.recovered")) >= 1
        assert "Traceback" not in daemon.errors.read_text()
    assert is_sound(the.data_dir / "bottalk.db")


async def stored(the: Field) -> dict[int, int]:
    return epochs(the)


async def taken(the: Field, bound: Bound, title: str) -> bool:
    """Whether a push is accepted now; one that was refused was not kept, so it may be tried until it is."""
    return bool((await the.push(bound, title, wait="0"))["code"] == 0)


async def logged(daemon: Process, event: str) -> list[dict[str, Any]]:
    return said(daemon, event)
