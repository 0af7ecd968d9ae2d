"""Ten new accounts an hour from one address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottalk.newcomers import HOUR_S, MOST, Newcomers, place_of

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("2001:db8:1:2::9%eth0", "2001:0db8:0001:0002::/64"),
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("operator", None),
        ("", None),
    ],
)
def test_what_counts_as_one_address(ip: str, place: str | None) -> None:
    assert place_of(ip) == place


def test_an_hour_later_the_address_is_free_again() -> None:
    newcomers = Newcomers()
    for _ in range(MOST):
        newcomers.add("192.0.2.1", NOW)
    assert newcomers.count("192.0.2.1", NOW + HOUR_S - 1) == MOST
    assert newcomers.count("192.0.2.2", NOW) == 0
    assert newcomers.count("192.0.2.1", NOW + HOUR_S) == 0


def test_a_clock_set_back_a_day_locks_nobody_out() -> None:
    newcomers = Newcomers()
    for _ in range(MOST):
        newcomers.add("192.0.2.1", NOW)
    assert newcomers.count("192.0.2.1", NOW - 86_400) == 0


def test_loopback_is_never_counted() -> None:
    newcomers = Newcomers()
    for _ in range(100):
        newcomers.add("127.0.0.1", NOW)
    assert newcomers.count("127.0.0.1", NOW) == 0


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.floats(0, 2 * HOUR_S))))
def test_never_more_than_the_limit_in_any_hour(tries: list[tuple[str, float]]) -> None:
    newcomers = Newcomers()
    granted: dict[str, list[float]] = {}
    for ip, at in sorted(tries, key=lambda pair: pair[1]):
        before = [one for one in granted.get(ip, []) if at - one < HOUR_S]
        assert newcomers.count(ip, at) == len(before)
        if len(before) < MOST:
            newcomers.add(ip, at)
            granted.setdefault(ip, []).append(at)
