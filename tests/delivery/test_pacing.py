"""When the next message may go."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.delivery.digest import Style
from bottalk.delivery.pacing import Waiting, earliest, gap, probe_at, tail
from bottalk.values import Closed, Window
from bottalk.words import Words

SETTINGS = DeliverySettings()
STYLE = Style(SETTINGS, ZoneInfo("Asia/Shanghai"))
T0 = 1_790_000_000.0
FRESH_ROW = Waiting(oldest_at=T0)


def window(spent: int, last_send_at: float | None = None, **changes: object) -> Window:
    opened = windows.opened(windows.fresh(SETTINGS), T0 - 600)
    return replace(opened, spent=spent, last_send_at=last_send_at, **changes)


@pytest.mark.parametrize(("left", "seconds"), [(10, 1), (6, 1), (5, 5), (4, 5), (3, 30), (2, 30), (1, 30)])
def test_the_gap_grows_as_the_window_empties(left: int, seconds: float) -> None:
    assert gap(left, SETTINGS) == seconds


def test_a_single_push_goes_at_once() -> None:
    due = earliest(window(0), FRESH_ROW, T0, SETTINGS)
    assert due is not None
    assert due <= T0


def test_the_gap_counts_from_the_last_message() -> None:
    assert earliest(window(2, last_send_at=T0 - 0.4), FRESH_ROW, T0, SETTINGS) == T0 + 0.6


def test_the_last_message_is_kept_for_more_unless_something_is_urgent_or_fills_it() -> None:
    last = window(9, last_send_at=T0 - 100)
    assert earliest(last, FRESH_ROW, T0, SETTINGS) == T0 + 300
    assert earliest(last, replace(FRESH_ROW, urgent=True), T0, SETTINGS) == T0 - 70
    assert earliest(last, replace(FRESH_ROW, fills_message=True), T0, SETTINGS) == T0 - 70


def test_low_waits_an_hour_for_company() -> None:
    low = replace(FRESH_ROW, low_only=True)
    assert earliest(window(0), low, T0 + 10, SETTINGS) == T0 + 3600
    assert earliest(window(9, last_send_at=T0 - 100), low, T0 + 10, SETTINGS) == T0 + 3600
    closed = window(10, closed=Closed.QUOTA, probed_at=T0 - 3000)
    assert probe_at(closed, low, T0, SETTINGS) == T0 + 3600, "a probe of its own is a message of its own"
    assert probe_at(closed, replace(low, oldest_at=T0 - 4000), T0, SETTINGS) == T0 + 600


def test_what_was_begun_waits_for_the_gap_and_for_a_rest_only() -> None:
    begun = replace(FRESH_ROW, low_only=True, begun=True)
    assert earliest(window(9, last_send_at=T0 - 100), begun, T0, SETTINGS) == T0 - 70
    assert earliest(window(2, penalty_step=1, penalty_until=T0 + 20), begun, T0, SETTINGS) == T0 + 20
    closed = window(10, closed=Closed.QUOTA, probed_at=T0 - 60)
    assert probe_at(closed, begun, T0, SETTINGS) == T0 + 3540


@pytest.mark.parametrize("spent", range(10))
def test_the_last_message_asks_for_a_reply_and_two_before_it_one_hears_what_is_left(spent: int) -> None:
    ends = {7: STYLE.words.few_left.format(left=2), 9: STYLE.words.last}
    assert tail(window(spent), T0, STYLE) == ends.get(spent, "")
    assert tail(window(spent, closed=Closed.AGE), T0, STYLE) == "", "a probe knows nothing of what is left"


def test_an_empty_word_is_no_line() -> None:
    style = replace(STYLE, words=Words(few_left="", last=""))
    assert [tail(window(spent), T0, style) for spent in (7, 9)] == ["", ""]


def test_a_penalty_holds_everything_urgent_too() -> None:
    resting = window(2, penalty_step=1, penalty_until=T0 + 20)
    assert earliest(resting, replace(FRESH_ROW, urgent=True), T0, SETTINGS) == T0 + 20


@pytest.mark.parametrize("closed", list(Closed))
def test_a_closed_window_sends_nothing(closed: Closed) -> None:
    assert earliest(window(3, closed=closed), FRESH_ROW, T0, SETTINGS) is None


def test_a_closed_window_is_probed_once_an_hour() -> None:
    assert probe_at(window(10, closed=Closed.QUOTA, probed_at=T0 - 60), FRESH_ROW, T0, SETTINGS) == T0 + 3540


def test_a_window_that_closed_by_count_is_probed_an_hour_after_the_last_message() -> None:
    assert probe_at(window(10, last_send_at=T0 - 60), FRESH_ROW, T0, SETTINGS) == T0 + 3540


def test_never_opened_and_half_dead_are_not_probed() -> None:
    assert probe_at(windows.fresh(SETTINGS), FRESH_ROW, T0, SETTINGS) is None
    assert probe_at(window(3, closed=Closed.SESSION, probed_at=T0), FRESH_ROW, T0, SETTINGS) is None


@given(
    spent=st.integers(0, 9),
    last=st.floats(-1e6, 1e6),
    penalty=st.none() | st.floats(-1e6, 1e6),
    step=st.integers(1, 5),
    oldest=st.floats(-1e6, 1e6),
    low_only=st.booleans(),
)
def test_a_clock_that_jumps_never_holds_a_channel_longer_than_its_longest_wait(
    spent: int, last: float, penalty: float | None, step: int, oldest: float, low_only: bool
) -> None:
    """Whatever wall times are in the books, an open window sends within twice its longest rest."""
    until = None if penalty is None else T0 + penalty
    w = window(spent, last_send_at=T0 + last, penalty_until=until, penalty_step=step if until else 0)
    due = earliest(w, Waiting(oldest_at=T0 + oldest, low_only=low_only), T0, SETTINGS)
    assert due is not None
    assert due - T0 <= 2 * max(SETTINGS.last_hold, SETTINGS.low_hold, SETTINGS.penalty[-1])


def test_a_clock_that_was_set_back_does_not_rest_until_it_is_there_again() -> None:
    """What lies far ahead of the clock is over: asked again at each moment, a wait from `now` on would never end."""
    day = 86_400.0
    ahead = window(2, last_send_at=T0 + day, penalty_step=1, penalty_until=T0 + day)
    assert earliest(ahead, FRESH_ROW, T0, SETTINGS) == T0
    last = window(9, last_send_at=T0 - 60)
    assert earliest(last, Waiting(oldest_at=T0 + day), T0, SETTINGS) == T0
    assert probe_at(window(10, closed=Closed.QUOTA, probed_at=T0 + day), FRESH_ROW, T0, SETTINGS) == T0


def test_a_clock_that_was_corrected_a_little_shortens_no_penalty() -> None:
    resting = window(2, penalty_step=1, penalty_until=T0 + 31.5)
    assert earliest(resting, FRESH_ROW, T0, SETTINGS) == T0 + 31.5
