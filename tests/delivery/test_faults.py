"""Retry, breaker, verdict."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottalk.delivery import breaker as breakers
from bottalk.delivery import retry
from bottalk.delivery.breaker import Breaker
from bottalk.delivery.verdict import Fault, Verdict, judge


@given(st.integers(1, 1000), st.integers())
def test_waits_follow_the_ladder_within_a_fifth(failures: int, seed: int) -> None:
    ladder = (1.0, 2.0, 5.0)
    step = ladder[min(failures, 3) - 1]
    assert step * 0.8 <= retry.delay(failures, ladder, random.Random(seed)) <= step * 1.2


def test_three_failures_in_a_row_take_the_host_down_and_one_answer_brings_it_back() -> None:
    breaker = Breaker()
    for now in (1.0, 2.0):
        breaker = breakers.failed(breaker, now)
        assert not breaker.is_down
    breaker = breakers.failed(breaker, 3.0)
    assert breaker.down_since == 3.0
    assert not breakers.answered(breaker).is_down


def test_an_answer_between_failures_keeps_the_host_up() -> None:
    breaker = Breaker()
    for now in range(20):
        breaker = breakers.failed(breaker, float(now))
        if now % 2:
            breaker = breakers.answered(breaker)
        assert not breaker.is_down


@given(st.lists(st.floats(0, 3), min_size=10, max_size=300), st.sampled_from([5.0, 200.0]))
def test_no_second_has_more_calls_than_the_line_allows(pauses: list[float], rate: float) -> None:
    breaker, now, slots = Breaker(), 0.0, []
    for pause in pauses:
        now += pause
        breaker, slot = breakers.take_slot(breaker, now, rate)
        assert slot >= now
        slots.append(slot)
    for n, slot in enumerate(slots):
        assert sum(slot <= later < slot + 0.999 for later in slots[n:]) <= rate


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (Fault(ret=-2), Verdict.WINDOW),
        (Fault(ret=-13), Verdict.BURST),
        (Fault(status=429), Verdict.BURST),
        (Fault(ret=-14), Verdict.SESSION),
        (Fault(ret=-3), Verdict.OTHER),
        (Fault(ret=-1), Verdict.OTHER),
        (Fault(ret=7), Verdict.OTHER),
        (Fault(status=401), Verdict.AUTH),
        (Fault(status=403), Verdict.AUTH),
        (Fault(status=503), Verdict.TRANSPORT),
        (Fault(status=400), Verdict.OTHER),
        (Fault(status=413), Verdict.OTHER),
        (Fault(status=422), Verdict.OTHER),
        (Fault(status=404), Verdict.TRANSPORT),
        (Fault(), Verdict.TRANSPORT),
    ],
)
def test_what_an_answer_means(fault: Fault, verdict: Verdict) -> None:
    assert judge(fault) is verdict
