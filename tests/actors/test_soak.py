"""An hour of twenty channels: pushes, replies and faults in any order; then each row is accounted for."""

import random
from collections import Counter
from pathlib import Path

import pytest

from bottalk.sandbox.rules.parameters import FIELD, HARSH, Parameters
from bottalk.values import Priority
from tests.property.checks import check
from tests.property.ending import drain, heal
from tests.property.faults import FAULTS
from tests.property.life import Life
from tests.property.stage import open_stage
from tests.property.steps import Arm, Crash, FullDisk, Order, Push, Restart, Script, Step, Switch, Write

ACCOUNTS = (4, 3, 2, 1) * 2
CHANNELS = sum(ACCOUNTS)
HOUR = 3600.0
MEAN_PAUSE = 6.0


def an_hour(rng: random.Random) -> Script:
    """Something happens every six seconds, most of the time a push."""
    script: Script = []
    elapsed = 0.0
    while elapsed < HOUR:
        pause = rng.expovariate(1 / MEAN_PAUSE)
        script.append((_something(rng), pause))
        elapsed += pause
    return script


def _something(rng: random.Random) -> Step:
    phone, what = rng.randrange(CHANNELS), rng.random()
    if what < 0.6:
        return Push(
            phone,
            to=rng.choice(["own", "own", "own", "all"]),
            count=rng.choice([1, 1, 1, 2, 8]),
            size=rng.choice(["short", "short", "short", "long"]),
            priority=rng.choice([Priority.NORMAL, Priority.NORMAL, Priority.NORMAL, Priority.URGENT, Priority.LOW]),
            wait=rng.choice([0.0, 3.0]),
            delay=rng.choice([None, None, None, 200.0]),
            ttl=rng.choice([None, None, None, 300.0]),
            replace_key=rng.choice([None, None, None, "disk"]),
        )
    if what < 0.8:
        return Write(phone)
    if what < 0.93:
        return Arm(rng.choice(FAULTS), rng.choice([None, phone]))
    others: list[Step] = [
        Switch(phone, rng.choice(["half_dead", "cured", "doze", "penalize", "backlog", "lifted"])),
        Order(phone, rng.choice(["restart", "drop"])),
        Crash("sendmessage"),
        FullDisk(rng.uniform(1, 30)),
        Restart(rng.choice(["orderly", "killed"]), rng.uniform(0, 20)),
    ]
    return rng.choice(others)


@pytest.mark.parametrize(("parameters", "seed"), [(FIELD, 1), (HARSH, 2)], ids=["field", "harsh"])
async def test_after_an_hour_every_row_is_accounted_for(
    tmp_path: Path, autojump_clock: object, parameters: Parameters, seed: int
) -> None:
    async with open_stage(tmp_path, seed=seed, parameters=parameters) as (stage, nursery):
        life = Life(stage, nursery)
        await life.begin(ACCOUNTS, silent=0)
        await life.play(an_hour(random.Random(seed)))
        await heal(life)
        await drain(life)
        check(life)
        with stage.reading() as connection:
            ends = Counter(
                tuple(row) for row in connection.execute("SELECT status, coalesce(reason, '') FROM push_logs")
            )
            queued = connection.execute("SELECT count(*) FROM push_logs WHERE status = 'queued'").fetchone()[0]
        told = [p for p in life.pushed if p.answer is not None and p.answer.push_id is not None]
        assert ends.total() >= sum(len(p.answer.rows) for p in told if p.answer is not None)
        assert ends["success", ""] > 500
        assert queued == 0
        await stage.end("orderly")
