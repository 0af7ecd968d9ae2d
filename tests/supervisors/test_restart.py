"""The pure part: back-off, intensity, verdicts."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.restart import Backoff, Decision, Excess, History, Intensity, Restart, Verdict


@dataclass(frozen=True)
class Rules:
    restart: Restart = Restart.PERMANENT
    backoff: Backoff = Backoff(first=1, factor=2, cap=8, jitter=0)  # noqa: RUF009 - frozen
    intensity: Intensity = Intensity(3, 60)  # noqa: RUF009 - frozen
    excess: Excess = Excess.PARK


RNG = random.Random(1)


def crash(history: History, rules: Rules, now: float, *, ran_for: float = 0.0, crashed: bool = True) -> Decision:
    return history.decide(rules, crashed=crashed, ran_for=ran_for, now=now, rng=RNG)


def test_backoff_grows_to_its_cap() -> None:
    backoff = Backoff(first=0.5, factor=3, cap=10, jitter=0)
    assert [backoff.delay(n, RNG) for n in range(1, 6)] == [0.5, 1.5, 4.5, 10, 10]


def test_backoff_survives_restarts_without_end() -> None:
    assert Backoff(jitter=0).delay(100_000, RNG) == 30.0


@given(st.integers(1, 10_000), st.floats(0, 1), st.integers(0, 2**32))
def test_jitter_only_shortens_and_by_no_more_than_its_share(n: int, jitter: float, seed: int) -> None:
    full = Backoff(jitter=0).delay(n, RNG)
    delay = Backoff(jitter=jitter).delay(n, random.Random(seed))
    assert full * (1 - jitter) - 1e-9 <= delay <= full


@pytest.mark.parametrize("wrong", [{"first": -1}, {"factor": 0.5}, {"cap": -1}, {"jitter": 1.5}, {"jitter": -0.1}])
def test_backoff_refuses_nonsense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a back-off needs"):
        Backoff(**wrong)


@pytest.mark.parametrize(("most", "period"), [(-1, 60), (1, 0)])
def test_intensity_refuses_nonsense(most: int, period: float) -> None:
    with pytest.raises(ValueError, match="an intensity needs"):
        Intensity(most, period)


@pytest.mark.parametrize(
    ("restart", "crashed", "again"),
    [
        (Restart.PERMANENT, True, True),
        (Restart.PERMANENT, False, True),
        (Restart.TRANSIENT, True, True),
        (Restart.TRANSIENT, False, False),
        (Restart.TEMPORARY, True, False),
        (Restart.TEMPORARY, False, False),
    ],
)
def test_who_is_started_again(restart: Restart, crashed: bool, again: bool) -> None:
    verdict = crash(History(), Rules(restart), 0, crashed=crashed).verdict
    assert verdict is (Verdict.RESTART if again else Verdict.FINISH)


@pytest.mark.parametrize(("excess", "verdict"), [(Excess.PARK, Verdict.PARK), (Excess.ESCALATE, Verdict.ESCALATE)])
def test_one_failure_too_many_within_the_period(excess: Excess, verdict: Verdict) -> None:
    history, rules = History(), Rules(excess=excess)
    assert [crash(history, rules, now).verdict for now in (0, 10, 20)] == [Verdict.RESTART] * 3
    assert crash(history, rules, 59).verdict is verdict


def test_old_failures_do_not_count() -> None:
    history, rules = History(), Rules()
    for now in range(0, 1000, 30):  # never more than two others in any 60 s
        assert crash(history, rules, now).verdict is Verdict.RESTART


def test_zero_restarts_means_the_first_failure_is_too_many() -> None:
    rules = Rules(intensity=Intensity(0, 60), excess=Excess.ESCALATE)
    assert crash(History(), rules, 0).verdict is Verdict.ESCALATE


@pytest.mark.parametrize("most", [0, 3])
def test_keep_on_never_gives_up(most: int) -> None:
    history, rules = History(), Rules(intensity=Intensity(most, 60), excess=Excess.KEEP_ON)
    delays = [crash(history, rules, now / 10).delay for now in range(50)]
    assert delays[:5] == [1, 2, 4, 8, 8]
    assert set(delays[4:]) == {8}


def test_a_steady_run_resets_the_backoff() -> None:
    history, rules = History(), Rules()
    assert [crash(history, rules, now).delay for now in (0, 1)] == [1, 2]
    assert crash(history, rules, 100, ran_for=60).delay == 4
    assert crash(history, rules, 200, ran_for=60.1).delay == 1


@given(st.lists(st.floats(0, 100), max_size=40), st.integers(0, 5))
def test_never_more_restarts_in_a_period_than_allowed(gaps: list[float], most: int) -> None:
    history, rules, now = History(), Rules(intensity=Intensity(most, 60)), 0.0
    restarts: list[float] = []
    for gap in gaps:
        now += gap
        if crash(history, rules, now).verdict is Verdict.RESTART:
            restarts.append(now)
            assert sum(now - t < 60 for t in restarts) <= most
        else:
            assert sum(now - t < 60 for t in restarts) == most
