"""Texts that iLink will not take: nobody is blocked by one, and nobody is blamed while nothing passes."""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from bottalk.delivery.suspects import NONE, ROUND, Convict, Suspects, choose, passed, refused, still
from bottalk.values import ChannelId, PushId, Row, RowId

T0 = 1_790_000_000.0
AT_ONCE = 8
"""Rows that fit one message here."""


def row(number: int) -> Row:
    return Row(RowId(number), PushId(number), ChannelId(1), f"{number}", "", T0 + number, T0 + 1e6)


def rows(*numbers: int) -> list[Row]:
    return [row(number) for number in numbers]


def ids(*numbers: int) -> list[RowId]:
    return [RowId(number) for number in numbers]


def chosen(suspects: Suspects, *ready: int) -> list[int]:
    return [row.id for row in choose(suspects, rows(*ready))]


def a_round(*numbers: int, suspects: Suspects = NONE) -> Suspects:
    found, convicts = refused(suspects, ids(*numbers), -1, is_round=True)
    assert convicts == []
    return found


def test_without_suspicion_everything_goes_in_its_order_and_one_refusal_is_none() -> None:
    assert chosen(NONE, 3, 1, 2) == [3, 1, 2]
    assert refused(NONE, ids(1, 2), -2, is_round=False) == (NONE, [])
    assert passed(NONE, ids(1)) == (NONE, [])


def test_after_a_round_another_row_goes_alone() -> None:
    assert chosen(a_round(1), 1, 2, 3) == [2]
    assert chosen(a_round(1, 2, 3), 1, 2, 3) == [2], "one of the refused message, not the one that headed it"
    assert chosen(a_round(1), 1) == [1], "nothing else waits"


def test_a_row_that_is_refused_alone_between_two_that_pass_is_given_up() -> None:
    suspects, convicts = passed(a_round(1), ids(2))
    assert convicts == []
    assert chosen(suspects, 1, 3) == [1], "in its order again"
    suspects, convicts = refused(suspects, ids(1), -3, is_round=False)
    assert convicts == []
    assert chosen(suspects, 1, 3) == [3]
    assert passed(suspects, ids(3)) == (NONE, [Convict(RowId(1), -3)])


def test_what_may_have_arrived_is_not_given_up() -> None:
    suspects, _ = passed(a_round(1), ids(2))
    suspects, _ = refused(suspects, ids(1), -3, is_round=False)
    after, convicts = passed(suspects, ids(3), ids(1))
    assert (after.rows, convicts) == (suspects.rows, [])


def test_refused_alone_for_a_second_round_it_is_given_up_if_another_passed() -> None:
    suspects, _ = passed(a_round(1), ids(2))
    for _ in range(ROUND - 1):
        suspects, convicts = refused(suspects, ids(1), -1, is_round=False)
        assert convicts == []
    assert refused(suspects, ids(1), -1, is_round=False) == (NONE, [Convict(RowId(1), -1)])


def test_while_nothing_passes_nobody_is_given_up_and_each_has_its_turn() -> None:
    suspects, turns = a_round(1, 2, 3), []
    for n in range(60):
        (row_id,) = chosen(suspects, 1, 2, 3)
        turns.append(row_id)
        suspects, convicts = refused(suspects, ids(row_id), -1, is_round=n % 7 == 0)
        assert convicts == []
    assert {turns.count(n) for n in (1, 2, 3)} == {20}


def test_refusals_before_anything_passed_do_not_count() -> None:
    suspects = a_round(1)
    for _ in range(3):
        suspects, _ = refused(suspects, ids(1), -1, is_round=False)
    suspects, convicts = passed(suspects, ids(2))
    assert convicts == []
    suspects, convicts = passed(suspects, ids(3))
    assert convicts == []


def test_what_passes_is_free_of_suspicion_and_so_is_what_waits_no_longer() -> None:
    suspects, _ = passed(a_round(1, 2), ids(2))
    assert set(suspects.rows) == {1}
    assert still(suspects, lambda row_id: row_id == 1) is suspects
    assert still(suspects, lambda row_id: False) is NONE


def test_a_digest_that_was_refused_for_another_reason_goes_as_one_again() -> None:
    """A real penalty outlasted its ladder: after one row that passed, the others go together."""
    suspects, _ = passed(a_round(1, 2, 3, 4), ids(2))
    assert chosen(suspects, 1, 3, 4) == [3, 4, 1]


