"""What becomes of rows while they wait: which are over, which may go, and when that changes next."""

from collections.abc import Collection, Iterable, Sequence
from math import inf

from bottalk.config import DeliverySettings
from bottalk.delivery.digest import Style, fills_message
from bottalk.delivery.pacing import Waiting
from bottalk.values import Outcome, Priority, Reason, Row, RowId, RowStatus, Settlement, Window

_RANK = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.LOW: 2}
_BEGUN = -1

LOOK_S = 60.0
"""Seconds after which what waits is looked at again, whatever comes: so that a moved clock is noticed."""

BEGUN_S = 86400.0
"""Seconds that a text of which parts are out is kept past its time: the rest completes what the person has half of."""


def over(rows: Iterable[Row], in_hand: Collection[RowId], now: float) -> list[tuple[Row, Reason]]:
    """The rows that will never go: past their time, or replaced by a newer one of the same key.

    Rows of a batch that was tried (`in_hand`) are past both. A text of which parts are out is past replacing, and gets
    BEGUN_S more.
    """
    found: list[tuple[Row, Reason]] = []
    newest: dict[str, Row] = {}
    for row in rows:
        is_over = ends_at(row) <= now
        if row.replace_key is not None:
            before = newest.get(row.replace_key)
            if before is not None and before.id not in in_hand and not before.parts_sent and ends_at(before) > now:
                found.append((before, Reason.REPLACED))
            newest[row.replace_key] = row
        if is_over and row.id not in in_hand:
            found.append((row, Reason.EXPIRED))
    return found


def ending(row: Row, why: Reason) -> Settlement:
    """How a row ends that will never go; one that may have arrived all the same says so."""
    response = {"maybe_duplicate": True} if row.maybe_duplicate else {}
    return Settlement(row.id, Outcome(RowStatus.FAILED, reason=why), response, row.attempts)


def ready(rows: Iterable[Row], now: float) -> list[Row]:
    """The rows that may go, in the order of delivery: urgent before normal before low, then first come first served.

    `rows` are in the order of acceptance, which counts also where the clock was set back meanwhile. A delayed row takes
    its place when its time comes, as if it were accepted then. A text of which parts are out goes on before anything
    else.
    """
    found: list[tuple[int, float, RowId, Row]] = []
    latest = -inf
    for row in rows:
        latest = max(latest, row.accepted_at)
        if row.not_before is None or row.not_before <= now:
            place = latest if row.not_before is None else max(latest, row.not_before)
            found.append((_BEGUN if row.parts_sent else _RANK[row.priority], place, row.id, row))
    found.sort()  # no two have the same id, so rows are never compared
    return [row for _, _, _, row in found]


def waiting(rows: Sequence[Row], window: Window, now: float, style: Style) -> Waiting:
    """What pacing must know of the rows that may go, in their order."""
    if not rows:
        return Waiting(oldest_at=now)
    low_only = rows[0].priority is Priority.LOW and all(row.priority is Priority.LOW for row in rows)
    return Waiting(
        oldest_at=min(came_at(row) for row in rows if low_only or row.priority is not Priority.LOW),
        urgent=any(row.priority is Priority.URGENT for row in rows),
        low_only=low_only,
        begun=rows[0].parts_sent > 0,
        # only the last message of a window is kept for more
        fills_message=window.spent == style.settings.quota - 1 and fills_message(rows, style),
    )


def only_joins(row: Row) -> bool:
    """Whether this new row changes nothing for those that wait already: it hurries nobody, replaces nobody, and is not
    over before the next look."""
    is_plain = row.replace_key is None and row.not_before is None and row.expires_at - row.accepted_at >= LOOK_S
    return is_plain and row.priority is not Priority.URGENT


def is_unmoved(rows: Sequence[Row], window: Window, settings: DeliverySettings) -> bool:
    """Whether the turn of these rows, which may go, stays where it is when one that only joins is added.

    Where all of them are `low` it could end their wait, and it could fill the last message of a window.
    """
    return bool(rows) and rows[0].priority is not Priority.LOW and window.spent != settings.quota - 1


def ends_at(row: Row) -> float:
    """The wall time at which a waiting row is over."""
    return row.expires_at + BEGUN_S if row.parts_sent else row.expires_at


def came_at(row: Row) -> float:
    """When the row took its place, wall time."""
    return row.accepted_at if row.not_before is None else max(row.accepted_at, row.not_before)


def next_change(rows: Iterable[Row], now: float) -> float | None:
    """The wall time at which a waiting row's time comes or is over; None when none waits for that.

    Of rows past their time only those still wait whose message may have arrived: nothing changes for them.
    """
    times = (row.not_before if row.not_before is not None and row.not_before > now else ends_at(row) for row in rows)
    return min((time for time in times if time > now), default=None)
