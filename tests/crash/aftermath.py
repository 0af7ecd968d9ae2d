"""What must be true when a daemon that died has run again on the same data."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

from bottalk.sandbox.core import Sandbox
from tests.crash.shapes import MARK, Stage


@dataclass(frozen=True, slots=True)
class AtDeath:
    """What was committed, and what the phones showed, when the daemon died."""

    rows: list[sqlite3.Row]
    texts: dict[str, list[str]]

    @property
    def accepted(self) -> set[str]:
        return {row["title"] for row in self.rows}

    @property
    def waiting(self) -> set[tuple[int, str]]:
        return {(row["channel_id"], row["title"]) for row in self.rows if row["status"] == "queued"}


def rows_of(stage: Stage) -> list[sqlite3.Row]:
    found = stage.the.rows("id, title, channel_id, status, maybe_duplicate, response")
    return [row for row in found if MARK.fullmatch(row["title"])]


async def at_death(stage: Stage) -> AtDeath:
    return AtDeath(rows_of(stage), {person.user: await stage.the.texts(person.user) for person in stage.people})


async def judge(stage: Stage, before: AtDeath, sandbox: Sandbox, *, words: int) -> None:
    """Nothing lost, nothing invented, order kept, copies only as promised, never an eleventh send."""
    assert stage.answered <= before.accepted, "whoever was told that it is kept was told the truth"
    after = rows_of(stage)
    assert [row["id"] for row in after] == [row["id"] for row in before.rows], "nothing comes of nothing"
    assert {row["status"] for row in after} <= {"success"}
    assert len(set(Counter(row["title"] for row in after).values())) <= 1, "a push is kept for all its channels or none"
    for person in stage.people:
        mine = [row for row in after if row["channel_id"] == person.channel_id]
        texts = await stage.the.texts(person.user)
        seen = [title for text in texts for title in MARK.findall(text)]
        assert list(dict.fromkeys(seen)) == [row["title"] for row in mine], "all of it, in the order of acceptance"
        check_copies(seen, before.texts[person.user], before, person.channel_id, mine)
    assert not [call for call in sandbox.record.of("sendmessage") if call.outcome not in ("ok", "gone")]
    sandbox.check_invariants()
    check_database(stage, words)


def check_copies(
    seen: list[str], texts_before: list[str], before: AtDeath, channel_id: int, rows: list[sqlite3.Row]
) -> None:
    """Twice came at most what one message had brought, whose send had begun and was not settled; and it says so."""
    copies = Counter(seen)
    twice = {title for title, number in copies.items() if number > 1}
    assert max(copies.values(), default=0) <= 2
    assert {(channel_id, title) for title in twice} <= before.waiting
    assert twice <= set(MARK.findall(texts_before[-1] if texts_before else ""))
    told = {row["title"] for row in rows if json.loads(row["response"]).get("maybe_duplicate")}
    assert twice <= told
    assert told == {row["title"] for row in rows if row["maybe_duplicate"]}


def check_database(stage: Stage, words: int) -> None:
    """The file is whole, and each word of a user that the daemon could hear opened one window."""
    assert epochs_of(stage) == {words}
    with closing(sqlite3.connect(stage.the.data_dir / "bottalk.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def epochs_of(stage: Stage) -> set[int]:
    """How many windows each channel has had."""
    with closing(sqlite3.connect(stage.the.data_dir / "bottalk.db")) as connection:
        return {epoch for (epoch,) in connection.execute("SELECT window_epoch FROM channels")}
