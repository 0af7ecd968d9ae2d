"""A long backlog: its texts wait in the database, and arrive whole and in order all the same."""

import gc
import random
import sqlite3
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bottalk import outbox as outboxes
from bottalk.actors.journal import load_pictures
from bottalk.actors.texts import Texts
from bottalk.config import Config
from bottalk.outbox import TEXTS
from bottalk.store import pushes
from bottalk.store.database import Database, open_database
from bottalk.values import ChannelId, Outcome, PushId, Reason, Row, RowId, RowStatus, Secret, Settlement, UserId
from bottalk.verbs.draft import Pictures
from tests.actors.test_queue_drops import Step, play_all, steps
from tests.support.world import Person, World, inline, open_world

NOW = 1_790_000_000.0
QUEUED = Outcome(RowStatus.QUEUED, kept=True)


def add_rows(connection: sqlite3.Connection, rows: list[Row]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for row in rows:
        birth = pushes.Birth(row, f"readkey {row.id}", UserId(1), QUEUED, "api", "192.0.2.1")
        pushes.insert(connection, birth, "full")
    connection.execute("COMMIT")


def a_row(row_id: int, text: str, channel: int = 1) -> Row:
    return Row(RowId(row_id), PushId(row_id), ChannelId(channel), f"题 {row_id}", text, NOW, NOW + 1e6)


# --- memory ---


async def test_ten_thousand_waiting_rows_cost_a_fraction_of_their_texts(tmp_path: Path) -> None:
    """100 closed channels with 100 rows of 2 KB each: what is held of them after a start."""
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        await database.write(
            lambda c: add_rows(c, [a_row(n, f"{n:06}" + "x" * 2000, channel=n % 100 + 1) for n in range(1, 10_001)])
        )
        texts = 10_000 * 2000
        pictures, held, peak = await measured(database)
    assert sum(pictures.outboxes.depths().values()) == 10_000
    full = [row for n in range(1, 101) for row in pictures.outboxes.of(ChannelId(n)) if not row.is_light]
    assert len(full) <= 100 * TEXTS
    kept = sum(row.characters for row in full)
    assert held - kept < texts / 4, "a light row costs less than a quarter of a full one"
    assert peak < held + texts / 10, "the texts were never all in memory at once"


async def measured(database: Database) -> tuple[Pictures, int, int]:
    """The pictures, the bytes they hold, and the most that was held while they were read."""
    gc.collect()
    tracemalloc.start()
    try:
        pictures, _ = await load_pictures(database, NOW)
        gc.collect()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return pictures, held, peak


async def test_a_full_queue_refuses_and_holds_few_texts(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, rate_limit=2000) as world:
        person = await closed(world)
        told = [(await world.push(person, f"第 {n} 条", "文" * 1000, wait=0)).rows[0].outcome for n in range(1000)]
        assert [outcome.kept for outcome in told] == [True] * 500 + [False] * 500
        assert {outcome.reason for outcome in told[500:]} == {Reason.QUEUE_FULL}
        rows = list(world.daemon.pictures.outboxes.of(person.channel_id))
        assert len(rows) == 500
        assert sum(len(row.text) for row in rows) <= outboxes.CHARACTERS


async def closed(world: World) -> Person:
    """A person whose window is used up."""
    person = await world.active()
    for n in range(10):
        await world.push(person, f"用掉 {n}", wait=0)
        await trio.sleep(400)
    assert world.waiting(person) == 0
    return person


# --- delivery ---


@pytest.mark.parametrize("restart", [False, True])
async def test_a_backlog_arrives_whole_and_in_order(tmp_path: Path, autojump_clock: object, restart: bool) -> None:
    titles = [f"<{n:03}>" for n in range(120)]
    async with open_world(tmp_path, rate_limit=2000) as world:
        person = await closed(world)
        for title in titles:
            await world.push(person, title, f"{title} 正文 " + "文" * 60, wait=0)
        if not restart:
            await arrives(world, person, titles)
    if restart:
        async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock, rate_limit=2000) as again:
            await arrives(again, person, titles)


