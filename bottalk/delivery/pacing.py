"""When a channel's next message may go: a pure function of the window, what waits and the time.

The gap between two messages grows as the window empties, so that what is left of it carries more; the last message is
kept for some minutes, because nothing can follow it until the user writes.
"""

from msgspec import Struct

from bottalk.config import DeliverySettings
from bottalk.delivery.window import State, closed_by, left, state
from bottalk.values import Closed, Window


class Waiting(Struct, frozen=True):
    """What pacing must know of a queue that is not empty."""

    oldest_at: float
    """When its oldest row was accepted, wall time."""
    urgent: bool = False
    fills_message: bool = False
    """What waits fills one message already: keeping the last message back would gain nothing."""


def gap(remaining: int, settings: DeliverySettings) -> float:
    """Seconds between two messages when `remaining` may still go."""
    if remaining > 5:
        return settings.gap
    return settings.gap_low if remaining > 3 else settings.gap_scarce


def earliest(window: Window, waiting: Waiting, now: float, settings: DeliverySettings) -> float | None:
    """The wall time from which the next message may go (at most `now` means: now), None while the window is closed.

    A closed window is not asked again for each push; `probe_at` says when it may be tried.
    """
    if state(window, now, settings) is not State.OPEN:
        return None
    remaining = left(window, now, settings)
    # a clock that was set back must not stretch the gap
    start = now if window.last_send_at is None else min(window.last_send_at, now) + gap(remaining, settings)
    if remaining == 1 and not (waiting.urgent or waiting.fills_message):
        start = max(start, min(waiting.oldest_at, now) + settings.last_hold)
    if window.penalty_until is not None:
        longest = settings.penalty[min(window.penalty_step, len(settings.penalty)) - 1]
        start = max(start, min(window.penalty_until, now + longest))
    return start


def probe_at(window: Window, now: float, settings: DeliverySettings) -> float | None:
    """When a closed window may be tried with real rows; None where only the user's word can open it.

    An inbound message lost on the wire leaves us closed while iLink is open; the probe finds out.
    """
    if closed_by(window, now, settings) in (None, Closed.SESSION):
        return None
    if window.probed_at is None:
        return _closing_time(window, now, settings) + settings.probe
    return min(window.probed_at, now) + settings.probe


def _closing_time(window: Window, now: float, settings: DeliverySettings) -> float:
    if window.closed is None and window.spent >= settings.quota and window.last_send_at is not None:
        return min(window.last_send_at, now)
    return min((window.opened_at or now) + settings.life, now)
