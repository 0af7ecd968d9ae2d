"""What becomes of rows while they wait: which are over, which may go, and when that changes next."""

from collections.abc import Collection, Iterable

from bottalk.delivery.pacing import Waiting
from bottalk.values import Priority, Reason, Row, RowId

_RANK = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.LOW: 2}


def over(rows: Iterable[Row], in_hand: Collection[RowId], now: float) -> list[tuple[Row, Reason]]:
    """The rows that will never go: past their time, or replaced by a newer one of the same key.

    Rows of a batch that was tried (`in_hand`) are past both.
    """
    found: list[tuple[Row, Reason]] = []
    newest: dict[str, Row] = {}
    for row in rows:
        if row.replace_key is not None:
            before = newest.get(row.replace_key)
            if before is not None and before.id not in in_hand and before.expires_at > now:
                found.append((before, Reason.REPLACED))
            newest[row.replace_key] = row
        if row.expires_at <= now and row.id not in in_hand:
            found.append((row, Reason.EXPIRED))
    return found


def ready(rows: Iterable[Row], now: float) -> list[Row]:
    """The rows that may go, in the order of delivery: urgent before normal before low, then first come first served.

    A delayed row takes its place when its time comes, as if it were accepted then.
    """
    found = [row for row in rows if row.not_before is None or row.not_before <= now]
    if len(found) > 1:
        found.sort(key=lambda row: (_RANK[row.priority], came_at(row), row.id))
    return found


def waiting(rows: Collection[Row], now: float) -> Waiting:
    """What pacing must know of the rows that may go."""
    return Waiting(
        oldest_at=min((came_at(row) for row in rows), default=now),
        urgent=any(row.priority is Priority.URGENT for row in rows),
    )


def came_at(row: Row) -> float:
    """When the row took its place, wall time."""
    return row.accepted_at if row.not_before is None else max(row.accepted_at, row.not_before)


def next_change(rows: Iterable[Row], now: float) -> float | None:
    """The wall time at which a waiting row's time comes or is over; None when none waits."""
    times = [row.not_before if row.not_before is not None and row.not_before > now else row.expires_at for row in rows]
    return min(times, default=None)
