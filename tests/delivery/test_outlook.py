"""What the caller of a kept row is told: the table, row by row."""

import pytest
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import window as windows
from bottalk.delivery.outlook import CLOSED, DEAD, QUEUED, RESTRICTED, Prospect, prospect
from bottalk.delivery.pacing import Waiting
from bottalk.values import Channel, ChannelId, ChannelStatus, Closed, InactiveReason, Secret, UserId, Window

SETTINGS = DeliverySettings()
T0 = 1_790_000_000.0
OPEN = windows.opened(windows.fresh(SETTINGS), T0 - 600)
ROW = Waiting(oldest_at=T0)


def channel(window: Window = OPEN, dead: InactiveReason | None = None) -> Channel:
    return Channel(
        id=ChannelId(1),
        user_id=UserId(1),
        name="x",
        wechat_openid="x",
        bot_id="x",
        bot_token=Secret("x"),
        base_url="",
        status=ChannelStatus.INACTIVE if dead else ChannelStatus.ACTIVE,
        window=window,
        created_at=T0,
        bound_at=T0,
        inactive_reason=dead,
    )


@pytest.mark.parametrize(
    ("waiting", "window", "due"),
    [
        (ROW, OPEN, T0),
        (ROW, replace(OPEN, spent=7, last_send_at=T0 - 1), T0 + 29),
        (ROW, replace(OPEN, spent=9, last_send_at=T0 - 400), T0 + 300),
        (replace(ROW, fills_message=True), replace(OPEN, spent=9, last_send_at=T0 - 400), T0 - 370),
        (replace(ROW, urgent=True), replace(OPEN, spent=9, last_send_at=T0 - 400), T0 - 370),
        (replace(ROW, low_only=True), OPEN, T0 + 3600),
        (ROW, replace(OPEN, penalty_step=1, penalty_until=T0 + 30), T0 + 30),
    ],
)
def test_open(waiting: Waiting, window: Window, due: float) -> None:
    assert prospect(channel(window), lambda: waiting, T0, SETTINGS) == Prospect(QUEUED, due)


@pytest.mark.parametrize("closed", [Closed.QUOTA, Closed.AGE, Closed.REJECTED])
def test_closed(closed: Closed) -> None:
    window = replace(OPEN, closed=closed, closed_at=T0, probed_at=T0)
    assert prospect(channel(window), lambda: ROW, T0, SETTINGS) == Prospect(CLOSED)


def test_closed_by_count_or_age_before_ilink_has_said_so() -> None:
    assert prospect(channel(replace(OPEN, spent=10)), lambda: ROW, T0, SETTINGS) == Prospect(CLOSED)
    assert prospect(channel(), lambda: ROW, T0 + 86_400, SETTINGS) == Prospect(CLOSED)


def test_never_opened_since_a_rebind_and_half_dead() -> None:
    assert prospect(channel(windows.fresh(SETTINGS)), lambda: ROW, T0, SETTINGS) == Prospect(CLOSED)
    half_dead = replace(OPEN, closed=Closed.SESSION)
    assert prospect(channel(half_dead), lambda: ROW, T0, SETTINGS) == Prospect(RESTRICTED)


@pytest.mark.parametrize("reason", [InactiveReason.SESSION_EXPIRED, InactiveReason.AUTH])
def test_dead(reason: InactiveReason) -> None:
    for not_before in (None, T0 + 60):
        assert prospect(channel(dead=reason), lambda: ROW, T0, SETTINGS, not_before) == Prospect(DEAD)


def test_a_delay_that_still_runs_comes_before_everything_but_death() -> None:
    for window in (OPEN, windows.fresh(SETTINGS), replace(OPEN, closed=Closed.SESSION), replace(OPEN, spent=10)):
        assert prospect(channel(window), lambda: ROW, T0, SETTINGS, T0 + 60) == Prospect(QUEUED, T0 + 60)
    assert prospect(channel(replace(OPEN, spent=10)), lambda: ROW, T0, SETTINGS, T0) == Prospect(CLOSED)
