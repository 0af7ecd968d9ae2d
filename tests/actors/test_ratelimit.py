"""The sliding hour: exact, cheap, forgetful."""

import random
from collections import deque
from pathlib import Path

import trio
from hypothesis import given
from hypothesis import strategies as st

from bottalk.actors.ratelimit import HOUR_S, RateLimit
from bottalk.errors import Refusal
from bottalk.messages import Spend
from bottalk.values import UserId
from tests.support.world import open_world


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 1200), st.integers(0, 5)), max_size=200))
def test_within_any_hour_no_more_than_the_limit_is_granted_and_no_less(pushes: list[tuple[int, float, int]]) -> None:
    limiter, now = RateLimit(), 0.0
    granted: dict[int, deque[float]] = {1: deque(), 2: deque(), 3: deque()}
    for account, pause, limit in pushes:
        now += pause
        recent = sum(t > now - HOUR_S for t in granted[account])
        spent = limiter.spend(Spend(UserId(account), limit), now)
        assert spent.granted is (recent < limit)
        if spent.granted:
            granted[account].append(now)
            recent += 1
        assert spent.remaining == max(0, limit - recent)
        assert 0 < spent.resets_in <= HOUR_S


def test_a_refusal_costs_nothing_and_the_place_is_free_when_it_was_said_to_be() -> None:
    limiter = RateLimit()
    for n in range(100):
        assert limiter.spend(Spend(UserId(1), 100), float(n)).granted
    refused = limiter.spend(Spend(UserId(1), 100), 200.0)
    assert not refused.granted
    assert refused.resets_in == 3400
    assert not limiter.spend(Spend(UserId(1), 100), 3599.9).granted
    assert limiter.spend(Spend(UserId(1), 100), 3600.0).granted


def test_a_changed_limit_counts_at_once_and_zero_refuses_all() -> None:
    limiter = RateLimit()
    assert limiter.spend(Spend(UserId(1), 1), 0.0).granted
    assert not limiter.spend(Spend(UserId(1), 1), 1.0).granted
    assert limiter.spend(Spend(UserId(1), 2), 2.0).granted
    assert not limiter.spend(Spend(UserId(1), 0), 3.0).granted


def test_accounts_that_were_silent_for_an_hour_are_forgotten() -> None:
    limiter, rng = RateLimit(), random.Random(1)
    for n in range(10_000):
        limiter.spend(Spend(UserId(rng.randrange(5000)), 100), n * 1.0)
    assert limiter.accounts() <= 3600
    limiter.spend(Spend(UserId(1), 100), 20_000.0)
    assert limiter.accounts() == 1


async def test_of_101_pushes_at_once_exactly_one_is_refused(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        refused = []

        async def one(n: int) -> None:
            answer = await world.push(person, f"第 {n} 条", wait=0)
            if answer.refusal is not None:
                refused.append(answer)

        async with trio.open_nursery() as nursery:
            for n in range(101):
                nursery.start_soon(one, n)
        assert [answer.refusal for answer in refused] == [Refusal.RATE_LIMIT]
        assert refused[0].rate is not None
        assert refused[0].rate.limit == 100
