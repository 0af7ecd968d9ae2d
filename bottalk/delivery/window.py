"""The window: a forecast of how many messages iLink still takes for one channel, and until when.

iLink lets a bot send about ten messages after each message of its user, within a day (field reports; Tencent publishes
no specification). iLink has the last word both ways: every answer of it corrects the forecast. Each function takes a
window and gives the next one.
"""

from enum import StrEnum

from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.values import Closed, Window

AGE_FLOOR = 8 * 3600.0
"""Seconds. No refusal below this age is taken for age: reports agree that 8 hours are safe."""

PROBE_AGE = 3600.0
"""Seconds. An accepted probe shows an opening that we missed; how old it is, nobody knows: one hour is assumed."""


class State(StrEnum):
    NEVER_OPENED = "never_opened"
    OPEN = "open"
    CLOSED = "closed"


def fresh(settings: DeliverySettings, before: Window | None = None) -> Window:
    """The window of a new binding: never opened. A rebind keeps what the channel has learned: life, what has worked,
    and whether ids come (a silent drop follows the WeChat user to the new bot: protocol notes §5)."""
    if before is None:
        return Window(life=settings.life)
    life = min(before.life, settings.life)
    return Window(life=life, worked_age=before.worked_age, gives_ids=before.gives_ids)


def state(window: Window, now: float, settings: DeliverySettings) -> State:
    if window.epoch == 0:
        return State.NEVER_OPENED
    return State.CLOSED if closed_by(window, now, settings) else State.OPEN


def closed_by(window: Window, now: float, settings: DeliverySettings) -> Closed | None:
    """What closes the window at `now`; None while it is open or was never opened.

    Between the learned life and the configured one it stays open: the next send shows which of the two is right.
    """
    if window.epoch == 0:
        return None
    if window.closed is not None:
        return window.closed
    if window.spent >= settings.quota:
        return Closed.QUOTA
    return Closed.AGE if age(window, now) >= settings.life else None


def age(window: Window, now: float) -> float:
    """Seconds since the user's last message, 0 when the wall clock was set back past it."""
    return max(0.0, now - window.opened_at) if window.opened_at is not None else 0.0


def left(window: Window, now: float, settings: DeliverySettings) -> int:
    """Messages that may still go."""
    if state(window, now, settings) is not State.OPEN:
        return 0
    return settings.quota - window.spent


def closes_at(window: Window) -> float | None:
    """The forecast end, wall time; None when it was never opened."""
    return None if window.opened_at is None else window.opened_at + window.life


def opened(window: Window, now: float) -> Window:
    """The user wrote. Every closing ends, and a penalty's rest; its ladder goes on if iLink still refuses."""
    return replace(
        window,
        epoch=window.epoch + 1,
        opened_at=now,
        spent=0,
        closed=None,
        closed_at=None,
        penalty_until=None,
        probed_at=None,
        unconfirmed=0,
    )


def accepted(
    window: Window, now: float, *, confirmed: bool, settings: DeliverySettings, is_probe: bool = False
) -> Window:
    """iLink took a message. It counts in the present window, also when it began before the last inbound message.

    `is_probe`: it began while the window was closed. If it still is, an inbound message was lost on the way to us: a
    new epoch, whose age nobody knows. A window that closed by its age while the message was under way stays closed.
    """
    missed = is_probe and closed_by(window, now, settings) is not None
    if missed:
        window = replace(
            window,
            epoch=window.epoch + 1,
            opened_at=now - PROBE_AGE,
            spent=0,
            closed=None,
            closed_at=None,
            probed_at=None,
        )
    worked = window.worked_age if missed else max(window.worked_age, age(window, now))
    return replace(
        window,
        spent=window.spent + 1,
        last_send_at=now,
        penalty_step=0,
        penalty_until=None,
        worked_age=worked,
        life=window.life if missed else min(max(window.life, worked), settings.life),
        gives_ids=window.gives_ids or confirmed,
        unconfirmed=window.unconfirmed + 1 if window.gives_ids and not confirmed else 0,
    )


def uncertain(window: Window, now: float) -> Window:
    """A send was cut or timed out: it may have arrived, so it counts as spent."""
    return replace(window, spent=window.spent + 1, last_send_at=now)


def probed(window: Window, now: float) -> Window:
    """A probe of a closed window came to nothing, or nobody knows to what: the next one has its own hour."""
    return replace(window, probed_at=now)


def refused(
    window: Window, now: float, *, began_epoch: int, settings: DeliverySettings, is_burst: bool = False
) -> Window:
    """iLink answered −2 to a send that began in `began_epoch`. All −2 look alike; our own books decide which it is.

    `is_burst`: a rate limit, which iLink names: it teaches nothing of the window's life.
    """
    if began_epoch != window.epoch or window.epoch == 0:
        # the user wrote meanwhile: the verdict belongs to a window that is gone
        return replace(window, last_send_at=now)
    if window.closed is not None or window.spent >= settings.quota:
        return replace(_closed(window, window.closed or Closed.QUOTA, now), last_send_at=now)
    old = age(window, now)
    limit = settings.life if is_burst else window.life
    if old >= limit or (not is_burst and old >= AGE_FLOOR and old > window.worked_age):
        # a refusal past the configured life was to be expected: it teaches nothing about younger ages
        life = window.life if old >= settings.life else min(window.life, max(AGE_FLOOR, window.worked_age))
        return replace(_closed(window, Closed.AGE, now), life=life, last_send_at=now)
    return _burst(window, now, settings)


def _burst(window: Window, now: float, settings: DeliverySettings) -> Window:
    """The whole channel rests, longer each time; after the last rest that did not help it closes."""
    if window.penalty_step >= len(settings.penalty):
        return replace(_closed(window, Closed.REJECTED, now), penalty_step=0, penalty_until=None, last_send_at=now)
    return replace(
        window,
        penalty_step=window.penalty_step + 1,
        penalty_until=now + settings.penalty[window.penalty_step],
        last_send_at=now,
    )


def session_closed(window: Window, now: float, *, began_epoch: int) -> Window:
    """Half-dead: iLink lets the bot receive, but not send, until its user writes again.

    The verdict belongs to the epoch in which its send began: what the user wrote since may have cured it.
    """
    return _closed(window, Closed.SESSION, now) if began_epoch == window.epoch else window


def _closed(window: Window, why: Closed, now: float) -> Window:
    """iLink refused a send; of several refusals for the same reason the first closed it."""
    since = window.closed_at if window.closed is why else now
    return replace(window, closed=why, closed_at=since, probed_at=now)
