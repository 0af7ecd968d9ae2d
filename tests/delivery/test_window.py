"""The window: a forecast that iLink's every answer corrects."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.delivery.pacing import Waiting, probe_at
from bottalk.delivery.window import State
from bottalk.values import Closed, Window

SETTINGS = DeliverySettings()
HOUR = 3600.0
T0 = 1_790_000_000.0


def opened(**changes: object) -> Window:
    return replace(windows.opened(windows.fresh(SETTINGS), T0), **changes)


def refuse(window: Window, now: float) -> Window:
    return windows.refused(window, now, began_epoch=window.epoch, settings=SETTINGS)


def accept(window: Window, now: float, *, confirmed: bool = True) -> Window:
    """A message that begins and is accepted at `now`."""
    is_probe = windows.closed_by(window, now, SETTINGS) is not None
    return windows.accepted(window, now, confirmed=confirmed, settings=SETTINGS, is_probe=is_probe)


def test_a_new_binding_was_never_opened() -> None:
    window = windows.fresh(SETTINGS)
    assert windows.state(window, T0, SETTINGS) is State.NEVER_OPENED
    assert windows.left(window, T0, SETTINGS) == 0
    assert windows.closes_at(window) is None


def test_a_word_of_the_user_opens_ten_messages_for_a_day() -> None:
    window = opened()
    assert windows.state(window, T0, SETTINGS) is State.OPEN
    assert windows.left(window, T0, SETTINGS) == 10
    assert windows.closes_at(window) == T0 + 24 * HOUR


def test_ten_accepted_messages_close_it_and_the_next_word_opens_it_again() -> None:
    window = opened()
    for n in range(10):
        assert windows.left(window, T0 + n, SETTINGS) == 10 - n
        window = accept(window, T0 + n)
    assert windows.closed_by(window, T0 + 10, SETTINGS) is Closed.QUOTA
    assert windows.left(windows.opened(window, T0 + 11), T0 + 11, SETTINGS) == 10


def test_it_closes_by_age_at_the_configured_life_and_not_before() -> None:
    window = opened()
    assert windows.state(window, T0 + 24 * HOUR - 1, SETTINGS) is State.OPEN
    assert windows.closed_by(window, T0 + 24 * HOUR, SETTINGS) is Closed.AGE


def test_a_refusal_of_an_old_window_is_its_age_and_teaches_a_shorter_life() -> None:
    window = accept(opened(), T0 + 11 * HOUR)
    window = refuse(window, T0 + 15 * HOUR)
    assert window.closed is Closed.AGE
    assert window.life == 11 * HOUR
    again = windows.opened(window, T0 + 20 * HOUR)
    assert windows.closes_at(again) == T0 + 31 * HOUR


def test_the_learned_life_is_never_under_eight_hours() -> None:
    assert refuse(accept(opened(), T0 + HOUR), T0 + 9 * HOUR).life == 8 * HOUR


def test_a_refusal_at_the_configured_life_teaches_nothing() -> None:
    window = refuse(accept(opened(), T0 + HOUR), T0 + 25 * HOUR)
    assert window.closed is Closed.AGE
    assert window.life == 24 * HOUR


def test_a_success_at_a_greater_age_lengthens_the_life_again() -> None:
    window = accept(opened(life=8 * HOUR), T0 + 12 * HOUR)
    assert window.life == 12 * HOUR


def test_a_refusal_of_a_young_window_is_a_burst_and_rests_longer_each_time_then_closes() -> None:
    window, now = opened(), T0 + 60
    for rest in (30, 120, 420, 1320, 4920):
        window = refuse(window, now)
        assert window.penalty_until == now + rest
        assert window.closed is None
        now += rest
    window = refuse(window, now)
    assert window.closed is Closed.REJECTED


def test_an_accepted_message_ends_the_penalty() -> None:
    window = accept(refuse(opened(), T0 + 1), T0 + 31)
    assert window.penalty_until is None
    assert window.penalty_step == 0


def test_a_refusal_of_a_send_that_began_before_the_last_word_closes_nothing() -> None:
    before = opened()
    after = windows.opened(before, T0 + 5)
    judged = windows.refused(after, T0 + 6, began_epoch=before.epoch, settings=SETTINGS)
    assert windows.state(judged, T0 + 6, SETTINGS) is State.OPEN
    assert judged.penalty_until is None


def test_an_accepted_probe_shows_an_opening_that_was_missed() -> None:
    closed = refuse(opened(spent=10), T0 + HOUR)
    assert closed.closed is Closed.QUOTA
    window = accept(closed, T0 + 5 * HOUR)
    assert windows.state(window, T0 + 5 * HOUR, SETTINGS) is State.OPEN
    assert windows.left(window, T0 + 5 * HOUR, SETTINGS) == 9
    assert window.opened_at == T0 + 4 * HOUR
    assert window.life == closed.life


def test_a_send_that_began_before_the_closing_is_no_probe() -> None:
    """The window closed by its age while the message was under way: no inbound message was lost."""
    last = windows.accepted(opened(), T0 + 24 * HOUR + 1, confirmed=True, settings=SETTINGS)
    assert (last.epoch, last.spent, last.opened_at) == (1, 1, T0)
    assert windows.closed_by(last, T0 + 24 * HOUR + 1, SETTINGS) is Closed.AGE


def test_a_probe_that_is_accepted_after_the_users_word_is_one_message_of_the_new_window() -> None:
    closed = refuse(opened(spent=10), T0 + HOUR)
    again = windows.opened(closed, T0 + 5 * HOUR)
    window = windows.accepted(again, T0 + 5 * HOUR + 1, confirmed=True, settings=SETTINGS, is_probe=True)
    assert (window.epoch, window.spent, window.opened_at) == (2, 1, T0 + 5 * HOUR)


@given(st.sampled_from([Closed.QUOTA, Closed.AGE, Closed.REJECTED]), st.floats(0, 100 * HOUR), st.booleans())
def test_an_accepted_probe_teaches_no_life(closed: Closed, pause: float, is_confirmed: bool) -> None:
    before = opened(closed=closed, closed_at=T0 + HOUR, probed_at=T0 + HOUR, life=9 * HOUR, worked_age=3 * HOUR)
    now = T0 + HOUR + pause
    window = accept(before, now, confirmed=is_confirmed)
    assert (window.epoch, window.spent, window.opened_at) == (2, 1, now - HOUR)
    assert (window.life, window.worked_age) == (9 * HOUR, 3 * HOUR)
    assert windows.left(window, now, SETTINGS) == 9


def test_a_probe_that_came_to_nothing_counts_as_one() -> None:
    closed = windows.probed(opened(spent=10), T0 + 2 * HOUR)
    due = probe_at(closed, Waiting(oldest_at=T0), T0 + 2 * HOUR, SETTINGS)
    assert due == T0 + 3 * HOUR


def test_a_half_death_belongs_to_the_epoch_in_which_its_send_began() -> None:
    before = opened()
    after = windows.opened(before, T0 + 5)
    assert windows.session_closed(before, T0 + 6, began_epoch=1).closed is Closed.SESSION
    assert windows.session_closed(after, T0 + 6, began_epoch=1) == after


@given(st.integers(0, 144_000), st.integers(0, 12), st.integers(0, 108_000), st.integers(28_800, 86_400))
def test_which_refusal_it_is(age: int, spent: int, worked: int, life: int) -> None:
    """In this order: spent, age, else a burst; only an age teaches, and never less than 8 hours."""
    before = opened(spent=spent, worked_age=min(worked, life), life=life)
    after = refuse(before, T0 + age)
    if spent >= 10:
        expected = Closed.QUOTA
    elif age >= life or (age >= 8 * HOUR and age > before.worked_age):
        expected = Closed.AGE
    else:
        expected = None
        assert after.penalty_until == T0 + age + 30
    assert after.closed is expected
    if expected is Closed.AGE and age < 24 * HOUR:
        assert after.life == min(life, max(8 * HOUR, before.worked_age))
    else:
        assert after.life == life


@given(st.integers(0, 144_000), st.integers(0, 12))
def test_a_rate_limit_that_says_so_is_a_burst_at_any_age(age: int, spent: int) -> None:
    before = opened(spent=spent, life=9 * HOUR)
    after = windows.refused(before, T0 + age, began_epoch=1, settings=SETTINGS, is_burst=True)
    expected = Closed.QUOTA if spent >= 10 else Closed.AGE if age >= SETTINGS.life else None
    assert (after.closed, after.life) == (expected, 9 * HOUR)
    assert (after.penalty_until is None) is (expected is not None)


@given(st.lists(st.booleans(), max_size=12))
def test_three_in_a_row_without_an_id_are_suspected_until_one_has_one_or_the_user_writes(ids: list[bool]) -> None:
    window, in_a_row = accept(opened(), T0), 0
    for n, has_id in enumerate(ids):
        window = accept(window, T0 + n, confirmed=has_id) if window.spent < 10 else windows.opened(window, T0 + n)
        in_a_row = 0 if has_id or window.spent == 0 else in_a_row + 1
        assert window.unconfirmed == in_a_row


def test_sends_without_an_id_are_suspicious_only_where_ids_used_to_come() -> None:
    never = accept(accept(opened(), T0, confirmed=False), T0 + 1, confirmed=False)
    assert never.unconfirmed == 0
    used_to = accept(accept(opened(), T0), T0 + 1, confirmed=False)
    assert used_to.unconfirmed == 1
    assert accept(used_to, T0 + 2).unconfirmed == 0


def test_a_rebind_keeps_what_was_learned_and_nothing_else() -> None:
    old = replace(accept(opened(life=9 * HOUR), T0 + 10 * HOUR), closed=Closed.SESSION, closed_at=T0, penalty_step=2)
    assert windows.fresh(SETTINGS, old) == Window(life=10 * HOUR, worked_age=10 * HOUR, gives_ids=True)
    assert windows.fresh(SETTINGS, replace(old, life=2 * SETTINGS.life)).life == SETTINGS.life


def test_after_a_rebind_an_age_that_has_worked_is_no_age_yet() -> None:
    old = accept(opened(), T0 + 20 * HOUR)
    rebound = windows.opened(windows.fresh(SETTINGS, old), T0 + 30 * HOUR)
    assert refuse(rebound, T0 + 39 * HOUR).closed is None


def test_after_a_rebind_a_silent_drop_is_suspected_as_before() -> None:
    rebound = windows.opened(windows.fresh(SETTINGS, accept(opened(), T0)), T0 + 60)
    assert accept(rebound, T0 + 61, confirmed=False).unconfirmed == 1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["word", "accepted", "unconfirmed", "uncertain", "refused", "late", "session"]),
        st.floats(min_value=0, max_value=30 * HOUR),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens_the_books_stay_sane(events: list[tuple[str, float]]) -> None:
    window, now = windows.fresh(SETTINGS), T0
    for event, pause in events:
        now += pause
        before = window
        match event:
            case "word":
                window = windows.opened(window, now)
                assert windows.left(window, now, SETTINGS) == SETTINGS.quota
            case "accepted" | "unconfirmed":
                window = accept(window, now, confirmed=event == "accepted") if window.epoch else window
            case "uncertain":
                window = windows.uncertain(window, now)
            case "refused":
                window = refuse(window, now)
            case "late":
                window = windows.refused(window, now, began_epoch=window.epoch - 1, settings=SETTINGS)
                assert window.closed == before.closed
            case "session":
                window = windows.session_closed(window, now, began_epoch=window.epoch)
        assert windows.AGE_FLOOR <= window.life <= SETTINGS.life
        assert 0 <= windows.left(window, now, SETTINGS) <= SETTINGS.quota
        assert window.epoch >= before.epoch
        assert (window.penalty_until is None) or window.penalty_step >= 1
        assert windows.state(window, now, SETTINGS) is not State.OPEN or windows.left(window, now, SETTINGS) > 0
