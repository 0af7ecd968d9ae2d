"""What must be true at the end of any life, by the journal, by iLink's account and by the phone."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from bottalk.values import Priority, RowStatus
from tests.property.life import Life
from tests.property.witness import Try

DAY = 86_400.0
MANY_REFUSALS = 5
"""From so many on a row that iLink will not take may have been passed by others."""


def check(life: Life) -> None:
    """Raises AssertionError with every promise that was broken, on the way or at the end."""
    stage = life.stage
    with stage.reading() as connection:
        rows = connection.execute("SELECT * FROM push_logs ORDER BY id").fetchall()
    found = list(stage.breaches)
    found += _accounts(life, rows)
    for row in rows:
        found += _row(life, row)
    found += _copies(life, rows)
    found += _order(life, rows)
    found += _keys(life, rows)
    if stage.sandbox.max_concurrent_polls() > 1:
        found.append("two polls on one token")
    bad = [key for key in stage.sandbox.record.counters if key[1] == "bad_request"]
    found += [f"the protocol was broken: {key}" for key in bad]
    assert not found, "\n".join(found)
    stage.sandbox.check_invariants()


def _accounts(life: Life, rows: list[sqlite3.Row]) -> Iterable[str]:
    """accepted = delivered + queued + failed with a reason, to the row; and nothing waits in a live channel."""
    by_push = defaultdict(list)
    for row in rows:
        by_push[row["push_id"]].append(row)
    for pushed in life.pushed:
        answer = pushed.answer
        if answer is None or answer.push_id is None or pushed.owner in life.left:
            continue
        kept = {row["channel_id"]: row for row in by_push[answer.push_id]}
        if set(kept) != {row.channel_id for row in answer.rows}:
            yield f"{pushed.marker} was accepted for {answer.rows} and the journal has {list(kept)}"
        for told in answer.rows:
            status = kept[told.channel_id]["status"] if told.channel_id in kept else ""
            if told.outcome.status is RowStatus.SUCCESS and status not in ("", "success"):
                yield f"{pushed.marker} was told as a success and is {status}"
    directory = life.stage.daemon.pictures.directory
    for row in rows:
        if row["status"] == "queued" and directory.channel(row["channel_id"]) is not None:
            yield f"row {row['id']} ({row['title']}) still waits"
        if row["status"] == "failed" and not row["reason"]:
            yield f"row {row['id']} failed without a reason"


def _row(life: Life, row: sqlite3.Row) -> Iterable[str]:
    """What the journal says of a row is what iLink and the phone say."""
    if row["source"] != "api":
        return  # its words are the daemon's own
    tries = _tries(life, row)
    is_taken = any(one.is_accepted for one in tries)
    name = f"row {row['id']} ({row['title']}, {row['status']}, {row['reason']})"
    if row["status"] == "success":
        if not is_taken:
            yield f"{name} is a success, and iLink never took it"
        elif not any(one.is_accepted and one.client_id == row["client_id"] for one in life.stage.books.tries):
            yield f"{name} names a message that iLink never took"
        elif not (_may_be_hidden(life) or any(row["title"] in text for text in _texts(life, row))):
            yield f"{name} is not on the phone"
    elif is_taken and _is_alone(row) and not _is_doubtful(row) and not row["parts_sent"]:
        yield f"{name} was taken by iLink, and nothing says so"


def _copies(life: Life, rows: list[sqlite3.Row]) -> Iterable[str]:
    """A second copy only of what the daemon could not know to have arrived; and then the row says so."""
    for row in rows:
        if not _is_alone(row) or row["parts_sent"] or len(row["text"]) > 1000:
            continue
        taken = [one for one in _tries(life, row) if one.is_accepted]
        if sum(not one.is_excused for one in taken) > 1 or any(not one.is_excused for one in taken[:-1]):
            yield f"row {row['id']} ({row['title']}) was sent again though it had been accepted: {taken}"
        if len(taken) > 1 and not _is_doubtful(row):
            yield f"row {row['id']} ({row['title']}) came {len(taken)} times and does not say maybe_duplicate"


def _order(life: Life, rows: list[sqlite3.Row]) -> Iterable[str]:
    """Per channel and priority: first accepted, first delivered."""
    lanes: dict[tuple[int, str], list[sqlite3.Row]] = defaultdict(list)
    for row in rows:
        if row["status"] == "success" and row["not_before"] is None and _is_alone(row):
            lanes[row["channel_id"], row["priority"]].append(row)
    for (channel_id, priority), lane in lanes.items():
        user = life.users.get(channel_id)  # type: ignore[call-overload]  # an int of the database
        if sum(one.to == user and one.known == "refused" for one in life.stage.books.tries) >= MANY_REFUSALS:
            continue
        places = [_place(life, row) for row in lane]
        if places != sorted(places):
            titles = [row["title"] for _, row in sorted(zip(places, lane, strict=True), key=lambda pair: pair[0])]
            yield f"channel {channel_id}, {Priority(priority)}: delivered as {titles}"


def _place(life: Life, row: sqlite3.Row) -> tuple[int, int]:
    """Where its first copy stands: which message, and where in it."""
    for number, one in enumerate(life.stage.books.tries):
        if one.is_accepted and one.to == life.users.get(row["channel_id"]) and row["title"] in one.text:
            return number, one.text.index(row["title"])
    return len(life.stage.books.tries), 0


def _keys(life: Life, rows: list[sqlite3.Row]) -> Iterable[str]:
    """One idempotency key, one push within a day: unless the first was neither kept nor sent."""
    if life.stage.clock_was_set:
        return
    pushes: dict[tuple[int, str], dict[int, list[sqlite3.Row]]] = defaultdict(lambda: defaultdict(list))
    answered = {p.answer.push_id for p in life.pushed if p.step.key is not None and p.answer is not None}
    for row in rows:
        if row["title"].startswith("k") and row["push_id"] in answered:
            pushes[row["user_id"], row["title"]][row["push_id"]].append(row)
    for (_, title), found in pushes.items():
        held = [rows[0]["accepted_at"] for rows in found.values() if any(_was_queued(row) for row in rows)]
        gaps = [later - earlier for earlier, later in pairwise(held)]
        if any(gap < DAY for gap in gaps):
            yield f"{title} was accepted {len(held)} times"


def _was_queued(row: sqlite3.Row) -> bool:
    return bool(row["settled_at"] is None or row["settled_at"] > row["accepted_at"] or row["status"] == "success")


def _tries(life: Life, row: sqlite3.Row) -> list[Try]:
    user = life.users.get(row["channel_id"])
    return [one for one in life.stage.books.tries if one.to == user and row["title"] in one.text]


def _texts(life: Life, row: sqlite3.Row) -> list[str]:
    return [message.text for message in life.stage.sandbox.read(life.users[row["channel_id"]])]


def _may_be_hidden(life: Life) -> bool:
    """iLink has swallowed something without a word."""
    return life.was_silent


def _is_alone(row: sqlite3.Row) -> bool:
    """No other row has its text."""
    return bool(row["title"].startswith("m"))


def _is_doubtful(row: sqlite3.Row) -> bool:
    return bool(row["maybe_duplicate"]) or bool(json.loads(row["response"] or "{}").get("maybe_duplicate"))