def test_rows_under_suspicion_never_share_a_message_with_others() -> None:
    suspects, _ = passed(a_round(2, 3, suspects=a_round(2)), ids(9))
    assert chosen(suspects, 1, 2, 3, 4) == [1]
    assert chosen(suspects, 2, 3, 4) == [3, 2]


class Play:
    """A channel's queue against an iLink that dislikes some texts. `is_burst`: it says so as a refused burst."""

    def __init__(self, bad: set[int], *, is_burst: bool) -> None:
        self.bad, self.is_burst = bad, is_burst
        self.waiting: list[Row] = []
        self.delivered: list[int] = []
        self.failed: list[int] = []
        self.suspects = NONE
        self.frozen: list[RowId] = []
        self.refusals = 0
        self.steps = 0

    def turn(self, takes: Callable[[Sequence[RowId]], bool]) -> None:
        """One try, as the send loop makes it."""
        if not self.frozen:
            self.refusals = 0
            self.frozen = [row.id for row in choose(self.suspects, self.waiting)[:AT_ONCE]]
        ids = self.frozen
        if takes(ids):
            self.delivered += ids
            self.waiting = [row for row in self.waiting if row.id not in ids]
            self.frozen, self.steps = [], 0
            self.suspects, convicts = passed(self.suspects, ids)
        else:
            self.refusals += 1
            self.steps += 1
            is_known = self.suspects.knows(ids)
            is_round = self.steps % 6 == 0 if self.is_burst else (not is_known and self.refusals >= ROUND)
            if self.is_burst or is_known or is_round:
                self.frozen = []
            self.suspects, convicts = refused(self.suspects, ids, -1, is_round=is_round)
        self.failed += [convict.row_id for convict in convicts]
        self.waiting = [row for row in self.waiting if row.id not in self.failed]
        self.suspects = still(self.suspects, lambda row_id: any(row.id == row_id for row in self.waiting))


@given(
    st.lists(st.booleans(), min_size=1, max_size=20),
    st.lists(st.integers(0, 30), max_size=20),
    st.booleans(),
)
def test_every_good_text_passes_and_every_bad_one_is_given_up(
    are_bad: list[bool], arrivals: list[int], is_burst: bool
) -> None:
    """The rows arrive some tries apart. At the end one more good text comes now and then, so that others pass."""
    play = Play({n for n, is_bad in enumerate(are_bad, 1) if is_bad}, is_burst=is_burst)
    good = set(range(1, len(are_bad) + 1)) - play.bad
    for n in range(1, len(are_bad) + 1):
        play.waiting.append(row(n))
        for _ in range(arrivals[n - 1] if n <= len(arrivals) else 0):
            if play.waiting:
                play.turn(lambda ids: not play.bad.intersection(ids))
        assert not good.intersection(play.failed)
    for extra in range(1000, 1300):
        if extra % 3 == 0:
            play.waiting.append(row(extra))
        for _ in range(6):
            if play.waiting:
                play.turn(lambda ids: not play.bad.intersection(ids))
    assert sorted(play.failed) == sorted(play.bad)
    assert good <= set(play.delivered)
    assert len(play.delivered) == len(set(play.delivered))


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(1, 12), st.booleans())
def test_nobody_is_given_up_unless_another_passed_since_its_first_round(
    answers: list[bool], count: int, is_burst: bool
) -> None:
    """Whatever iLink answers, and in which order."""
    play = Play(set(), is_burst=is_burst)
    play.waiting = rows(*range(1, count + 1))
    passes_since: dict[RowId, int] = {}
    for answer in answers:
        if not play.waiting:
            break
        before = set(play.failed)
        play.turn(lambda ids, answer=answer: answer)  # type: ignore[misc] # a default binds it now
        if answer:
            passes_since = {row_id: n + 1 for row_id, n in passes_since.items()}
        for row_id in play.suspects.rows:
            passes_since.setdefault(row_id, 0)
        for number in set(play.failed) - before:
            assert passes_since[RowId(number)] >= 1
    assert sorted([*play.delivered, *play.failed, *(row.id for row in play.waiting)]) == list(range(1, count + 1))


@given(st.integers(1, 40), st.integers(0, 39), st.booleans())
def test_one_bad_text_costs_the_others_little(count: int, place: int, is_burst: bool) -> None:
    bad = place % count + 1
    play = Play({bad}, is_burst=is_burst)
    play.waiting = rows(*range(1, count + 1))
    tries = 0
    while len(play.delivered) < count - 1:
        play.turn(lambda ids: bad not in ids)
        tries += 1
        assert tries <= 60
