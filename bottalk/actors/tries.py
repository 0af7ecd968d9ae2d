"""What a channel's send loop remembers between two tries: messages that are frozen, and texts under suspicion.

All of it is what a restart may forget. Nothing here waits: it says what goes next, and when.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import trio
from msgspec import Struct

from bottalk.actors.line import Line
from bottalk.delivery import digest, pacing, queue, retry
from bottalk.delivery import suspects as suspicion
from bottalk.delivery.digest import Batch
from bottalk.delivery.pacing import Waiting
from bottalk.delivery.suspects import Convict, Suspects
from bottalk.values import Closed, Priority, Row, RowId, Window


@dataclass(slots=True, eq=False)
class Frozen:
    """A message that is tried: the same bytes until iLink accepts or refuses it."""

    batch: Batch
    failures: int = 0
    refusals: int = 0
    """With another number than −2 and −14."""
    maybe_duplicate: bool = False

    @property
    def is_urgent(self) -> bool:
        return any(row.priority is Priority.URGENT for row in self.batch.rows)


class Turn(Struct, frozen=True):
    """What goes next, and in how many seconds (at most 0: now): a frozen message, or one to be made of `rows`."""

    wait: float
    frozen: Frozen | None = None
    rows: Sequence[Row] = ()


class Tries:
    """At most two messages are frozen: one, and an urgent one that goes between its tries."""

    __slots__ = ("_frozen", "_line", "_refusals", "_suspects")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._frozen: list[Frozen] = []
        self._suspects = suspicion.NONE
        self._refusals = 0
        """With another number in a row, of whichever texts, since one was accepted."""

    @property
    def is_retrying(self) -> bool:
        return bool(self._frozen)

    # --- what goes next ---

    def next(self) -> Turn | None:
        """What goes next; None while only news can bring it."""
        outbox = self._line.outbox
        if len(outbox) == 0:
            self._frozen.clear()
            self._suspects = suspicion.NONE
            self._line.heartbeat.retrying_since = None
            return None
        now = self._line.tools.clock.now()
        if self._frozen:
            # of a frozen message a row of which was settled by somebody else, nothing can have arrived
            self._frozen = [f for f in self._frozen if all(row_id in outbox for row_id in f.batch.row_ids)]
        if self._suspects.rows:
            self._suspects = suspicion.still(self._suspects, outbox.__contains__)
        fresh = self._fresh(now)
        if not self._frozen:
            return fresh
        turns = [*self._again(now), *([] if fresh is None else [fresh])]
        return min(turns, key=lambda turn: max(turn.wait, 0.0), default=None)

    def is_firm(self, turn: Turn | None) -> bool:
        """Whether this, the last `next`, stands until its time whatever row joins those that wait.

        What is tried again goes before a row that joins; one that joins may be free of a suspicion, or be the first.
        """
        if self._suspects.rows or len(self._line.outbox) == 0:
            return False
        if self._frozen:
            return True
        window, settings = self._line.channel().window, self._line.tools.config.delivery
        return turn is not None and queue.is_unmoved(turn.rows, window, settings)

    def _again(self, now: float) -> Iterator[Turn]:
        """The frozen ones; the urgent one first."""
        heartbeat = self._line.heartbeat
        for frozen in reversed(self._frozen):
            held = heartbeat.next_try_at if frozen is self._frozen[0] else heartbeat.next_urgent_at
            wait = self._until(Waiting(oldest_at=now, begun=True), held, now)
            if wait is not None:
                yield Turn(wait, frozen)

    def _fresh(self, now: float) -> Turn | None:
        """What was not tried: behind a frozen message only what is urgent goes, unless that is urgent itself."""
        line, frozen = self._line, self._frozen
        if any(one.is_urgent for one in frozen):
            return None
        rows: Sequence[Row] = queue.ready(line.outbox, now)
        held = line.heartbeat.next_try_at
        if frozen:
            tried = frozen[0].batch.row_ids
            rows = [row for row in rows if row.priority is Priority.URGENT and row.id not in tried]
            held = line.heartbeat.next_urgent_at
        if not rows:
            return None
        wait = self._until(queue.waiting(rows, line.channel().window, now, line.tools.style), held, now)
        return None if wait is None else Turn(wait, rows=suspicion.choose(self._suspects, rows))

    def _until(self, waiting: Waiting, held: float, now: float) -> float | None:
        """Seconds until a message may go for what waits; `held` is on trio's clock."""
        line = self._line
        settings, window = line.tools.config.delivery, line.channel().window
        due = pacing.earliest(window, waiting, now, settings)
        if due is None:
            due = pacing.probe_at(window, waiting, now, settings)
        if due is None:
            return None
        return max(due - now, max(held, line.heartbeat.rest_until) - trio.current_time())

    def freeze(self, rows: Sequence[Row]) -> Frozen:
        """The message that goes now, made of the head of these rows."""
        tools, window = self._line.tools, self._line.channel().window
        tail = pacing.tail(window, tools.clock.now(), tools.style)
        frozen = Frozen(digest.compose(rows, tools.style, tail))
        self._frozen.append(frozen)
        return frozen

    def tried(self, trying: Frozen | None = None) -> frozenset[RowId]:
        """Rows that are being sent, or that may have arrived: they are past any other end."""
        mine = [f for f in self._frozen if f is trying or f.maybe_duplicate]
        return frozenset(row_id for frozen in mine for row_id in frozen.batch.row_ids)

    def in_hand(self, trying: Frozen | None = None) -> frozenset[RowId]:
        """As `tried`, and the text of which parts are out: nobody else settles them while the actor runs."""
        return self.tried(trying) | {row.id for row in self._line.outbox if row.parts_sent}

    # --- what came of a try ---

    def accepted(self, frozen: Frozen) -> list[Convict]:
        """Says which rows are given up: others pass, and they do not."""
        self.thaw(frozen)
        self._refusals = 0
        self._line.heartbeat.next_try_at = self._line.heartbeat.next_urgent_at = 0.0
        return self._judged(suspicion.passed(self._suspects, frozen.batch.row_ids, self.tried()))

    def thaw(self, frozen: Frozen) -> None:
        """It was refused: its bytes are free again."""
        if frozen in self._frozen:
            self._frozen.remove(frozen)

    def failed(self, frozen: Frozen, *, uncertain: bool) -> None:
        """The same bytes again, later."""
        frozen.failures += 1
        frozen.maybe_duplicate = frozen.maybe_duplicate or uncertain
        self._pause(frozen, frozen.failures + self._refusals)

    def refused(self, frozen: Frozen, ret: int, before: Window, after: Window) -> list[Convict]:
        """iLink took nothing (−2), and these are the window's books before and after it. Says who is given up."""
        ids = frozen.batch.row_ids
        is_rejected = after.closed is Closed.REJECTED
        if not is_rejected and (after.closed is not None or after.penalty_until is None):
            return []  # quota, age, or a window that is gone: no text is to blame
        is_round = is_rejected and (before.closed is not Closed.REJECTED or not self._suspects.knows(ids))
        return self._judged(suspicion.refused(self._suspects, ids, ret, is_round=is_round))

    def disliked(self, frozen: Frozen, ret: int) -> list[Convict]:
        """iLink answered with another number: the same bytes again, a few times. Says who is given up."""
        frozen.refusals += 1
        self._refusals += 1
        ids = frozen.batch.row_ids
        is_known = self._suspects.knows(ids)
        is_round = not is_known and frozen.refusals >= suspicion.ROUND
        # the first time, another row shows at once whether it is the text or the moment
        is_first = is_round and not self._suspects.rows
        self._pause(frozen, 1 if is_first else frozen.failures + self._refusals)
        if is_known or is_round:
            self.thaw(frozen)
        return self._judged(suspicion.refused(self._suspects, ids, ret, is_round=is_round))

    def _judged(self, judged: tuple[Suspects, list[Convict]]) -> list[Convict]:
        self._suspects, convicts = judged
        return convicts

    def _pause(self, frozen: Frozen, step: int) -> None:
        tools, heartbeat = self._line.tools, self._line.heartbeat
        pause = retry.delay(step, tools.config.delivery.retry, tools.rng)
        until = trio.current_time() + pause
        if frozen is self._frozen[0]:
            heartbeat.next_try_at = until
        if frozen.is_urgent:
            heartbeat.next_urgent_at = until
