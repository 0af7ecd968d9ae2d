"""When a channel's next message may go: a pure function of the window, what waits and the time.

The gap between two messages grows as the window empties, so that what is left of it carries more; the last message is
kept for some minutes, because nothing can follow it until the user writes.
"""

from msgspec import Struct

from bottalk.config import DeliverySettings
from bottalk.delivery.digest import Style
from bottalk.delivery.window import State, closed_by, left, state
from bottalk.values import Closed, Window


class Waiting(Struct, frozen=True):
    """What pacing must know of a queue that is not empty."""

    oldest_at: float
    """When the oldest row took its place, wall time; `low` ones count where nothing else waits."""
    urgent: bool = False
    low_only: bool = False
    """All of it is `low`: it goes along with another message, or alone when it has waited long enough."""
    begun: bool = False
    """It is a message that was tried already, or the next part of a text: only a gap or a rest holds it."""
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
    remaining = settings.quota - window.spent
    start = now if window.last_send_at is None else _after(window.last_send_at, gap(remaining, settings), now)
    if remaining == 1 and not (waiting.urgent or waiting.fills_message or waiting.begun):
        start = max(start, _after(waiting.oldest_at, settings.last_hold, now))
    if waiting.low_only and not waiting.begun:
        start = max(start, _after(waiting.oldest_at, settings.low_hold, now))
    rest = rests_until(window, now, settings)
    return start if rest is None else max(start, rest)


def rests_until(window: Window, now: float, settings: DeliverySettings) -> float | None:
    """The wall time at which the rest after iLink's refusals is over; None where there was none."""
    if window.penalty_until is None:
        return None
    longest = settings.penalty[min(window.penalty_step, len(settings.penalty)) - 1]
    return _after(window.penalty_until - longest, longest, now)


def _after(since: float, seconds: float, now: float) -> float:
    """So many seconds after `since`. A time that lies further ahead than that was noted before the clock was set back,
    and is over: waited for, it would hold the channel for as long as the clock was set."""
    return now if since > now + seconds else since + seconds


def probe_at(window: Window, waiting: Waiting, now: float, settings: DeliverySettings) -> float | None:
    """When a closed window may be tried with what waits; None where only the user's word can open it.

    An inbound message lost on the wire leaves us closed while iLink is open; the probe finds out.
    """
    if closed_by(window, now, settings) in (None, Closed.SESSION):
        return None
    since = _closing_time(window, now, settings) if window.probed_at is None else window.probed_at
    due = _after(since, settings.probe, now)
    if waiting.low_only and not waiting.begun:
        return max(due, _after(waiting.oldest_at, settings.low_hold, now))
    return due


def tail(window: Window, now: float, style: Style) -> str:
    """The line that ends the message which goes now; empty for most.

    Two messages before the window closes the user hears how many are left; the last one asks for a reply.
    """
    match left(window, now, style.settings):
        case 1:
            return style.words.last
        case 3:
            return style.words.few_left.format(left=2)
        case _:
            return ""


def _closing_time(window: Window, now: float, settings: DeliverySettings) -> float:
    if window.closed is None and window.spent >= settings.quota and window.last_send_at is not None:
        return window.last_send_at
    return (window.opened_at or now) + settings.life
