"""Rows while they wait: over, ready, next change."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import pacing, queue
from bottalk.delivery import window as windows
from bottalk.delivery.digest import Style
from bottalk.delivery.pacing import Waiting
from bottalk.values import ChannelId, Closed, Priority, PushId, Reason, Row, RowId, Window

T0 = 1_790_000_000.0
STYLE = Style(DeliverySettings(), ZoneInfo("Asia/Shanghai"))


def row(
    number: int,
    *,
    priority: Priority = Priority.NORMAL,
    not_before: float | None = None,
    key: str | None = None,
    expires: float = 1e6,
    parts: int = 0,
) -> Row:
    at = T0 + number
    return Row(
        RowId(number), PushId(number), ChannelId(1), "x", "", at, T0 + expires, priority, not_before, key,
        parts_sent=parts,
    )  # fmt: skip


def test_urgent_goes_before_normal_before_low_and_each_first_come_first_served() -> None:
    rows = [
        row(1, priority=Priority.LOW),
        row(2),
        row(3, priority=Priority.URGENT),
        row(4),
        row(5, priority=Priority.URGENT),
    ]
    assert [r.id for r in queue.ready(rows, T0 + 10)] == [3, 5, 2, 4, 1]


def test_a_delayed_row_takes_its_place_when_its_time_comes() -> None:
    rows = [row(1, not_before=T0 + 5.5), row(2), row(6)]
    assert [r.id for r in queue.ready(rows, T0 + 5)] == [2, 6]
    assert [r.id for r in queue.ready(rows, T0 + 10)] == [2, 1, 6]
    assert queue.next_change(rows, T0 + 5) == T0 + 5.5


def test_nobody_overtakes_because_the_clock_was_set_back() -> None:
    rows = [row(1), replace(row(2), accepted_at=T0 - 86_400), replace(row(3), accepted_at=T0 - 86_390)]
    assert [r.id for r in queue.ready(rows, T0 - 86_000)] == [1, 2, 3]


def test_a_row_past_its_time_is_over_unless_it_was_tried() -> None:
    rows = [row(1, expires=50), row(2, expires=70)]
    assert queue.over(rows, (), T0 + 60) == [(rows[0], Reason.EXPIRED)]
    assert queue.over(rows, {RowId(1)}, T0 + 60) == []
    assert queue.next_change(rows, T0) == T0 + 50


def test_a_text_of_which_parts_are_out_goes_on_first_and_is_past_replacing() -> None:
    rows = [row(1, key="a"), row(2, key="a", parts=2, expires=50), row(3, key="a"), row(4, priority=Priority.URGENT)]
    assert [r.id for r in queue.ready(rows, T0 + 10)] == [2, 4, 1, 3]
    assert queue.over(rows, (), T0 + 60) == [(rows[0], Reason.REPLACED)]
    assert queue.next_change(rows[1:2], T0) == T0 + 50 + queue.BEGUN_S
    assert queue.over(rows[1:2], (), T0 + 50 + queue.BEGUN_S) == [(rows[1], Reason.EXPIRED)], "not for ever"


def waiting(rows: list[Row], spent: int = 0) -> Waiting:
    window = replace(windows.opened(windows.fresh(STYLE.settings), T0), spent=spent)
    return queue.waiting(queue.ready(rows, T0 + 100), window, T0 + 100, STYLE)


def test_what_pacing_hears_of_the_queue() -> None:
    assert waiting([]) == Waiting(oldest_at=T0 + 100)
    low = row(1, priority=Priority.LOW)
    assert waiting([low, row(2), row(3, not_before=T0 + 200)]) == Waiting(oldest_at=T0 + 2)
    assert waiting([low, row(5, priority=Priority.LOW)]) == Waiting(oldest_at=T0 + 1, low_only=True)
    assert waiting([row(1, not_before=T0 + 90)]) == Waiting(oldest_at=T0 + 90)
    assert waiting([row(1), row(2, priority=Priority.URGENT)]) == Waiting(oldest_at=T0 + 1, urgent=True)
    assert waiting([row(1, parts=1), row(2)]) == Waiting(oldest_at=T0 + 1, begun=True)


def test_whether_it_fills_a_message_is_asked_for_the_last_one() -> None:
    rows = [replace(row(n), text=f"{n}" + "字" * 400) for n in range(6)]
    assert not waiting(rows, spent=8).fills_message
    assert waiting(rows, spent=9).fills_message
    assert not waiting(rows[:2], spent=9).fills_message


def test_a_row_that_is_kept_past_its_time_changes_no_more() -> None:
    """It was tried and may have arrived: looked at again and again, it would keep its actor busy until the next try."""
    rows = [row(1, expires=50), row(2, expires=70)]
    assert queue.next_change(rows, T0 + 60) == T0 + 70
    assert queue.next_change(rows[:1], T0 + 60) is None


def test_a_newer_row_of_the_same_key_replaces_the_older_ones() -> None:
    rows = [row(1, key="a"), row(2, key="b"), row(3, key="a"), row(4), row(5, key="a")]
    assert queue.over(rows, (), T0 + 9) == [(rows[0], Reason.REPLACED), (rows[2], Reason.REPLACED)]
    assert queue.over(rows, {RowId(1)}, T0 + 9) == [(rows[2], Reason.REPLACED)]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(list(Priority)),
        st.none() | st.floats(-50, 50),
        st.none() | st.sampled_from("ab"),
        st.floats(-50, 50),
    ),
    max_size=20,
)


@given(ROWS, st.floats(-60, 60))
def test_each_row_is_over_at_most_once_and_one_of_each_key_stays(
    given_rows: list[tuple[Priority, float | None, str | None, float]], offset: float
) -> None:
    rows = [
        row(n, priority=p, not_before=None if d is None else T0 + d, key=k, expires=e)
        for n, (p, d, k, e) in enumerate(given_rows, 1)
    ]
    now = T0 + offset
    over = [r.id for r, _ in queue.over(rows, (), now)]
    assert len(over) == len(set(over))
    rest = [r for r in rows if r.id not in over]
    assert all(r.expires_at > now for r in rest)
    keys = [r.replace_key for r in rest if r.replace_key is not None]
    assert len(keys) == len(set(keys))
    assert {r.id for r in queue.ready(rows, now)} == {r.id for r in rows if (r.not_before or 0) <= now}


WINDOWS = st.builds(
    Window,
    life=st.just(86_400.0),
    epoch=st.integers(0, 2),
    opened_at=st.just(T0),
    spent=st.integers(0, 10),
    closed=st.none() | st.sampled_from(Closed),
    closed_at=st.none() | st.just(T0 - 10),
    last_send_at=st.none() | st.floats(T0 - 50, T0 + 50),
    penalty_step=st.just(1),
    penalty_until=st.none() | st.floats(T0 - 50, T0 + 900),
)


@given(ROWS, st.sampled_from([Priority.NORMAL, Priority.LOW]), WINDOWS, st.floats(0, 60))
def test_a_row_that_only_joins_moves_no_turn(
    given_rows: list[tuple[Priority, float | None, str | None, float]],
    priority: Priority,
    window: Window,
    offset: float,
) -> None:
    now, joining, settings = T0 + offset, row(50, priority=priority, expires=1e4), STYLE.settings
    assert queue.only_joins(joining)
    rows = [row(n, priority=p, key=k, expires=100 + e) for n, (p, _, k, e) in enumerate(given_rows, 1)]

    def turn(rows: list[Row]) -> tuple[float | None, float | None]:
        waiting = queue.waiting(queue.ready(rows, now), window, now, STYLE)
        return pacing.earliest(window, waiting, now, settings), pacing.probe_at(window, waiting, now, settings)

    assert queue.over([*rows, joining], (), now) == queue.over(rows, (), now)
    if queue.is_unmoved(queue.ready(rows, now), window, settings):
        assert turn([*rows, joining]) == turn(rows)


def test_a_row_that_joins_moves_the_turn_of_low_ones_and_of_none() -> None:
    open_window = Window(life=86_400.0, epoch=1, opened_at=T0)
    last = replace(open_window, spent=STYLE.settings.quota - 1)
    assert not queue.is_unmoved([], open_window, STYLE.settings)
    assert not queue.is_unmoved([row(1, priority=Priority.LOW)], open_window, STYLE.settings)
    assert not queue.is_unmoved([row(1)], last, STYLE.settings)
    assert queue.is_unmoved([row(1)], open_window, STYLE.settings)


def test_a_row_that_hurries_replaces_or_ends_soon_does_more_than_join() -> None:
    others = [row(1, priority=Priority.URGENT), row(1, key="k"), row(1, not_before=T0 + 5), row(1, expires=30)]
    assert not any(queue.only_joins(one) for one in others)