async def arrives(world: World, person: Person, titles: list[str]) -> None:
    assert sum(row.is_light for row in world.daemon.pictures.outboxes.of(person.channel_id)) > 80
    await world.write(person)
    await world.until(lambda: world.waiting(person) == 0, within=600)
    everything = "\n".join(world.texts(person)[10:])
    assert [everything.count(f"{title} 正文") for title in titles] == [1] * len(titles)
    places = [everything.index(f"{title} 正文") for title in titles]
    assert places == sorted(places)
    world.sandbox.check_invariants()


async def test_a_long_text_for_an_open_channel_is_sent_at_once(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, base_url="https://push.example.org") as world:
        person = await world.active()
        answer = await world.push(person, "长", "长文" * 20_000)
        assert answer.rows[0].outcome.status is RowStatus.SUCCESS
        assert "长文长文" in world.texts(person)[0]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=steps, seed=st.integers(0, 10**6))
def test_a_row_whose_text_is_read_is_delivered_or_deleted(script: list[Step], seed: int) -> None:
    """No row has its text in memory: whatever crosses the reading, none is lost, and none told deleted is sent."""
    with TemporaryDirectory() as directory, patch.object(outboxes, "TEXTS", 0):
        trio.run(play_all, script, seed, Path(directory), clock=trio.testing.MockClock(autojump_threshold=0))


# --- reading ---


async def test_only_what_one_message_takes_is_read(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        rows = [a_row(n, "文" * 1000) for n in range(1, 101)]
        await database.write(lambda c: add_rows(c, rows))
        texts = Texts(database, Config().delivery)
        found = await texts.fill([row.light() for row in rows])
        assert [row.id for row in found] == [1, 2, 3, 4], "two messages' worth: what is not shown is not known here"
        assert [(row.title, row.text, row.is_light) for row in found[:1]] == [("题 1", "文" * 1000, False)]
        assert found[0].readkey == Secret("readkey 1")
        assert await texts.fill(rows) == rows, "nothing is read where nothing was left out"


async def test_the_same_text_counts_once_and_is_held_once(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        rows = [Row(RowId(n), PushId(n), ChannelId(1), "同", "文" * 1500, NOW, NOW + 1e6) for n in range(1, 201)]
        await database.write(lambda c: add_rows(c, rows))
        found = await Texts(database, Config().delivery).fill([row.light() for row in rows])
        assert len(found) == 200, "they go as one entry"
        assert len({id(row.text) for row in found}) == 1


async def test_a_row_that_is_settled_by_now_drops_out(tmp_path: Path) -> None:
    async with open_database(tmp_path / "bottalk.db", now=NOW) as database:
        rows = [a_row(n, "短") for n in (1, 2, 3)]
        await database.write(lambda c: add_rows(c, rows))
        gone = Settlement(RowId(2), Outcome(RowStatus.FAILED, reason=Reason.DELETED))
        await database.write(lambda c: pushes.settle_untried(c, ChannelId(1), gone, NOW, "full"))
        found = await Texts(database, Config().delivery).fill([row.light() for row in rows])
        assert [row.id for row in found] == [1, 3]


async def test_while_the_database_cannot_be_read_what_waits_waits(tmp_path: Path, autojump_clock: object) -> None:
    failures = [sqlite3.OperationalError("disk I/O error")] * 2
    async with open_database(tmp_path / "bottalk.db", now=NOW, runner=inline(random.Random(1))) as database:
        rows = [a_row(1, "短")]
        await database.write(lambda c: add_rows(c, rows))
        read = pushes.with_texts

        def ill(connection: sqlite3.Connection, wanted: list[Row], most: int) -> list[Row]:
            if failures:
                raise failures.pop()
            return read(connection, wanted, most)

        with patch.object(pushes, "with_texts", ill):
            found = await Texts(database, Config().delivery).fill([row.light() for row in rows])
        assert [row.text for row in found] == ["短"]
        assert failures == []
