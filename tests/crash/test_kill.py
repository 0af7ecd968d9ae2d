"""SIGKILL in the middle of pushes, and a restart: no accepted push is lost, and at most one message comes twice."""

import re
from collections import Counter
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.processes import Bound, Field, Process, field

PUSHES = 50
FAST = {"DELIVERY_GAP": "0.03", "DELIVERY_QUOTA": "1000", "LOG_LEVEL": "warning"}
NAME = re.compile(r"push-\d\d-of-run")

pytestmark = pytest.mark.filterwarnings(
    # httpx drops the generator of a request's body unfinished when its server is killed while it sends
    "ignore:Exception ignored in. <async_generator object ByteStream:pytest.PytestUnraisableExceptionWarning"
)


@pytest.mark.parametrize("answers", [0, 9, 35])
async def test_killed_in_the_middle_every_accepted_push_arrives_and_one_message_at_most_twice(
    tmp_path: Path, answers: int
) -> None:
    """The kill comes after so many answers; each send takes 60 ms, of which 30 pass after iLink has taken it."""
    async with field(tmp_path) as the:
        await the.control("/parameters", {"quota": None})
        async with the.daemon(FAST) as daemon:
            bound = await the.bind()
            for when in ("before", "after"):
                slow = {"kind": "delay", "endpoint": "sendmessage", "seconds": 30, "delay_s": 0.03, "when": when}
                await the.control("/faults", slow)
            answered = await push_until_killed(the, bound, daemon, answers)
        rows = the.rows("title, status, id")
        accepted = [row["title"] for row in rows]
        assert answered <= set(accepted)
        sent_before = await the.texts(bound.user)
        async with the.daemon(FAST):
            await the.until(lambda: everything(the, bound), lambda text: all(title in text for title in accepted))
            await the.until(lambda: queued(the), lambda left: left == 0)
        check_copies(accepted, [row["title"] for row in rows if row["status"] == "queued"], sent_before, the)
        check_phone(accepted, await the.texts(bound.user), sent_before)
        assert (await the.client.get(f"{the.upstream}/control/invariants")).json() == {"ok": True}


async def push_until_killed(the: Field, bound: Bound, daemon: Process, answers: int) -> set[str]:
    """50 pushes from ten connections; SIGKILL after so many answers. The titles that were answered as accepted."""
    answered: set[str] = set()
    numbers = iter(range(PUSHES))
    enough = trio.Event()

    async def caller() -> None:
        for number in numbers:
            title = f"push-{number:02}-of-run"
            try:
                answer = await the.push(bound, title, desp="x" * 20)
            except httpx.TransportError:
                return  # killed while it waited
            assert answer["code"] == 0, answer
            answered.add(title)
            if len(answered) >= answers:
                enough.set()

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(caller)
        if answers == 0:
            await the.until(lambda: counted(the), lambda rows: rows)
        else:
            await enough.wait()
        await daemon.kill()
    return answered


async def counted(the: Field) -> int:
    return len(the.rows("id"))


async def queued(the: Field) -> int:
    return sum(row["status"] == "queued" for row in the.rows("status"))


async def everything(the: Field, bound: Bound) -> str:
    return "\n".join(await the.texts(bound.user))


def check_copies(accepted: list[str], left: list[str], before: list[str], the: Field) -> None:
    """Copies may only come of rows that were queued when the process died, and are marked as such."""
    on_phone = Counter(title for text in before for title in NAME.findall(text))
    assert set(on_phone) <= set(accepted)
    twice = {title for title in left if on_phone[title]}
    marked = {row["title"] for row in the.rows() if row["maybe_duplicate"]}
    assert twice <= marked
    told = {row["title"] for row in the.rows() if '"maybe_duplicate":true' in (row["response"] or "")}
    assert twice <= told


def check_phone(accepted: list[str], texts: list[str], before: list[str]) -> None:
    """Everything once, in order; twice only what one message, the last before the kill, had brought."""
    copies = Counter(title for text in texts for title in NAME.findall(text))
    assert set(copies) == set(accepted)
    repeated = {title for title, count in copies.items() if count > 1}
    assert max(copies.values()) <= 2
    assert repeated <= set(NAME.findall(before[-1] if before else ""))
    first_seen = list(dict.fromkeys(title for text in texts for title in NAME.findall(text)))
    assert first_seen == accepted
