"""A day of one channel: 300 pushes and six replies."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import trio

from bottalk.config import DeliverySettings
from bottalk.sandbox.rules.parameters import FIELD
from bottalk.values import Priority
from tests.property.checks import check
from tests.property.ending import drain, heal
from tests.property.life import Life
from tests.property.stage import Stage, open_stage
from tests.property.steps import Push
from tests.property.witness import Try

DAY = 86_400.0
PUSHES = 300
REPLIES_AT = (8.0, 10.5, 13.0, 17.5, 20.0, 23.0)
"""Hours of the day."""
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Day:
    """What became of the pushes at the day's end, and what it took."""

    delivered: int
    waiting: int
    failed: dict[str, int]
    """By reason."""
    messages: int
    """Calls of sendmessage that iLink took."""
    fullest_window: int
    """The most messages between two words of the user."""
    closed_calls: tuple[float, ...]
    """When iLink was asked to take a message though the books said closed, seconds of the day."""


async def live_a_day(data_dir: Path, seed: int = 1, pushes: int = PUSHES) -> Day:
    """Pushes at any time of the day, a few of each kind there is; the person replies now and then."""
    rng = random.Random(seed)
    async with open_stage(data_dir, seed=seed, parameters=FIELD) as (stage, nursery):
        life = Life(stage, nursery)
        await life.begin((1,), silent=0)
        began = trio.current_time()
        events: list[tuple[float, Push | None]] = [(rng.uniform(0, DAY), _push(rng)) for _ in range(pushes)]
        events += [(hour * HOUR, None) for hour in REPLIES_AT]
        for at, push in sorted(events, key=lambda event: event[0]):
            await trio.sleep_until(began + at)
            if push is None:
                stage.sandbox.write(life.phones[0].user, "收到")
            else:
                await life.play([(push, 0.0)])
        await trio.sleep_until(began + DAY)
        day = _seen(stage, began)
        await heal(life)
        await drain(life)
        check(life)
        await stage.end("orderly")
    return day


def _push(rng: random.Random) -> Push:
    kind = rng.random()
    if kind < 0.05:
        return Push(0, priority=Priority.URGENT)
    if kind < 0.15:
        return Push(0, priority=Priority.LOW)
    if kind < 0.2:
        return Push(0, ttl=1800.0)
    if kind < 0.25:
        return Push(0, replace_key="disk")
    return Push(0, size="long" if kind < 0.3 else "short", wait=3.0)


def _seen(stage: Stage, began: float) -> Day:
    with stage.reading() as connection:
        found = connection.execute("SELECT status, reason, count(*) FROM push_logs WHERE source = 'api' GROUP BY 1, 2")
        rows = [tuple(row) for row in found]
    taken = [one for one in stage.books.tries if one.is_accepted]
    return Day(
        delivered=sum(count for status, _, count in rows if status == "success"),
        waiting=sum(count for status, _, count in rows if status == "queued"),
        failed={str(reason): count for status, reason, count in rows if status == "failed"},
        messages=len(taken),
        fullest_window=max(_windows(taken).values()),
        closed_calls=tuple(one.at - began for one in stage.closed_calls),
    )


def _windows(taken: list[Try]) -> Counter[tuple[str, int]]:
    return Counter((one.token, one.epoch) for one in taken)


async def test_a_day_of_300_pushes_and_six_replies(tmp_path: Path, autojump_clock: object) -> None:
    day = await live_a_day(tmp_path)
    quota = DeliverySettings().quota
    assert day.delivered + day.waiting + sum(day.failed.values()) == PUSHES
    assert set(day.failed) <= {"expired", "replaced"}, "nothing fails but what its sender has limited"
    assert day.delivered > PUSHES * 0.6
    assert day.fullest_window <= quota
    assert day.messages <= quota * (len(REPLIES_AT) + 1)
    apart = [later - earlier for earlier, later in zip(day.closed_calls, day.closed_calls[1:], strict=False)]
    assert all(seconds >= HOUR - 1 for seconds in apart), "closed: one call an hour at most"
