"""An outbox holds few texts, whatever waits."""

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.config import Config
from bottalk.directory import Directory
from bottalk.outbox import CHARACTERS, TEXTS, Outbox, Outboxes
from bottalk.values import ChannelId, Outcome, Priority, PushId, Row, RowId, RowStatus, Secret
from bottalk.verbs.draft import Draft, Pictures

DONE = Outcome(RowStatus.SUCCESS)


def a_row(row_id: int, text: str = "正文") -> Row:
    return Row(
        id=RowId(row_id),
        push_id=PushId(row_id),
        channel_id=ChannelId(1),
        title="题",
        text=text,
        accepted_at=float(row_id),
        expires_at=100.0,
        priority=Priority.URGENT,
        replace_key="k",
        readkey=Secret("r"),
    )


def heavy(outbox: Outbox) -> list[int]:
    return [row.id for row in outbox if not row.is_light]


def test_a_light_row_has_all_but_its_texts() -> None:
    row = a_row(7, "x" * 100)
    light = row.light()
    assert (light.title, light.text, light.readkey) == ("", "", None)
    assert (light.is_light, light.characters, row.characters) == (True, 101, 101)
    assert light.filled(row.title, row.text, Secret("r")) == row


def test_the_first_rows_keep_their_texts() -> None:
    outbox = Outbox()
    for n in range(1, 501):
        outbox.add(a_row(n), None)
    assert heavy(outbox) == list(range(1, TEXTS + 1))
    assert [row.id for row in outbox] == list(range(1, 501)), "none is lost, in order"
    for n in range(1, 11):
        outbox.settle(RowId(n), DONE)
    outbox.add(a_row(501), None)
    assert heavy(outbox) == [*range(11, TEXTS + 1), 501], "what left makes room"


def test_a_text_that_is_too_long_is_left_out() -> None:
    outbox = Outbox()
    outbox.add(a_row(1, "x" * CHARACTERS), None)
    outbox.add(a_row(2), None)
    assert heavy(outbox) == [2]


def test_a_row_put_anew_stays_within_the_bound() -> None:
    outbox = Outbox()
    for n in range(1, TEXTS + 2):
        outbox.add(a_row(n), None)
    outbox.replace(replace(a_row(TEXTS + 1), attempts=1))
    found = outbox.get(RowId(TEXTS + 1))
    assert found is not None
    assert (found.is_light, found.attempts) == (True, 1)
    outbox.replace(a_row(999))
    assert RowId(999) not in outbox


changes = st.lists(
    st.tuples(st.sampled_from(["add", "add", "add", "replace", "settle"]), st.integers(0, 80), st.integers(0, 6000)),
    max_size=200,
)


@given(changes)
def test_the_bound_holds_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    outbox, next_id = Outbox(), 1
    for what, n, size in steps:
        if what == "add":
            outbox.add(a_row(next_id, "x" * size), None)
            next_id += 1
        elif what == "replace":
            outbox.replace(a_row(n, "x" * size))
        else:
            outbox.settle(RowId(n), DONE)
        full = [row for row in outbox if not row.is_light]
        assert len(full) <= TEXTS
        assert sum(row.characters for row in full) <= CHARACTERS
    for row in list(outbox):
        outbox.settle(row.id, DONE)
    outbox.add(a_row(9999, "x" * (CHARACTERS - 1)), None)
    assert heavy(outbox) == [9999], "an empty outbox has all its room again"


class Looked(Outboxes):
    """Somebody looks through them all meanwhile: none may be added."""

    def of(self, channel_id: ChannelId) -> Outbox:
        raise AssertionError(f"an outbox for channel {channel_id} was made in the writer's thread")


def test_a_verb_makes_no_outbox() -> None:
    """It runs in the writer's thread, while pages and metrics look through them all."""
    nobodys = ChannelId(7)
    with closing(sqlite3.connect(":memory:")) as connection:
        draft = Draft(connection, Pictures(Directory(), Looked()), Config(), 0.0, 1)
        assert draft.in_hand(nobodys) == frozenset()
        assert draft.waiting_row(nobodys, RowId(1)) is None
        assert (draft.waiting_rows(nobodys), draft.queue_length(nobodys)) == ([], 0)


def test_only_a_row_that_joins_lets_the_sender_rest() -> None:
    outbox = Outbox()
    joining = replace(a_row(2), priority=Priority.NORMAL, replace_key=None)
    outbox.add(a_row(1), None)
    assert outbox.is_news(joining), "nobody rests"
    outbox.is_resting = True
    assert not outbox.is_news(joining)
    assert outbox.is_news(a_row(2)), "it is urgent"
    outbox.settle(RowId(1), DONE)
    assert outbox.is_news(joining), "it is the first"
