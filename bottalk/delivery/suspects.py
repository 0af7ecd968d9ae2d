"""Texts that iLink will not take: found out one by one, so that they block nobody, and never blamed alone.

iLink does not say which text it dislikes, nor whether it is the text at all. So a message that was refused for a whole
round (every rest of a penalty, or ROUND answers with another number) puts its rows under suspicion, and from then on
others go first, alone. A row is given up only while others pass: another one was accepted after its first round, and
then it was refused by itself, for a round or until yet another one was accepted. While nothing passes, nobody is.

Held in memory by whoever sends, since a restart may forget it: the first refused try after it begins a round at once
where the window had been rejected, and otherwise costs one more round.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct, field
from msgspec.structs import replace

from bottalk.values import Row, RowId

ROUND = 5
"""Refusals of one message with another number than −2 and −14, after which it is set aside."""


class Suspicion(Struct, frozen=True, gc=False):
    """What is held against one row. `ret` is iLink's number when it was last refused."""

    ret: int
    turn: int
    """Whose last refusal is longest ago is tried first."""
    others_passed: bool = False
    """Since it came under suspicion."""
    alone: int = 0
    """Refusals by itself since then, or since others passed."""


class Suspects(Struct, frozen=True):
    """The rows under suspicion on one channel, and what their last tries came to."""

    rows: Mapping[RowId, Suspicion] = field(default_factory=dict)
    turn: int = 0
    was_refused: bool = False
    """The last try was: the next one is another row."""
    was_round: bool = False
    """And that was a whole round: the next one is a row alone."""
    group: int | None = None
    """How many of them share a message at most; None: as many as fit."""

    def knows(self, ids: Collection[RowId]) -> bool:
        """Whether all of these are under suspicion."""
        return all(row_id in self.rows for row_id in ids)


NONE = Suspects()
"""As on almost every channel: one for all of them."""


class Convict(Struct, frozen=True, gc=False):
    """A row that iLink will not take, and the number it was refused with."""

    row_id: RowId
    ret: int


def choose(suspects: Suspects, ready: Sequence[Row]) -> Sequence[Row]:
    """The rows of which the next message is made, out of those that may go, which are in the order of delivery.

    After a refusal another row goes, alone, one without suspicion before the others; after a message that passed
    everything is in its order again. Rows under suspicion never share a message with others.
    """
    if not suspects.rows:
        return ready
    under = sorted((row for row in ready if row.id in suspects.rows), key=lambda row: suspects.rows[row.id].turn)
    if not under:
        return ready
    clear = [row for row in ready if row.id not in suspects.rows]
    if clear and suspects.was_refused:
        return clear[:1]
    if clear and ready[0] is clear[0]:
        return list(takewhile(lambda row: row.id not in suspects.rows, ready))
    return under[:1] if suspects.was_round else under[: suspects.group]


def refused(suspects: Suspects, ids: Sequence[RowId], ret: int, *, is_round: bool) -> tuple[Suspects, list[Convict]]:
    """A message of these rows was refused in a way that may be its text's fault; `is_round`: for a whole round.

    Says who is given up.
    """
    if not is_round and not any(row_id in suspects.rows for row_id in ids):
        return suspects, []
    is_alone = len(ids) == 1
    rows, convicts = dict(suspects.rows), []
    for place, row_id in enumerate(ids):
        turn = suspects.turn + (2 if place == 0 else 1)  # the head of a refused message is tried again last
        old = rows.get(row_id)
        if old is None:
            if is_round:
                rows[row_id] = Suspicion(ret, turn)
            continue
        alone = old.alone + is_alone
        if is_alone and old.others_passed and (is_round or alone >= ROUND):
            convicts.append(Convict(row_id, ret))
            del rows[row_id]
        else:
            rows[row_id] = replace(old, ret=ret, turn=turn, alone=alone)
    group = suspects.group if is_round else max(1, len(ids) // 2)
    return _kept(Suspects(rows, suspects.turn + 2, was_refused=True, was_round=is_round, group=group)), convicts


def passed(
    suspects: Suspects, ids: Collection[RowId], in_hand: Collection[RowId] = ()
) -> tuple[Suspects, list[Convict]]:
    """A message of these rows was accepted. Says who is given up: whoever was refused alone between two that passed.

    Not those `in_hand`, which may have arrived: their message is tried again.
    """
    if not suspects.rows:
        return suspects, []
    convicts = [
        Convict(row_id, suspicion.ret)
        for row_id, suspicion in suspects.rows.items()
        if suspicion.others_passed and suspicion.alone and row_id not in ids and row_id not in in_hand
    ]
    over = {*ids, *(convict.row_id for convict in convicts)}
    rows = {
        row_id: old if row_id in in_hand else replace(old, others_passed=True, alone=0)
        for row_id, old in suspects.rows.items()
        if row_id not in over
    }
    group = None if suspects.knows(ids) else suspects.group
    return _kept(Suspects(rows, suspects.turn, group=group)), convicts


def still(suspects: Suspects, waits: Callable[[RowId], bool]) -> Suspects:
    """Without the rows that wait no longer."""
    if all(waits(row_id) for row_id in suspects.rows):
        return suspects
    return _kept(replace(suspects, rows={i: s for i, s in suspects.rows.items() if waits(i)}))


def _kept(suspects: Suspects) -> Suspects:
    return suspects if suspects.rows else NONE
