"""Random lives of the whole daemon against the sandbox, in virtual time, held against what is promised.

`BOTTALK_TEST_EXAMPLES=2000` plays so many of each profile, new ones each time, and shrinks what fails; without it the
lives are few, and the same every time. Lives that once broke a promise are kept as examples.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import EASY, FIELD, HARSH, Parameters
from tests.property.checks import check
from tests.property.ending import drain, heal
from tests.property.life import Life
from tests.property.stage import open_stage
from tests.property.steps import (
    Arm,
    Crash,
    FullDisk,
    Order,
    Push,
    Restart,
    Scan,
    Script,
    SetClock,
    Sleep,
    Step,
    Switch,
    Write,
    scripts,
)

WANTED = os.environ.get("BOTTALK_TEST_EXAMPLES")
EXAMPLES = int(WANTED or 15)

lives = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=WANTED is None,
    database=None,
    print_blob=True,
    # shrinking takes minutes, explaining would trace every line
    phases=(Phase.explicit, Phase.generate, Phase.shrink) if WANTED else (Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.timeout(0 if WANTED else 60)


async def play(data_dir: Path, script: Script, seed: int, parameters: Parameters, queue: int) -> None:
    overrides = {"delivery.queue": queue}
    async with open_stage(data_dir, seed=seed, parameters=parameters, **overrides) as (stage, nursery):
        life = Life(stage, nursery)
        await life.begin()
        await life.play(script)
        await heal(life)
        await drain(life)
        check(life)
        await stage.end("orderly")


def run(script: Script, seed: int, parameters: Parameters, queue: int) -> None:
    with TemporaryDirectory() as directory:
        trio.run(play, Path(directory), script, seed, parameters, queue, clock=trio.testing.MockClock(0, 0))


LOST = Fault(kind="lost_answer", endpoint="sendmessage")
FAILING = Fault(kind="status", endpoint="sendmessage", times=6)
EMPTY = Fault(kind="empty_body", when="after", endpoint="sendmessage")
SLOW = Fault(kind="delay", endpoint="sendmessage", times=2, delay_s=2.0)
seeds = st.integers(0, 2**16)
queues = st.sampled_from([500, 6])


def once(*script: tuple[Step, float]) -> example:
    """A life that once broke a promise."""
    return example(script=list(script), seed=0, queue=500)


@once((Push(0, delay=5000.0), 1.1), (Restart("killed"), 0.0))  # it did not start again
@once((Push(0), 1.1), (SetClock(-86_400.0), 0.0), (Push(0), 6.0))  # nothing was sent for a day
@once((Crash("sendmessage", answered=True), 0.0), (Push(0), 0.0))  # it came twice, and did not say so
@once((Arm(LOST), 0.0), (Arm(FAILING), 0.0), (Push(0, ttl=60.0), 400.0))  # its actor was busy until the next try
@once(  # the second overtook the first
    (Switch(0, "unbind"), 31.0), (Scan(0), 6.0), (Push(0), 1.1), (SetClock(-4000.0), 0.0), (Push(0), 6.0)
)
@once(  # cut in the midst of a crash
    (Push(0), 0.0),
    (Write(0), 0.0),
    (Write(0), 0.0),
    (Crash("getupdates", answered=True), 0.0),
    (Push(0), 0.0),
    (Push(0), 0.0),
    (Restart("cut"), 0.0),
)
@lives
@given(script=scripts, seed=seeds, queue=queues)
def test_as_reported_from_the_field(script: Script, seed: int, queue: int) -> None:
    run(script, seed, FIELD, queue)


@once((Write(0, 1, "状态"), 0.0), (Sleep(40_000.0), 0.01), (SetClock(-86_400.0), 0.0))  # was it sent in a penalty?
@once(  # an end of an actor that a full disk did not take made the run's own end a failure, hours later
    (FullDisk(0.5), 0.0),
    (Order(0, "delete_channel"), 0.0),
    *[(Write(0, 1, "word"), 0.0)] * 2,
    (Write(0, 1, "word"), 0.01),
)
@once(  # an empty body in place of a refusal: a silent drop that nobody had switched on
    (Write(0), 0.0),
    (Restart("cut"), 0.0),
    (Push(0, wait=0.0), 0.0),
    (Arm(EMPTY), 0.0),
    (Push(0, wait=0.0), 0.01),
)
@lives
@given(script=scripts, seed=seeds, queue=queues)
def test_where_ilink_is_harsh(script: Script, seed: int, queue: int) -> None:
    run(script, seed, HARSH, queue)


@once(  # parked, it did not know that its session was dead, and nobody scanned again
    (Crash("sendmessage", 7, True), 0.0),
    (Arm(SLOW), 0.0),
    (Write(2), 0.0),
    (Arm(SLOW), 320.0),
    (Switch(2, "unbind"), 0.0),
)
@lives
@given(script=scripts, seed=seeds, queue=queues)
def test_where_ilink_is_easy(script: Script, seed: int, queue: int) -> None:
    run(script, seed, EASY, queue)
