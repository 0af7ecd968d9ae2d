"""The table of causes: the gravest wins, and whoever is passed over unjudged is green."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.health import GREEN, POLL_OVERDUE_S, TABLE, Cause, Level, Signs, judge, suspects
from bottalk.values import Channel, ChannelId, ChannelStatus, Closed, InactiveReason, Secret, UserId, Window

NOW = 1_790_000_000.0
SETTINGS = DeliverySettings()
WELL = Channel(
    id=ChannelId(1),
    user_id=UserId(1),
    name="默认通道",
    wechat_openid="o@im.wechat",
    bot_id="b@im.bot",
    bot_token=Secret("t"),
    base_url="",
    status=ChannelStatus.ACTIVE,
    window=Window(life=SETTINGS.life, epoch=1, opened_at=NOW - 60),
    created_at=NOW - 3600,
    bound_at=NOW - 3600,
    activated_at=NOW - 60,
)

times = st.none() | st.floats(NOW - 200_000, NOW + 200_000)
windows = st.builds(
    Window,
    life=st.just(SETTINGS.life),
    epoch=st.integers(0, 3),
    opened_at=times,
    spent=st.integers(0, 12),
    closed=st.none() | st.sampled_from(Closed),
    closed_at=times,
    last_send_at=times,
    penalty_until=times,
    probed_at=times,
    unconfirmed=st.integers(0, 5),
)
states = st.sampled_from(
    [(status, None) for status in (ChannelStatus.PENDING, ChannelStatus.ACTIVE)]
    + [(ChannelStatus.INACTIVE, reason) for reason in InactiveReason if reason is not InactiveReason.DELETED]
)
channels = st.builds(
    lambda window, state, at: replace(
        WELL, window=window, status=state[0], inactive_reason=state[1], inactive_at=at if state[1] else None
    ),
    windows,
    states,
    times,
)


@given(channels, st.none() | st.floats(0, POLL_OVERDUE_S, exclude_max=True))
def test_who_is_no_suspect_and_shows_no_sign_is_green(channel: Channel, since_poll: float | None) -> None:
    if not suspects([channel]):
        assert judge(channel, Signs(seconds_since_poll=since_poll), NOW, SETTINGS) == GREEN


def test_each_cause_is_told_since_when_and_the_gravest_wins() -> None:
    """Every cause at once; then the gravest is healed, one after the other, in the order of the table."""
    window = Window(
        life=SETTINGS.life, epoch=1, opened_at=NOW - 90_000, closed=Closed.SESSION, closed_at=NOW - 2,
        last_send_at=NOW - 6, penalty_until=NOW + 60, unconfirmed=3,
    )  # fmt: skip
    channel = replace(
        WELL,
        window=window,
        status=ChannelStatus.INACTIVE,
        inactive_reason=InactiveReason.SESSION_EXPIRED,
        inactive_at=NOW - 1,
        bound_at=NOW - 10,
    )
    signs = Signs(
        is_parked=True, parked_since=NOW - 3, seconds_since_poll=POLL_OVERDUE_S, host_down_since=NOW - 5,
        retrying_since=NOW - 7, waiting_since=NOW - 9,
    )  # fmt: skip
    told: list[tuple[Cause | None, float | None]] = []

    def judged(channel: Channel, signs: Signs) -> None:
        health = judge(channel, signs, NOW, SETTINGS)
        told.append((health.cause, None if health.since is None else NOW - health.since))
        if health.cause is not None:
            assert (health.level, health.advice) == TABLE[health.cause]

    judged(channel, signs)
    judged(replace(channel, inactive_reason=InactiveReason.AUTH), signs)
    channel = replace(channel, status=ChannelStatus.PENDING, inactive_reason=None, inactive_at=None)
    judged(channel, signs)
    channel = replace(channel, window=replace(window, closed=Closed.AGE))
    judged(channel, signs)
    signs = replace(signs, is_parked=False)
    judged(channel, signs)
    signs = replace(signs, seconds_since_poll=POLL_OVERDUE_S - 1)
    judged(channel, signs)
    signs = replace(signs, host_down_since=None)
    judged(channel, signs)
    channel = replace(channel, window=replace(channel.window, penalty_until=NOW))
    judged(channel, signs)
    signs = replace(signs, retrying_since=None)
    judged(channel, signs)
    channel = replace(channel, window=replace(channel.window, unconfirmed=2))
    judged(channel, signs)
    signs = replace(signs, waiting_since=None)
    judged(channel, signs)
    judged(replace(channel, status=ChannelStatus.ACTIVE), signs)
    ages = (1, 1, 2, 3, POLL_OVERDUE_S, 5, 6, 7, 6, 9, 10)
    assert told == [*zip(Cause, ages, strict=True), (None, None)]


def test_the_table_has_every_cause_with_words_and_red_ones_first() -> None:
    assert list(TABLE) == list(Cause)
    levels = [level for level, _ in TABLE.values()]
    assert levels == sorted(levels, key=[Level.RED, Level.YELLOW].index)
    assert all(advice for _, advice in TABLE.values())


def test_a_rest_noted_before_the_clock_was_set_back_is_over() -> None:
    """The sender does not hold it either."""
    punished = replace(WELL, window=replace(WELL.window, penalty_step=1, penalty_until=NOW + SETTINGS.penalty[0]))
    signs = Signs(seconds_since_poll=1.0)
    assert judge(punished, signs, NOW, SETTINGS).cause is Cause.PENALTY
    assert judge(punished, signs, NOW - 86_400, SETTINGS) == GREEN
