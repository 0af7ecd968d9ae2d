"""When BotTalk speaks of its own accord: never at night, never twice, never where it is of no use."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bottalk.config import DeliverySettings
from bottalk.delivery import telling
from bottalk.delivery import window as windows
from bottalk.delivery.telling import Waking, closing, has_use, is_nudge_due, nudge_at, nudge_ttl, waking_of
from bottalk.values import (
    Channel,
    ChannelId,
    ChannelStatus,
    Closed,
    InactiveReason,
    Reminder,
    ReminderId,
    ReminderType,
    Secret,
    UserId,
    Window,
)

SETTINGS = DeliverySettings()
HOUR = 3600.0
SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
WAKING = waking_of(SETTINGS, SHANGHAI)


def at(text: str, zone: ZoneInfo = SHANGHAI) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def told(when: float | None, zone: ZoneInfo = SHANGHAI) -> str | None:
    return None if when is None else f"{datetime.fromtimestamp(when, zone):%m-%d %H:%M}"


def opened(when: float, life: float = 24 * HOUR, **changes: object) -> Window:
    return replace(windows.opened(Window(life=life), when), **{"spent": 1, **changes})


def channel(window: Window, **changes: object) -> Channel:
    made = Channel(
        id=ChannelId(30),
        user_id=UserId(1),
        name="默认通道",
        wechat_openid="o9@im.wechat",
        bot_id="8d@im.bot",
        bot_token=Secret("8d@im.bot:x"),
        base_url="http://ilink.test",
        status=ChannelStatus.ACTIVE,
        window=window,
        created_at=0.0,
        bound_at=0.0,
        activated_at=1.0,
    )
    return replace(made, **changes)


# --- when ---


@pytest.mark.parametrize(
    ("word", "life", "nudge"),
    [
        ("2026-03-02T12:00", 24, "03-03 10:00"),  # two hours before
        ("2026-03-02T10:00", 24, "03-03 08:00"),
        ("2026-03-02T09:59", 24, "03-02 21:50"),  # 07:59 is night: the evening before
        ("2026-03-02T23:59", 24, "03-03 21:59"),
        ("2026-03-03T00:00", 24, "03-03 21:50"),  # 22:00 is night
        ("2026-03-02T21:00", 11, None),  # closes at 08:00, before anybody is awake
        ("2026-03-02T21:30", 11, "03-03 08:00"),  # the evening is too soon after the word: first thing in the morning
        ("2026-03-02T20:00", 11, "03-02 21:50"),
        ("2026-03-02T22:30", 8, None),
        ("2026-03-02T12:00", 2, "03-02 13:00"),  # a short window: not before its half
    ],
)
def test_the_nudge_comes_two_hours_before_and_never_at_night(word: str, life: float, nudge: str | None) -> None:
    assert told(nudge_at(opened(at(word), life * HOUR), WAKING, SETTINGS)) == nudge


def test_a_window_that_was_never_opened_has_none() -> None:
    assert nudge_at(Window(life=24 * HOUR), WAKING, SETTINGS) is None


def test_nights_of_clock_changes() -> None:
    berlin = waking_of(SETTINGS, BERLIN)
    # 2026-03-29 has 23 hours, 2026-10-25 has 25
    assert told(nudge_at(opened(at("2026-03-28T09:30", BERLIN)), berlin, SETTINGS), BERLIN) == "03-29 08:30"
    assert told(nudge_at(opened(at("2026-10-24T10:30", BERLIN)), berlin, SETTINGS), BERLIN) == "10-24 21:50"
    assert told(nudge_at(opened(at("2026-10-24T11:00", BERLIN)), berlin, SETTINGS), BERLIN) == "10-25 08:00"


def test_waking_hours_may_pass_midnight_or_be_all_day() -> None:
    shift = waking_of(DeliverySettings(waking_from="20:00", waking_to="06:00"), SHANGHAI)
    assert shift.has(at("2026-03-02T23:00"))
    assert shift.has(at("2026-03-02T05:59"))
    assert not shift.has(at("2026-03-02T06:00"))
    assert told(nudge_at(opened(at("2026-03-02T12:00")), shift, SETTINGS)) == "03-03 05:50"
    always = waking_of(DeliverySettings(waking_from="08:00", waking_to="08:00"), SHANGHAI)
    assert told(nudge_at(opened(at("2026-03-02T05:00")), always, SETTINGS)) == "03-03 03:00"


ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC")
TIMES_OF_DAY = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.integers(0, 59))
# clock changes of all these zones lie in these two years
MOMENTS = st.floats(at("2011-06-01T00:00"), at("2012-06-01T00:00")) | st.floats(
    at("2026-03-01T00:00"), at("2026-12-01T00:00")
)


@st.composite
def hours(draw: st.DrawFn) -> tuple[DeliverySettings, Waking]:
    settings = DeliverySettings(
        nudge_before=draw(st.floats(60, 43200)),
        waking_from=draw(st.sampled_from(["08:00", "07:30"]) | TIMES_OF_DAY),
        waking_to=draw(st.sampled_from(["22:00", "23:30"]) | TIMES_OF_DAY),
    )
    return settings, waking_of(settings, ZoneInfo(draw(st.sampled_from(ZONES))))


@given(hours(), MOMENTS, st.floats(60, 86400), st.floats(0, 3600))
def test_a_nudge_is_in_its_window_and_never_at_night(
    given_hours: tuple[DeliverySettings, Waking], word: float, life: float, spread: float
) -> None:
    settings, waking = given_hours
    when = nudge_at(opened(word, life), waking, settings, spread)
    if when is not None:
        assert waking.has(when)
        assert word < when < word + life


@given(hours(), MOMENTS, st.floats(60, 86400), st.floats(0, 1), st.integers(0, 12), st.integers(1, 60))
def test_it_goes_only_awake_before_the_closing_once_and_with_something_left(
    given_hours: tuple[DeliverySettings, Waking], word: float, life: float, part: float, spent: int, number: int
) -> None:
    settings, waking = given_hours
    now = word + part * life * 1.1
    one = channel(opened(word, life, spent=spent), id=ChannelId(number))
    if not is_nudge_due(one, now, waking, settings):
        return
    assert waking.has(now)
    assert now < word + life
    assert windows.left(one.window, now, settings) >= 2
    due = nudge_at(one.window, waking, settings, number % 30 * 60.0)
    assert due is not None
    assert due <= now
    ttl = nudge_ttl(one.window, now, waking)
    assert 0 < ttl <= word + life - now
    assert waking.has(now + ttl - 0.001), "what is not sent by then is not sent at night either"
    assert not is_nudge_due(replace(one, nudged_epoch=one.window.epoch), now, waking, settings)


@given(hours(), MOMENTS, st.floats(7200, 86400), st.integers(1, 60))
def test_a_round_each_minute_sends_it_once(
    given_hours: tuple[DeliverySettings, Waking], word: float, life: float, number: int
) -> None:
    """Where there is a moment for it that lasts two minutes, it goes; and once."""
    settings, waking = given_hours
    one = channel(opened(word, life), id=ChannelId(number))
    due = nudge_at(one.window, waking, settings, number % 30 * 60.0)
    count = 0
    for minute in range(int(life / 60) + 2):
        if is_nudge_due(one, word + minute * 60, waking, settings):
            count += 1
            one = replace(one, nudged_epoch=one.window.epoch)
    lasts = due is not None and due + 180 < word + life and all(waking.has(due + n * 60) for n in range(4))
    assert count == 1 if lasts else count <= 1


# --- whether ---


def test_it_does_not_go_where_it_may_not() -> None:
    word = at("2026-03-02T12:00")
    now = word + 22 * HOUR
    one = channel(opened(word))
    assert is_nudge_due(one, now, WAKING, SETTINGS)
    assert not is_nudge_due(one, now - 60, WAKING, SETTINGS)
    assert not is_nudge_due(one, now, WAKING, DeliverySettings(nudge=False))
    assert not is_nudge_due(replace(one, status=ChannelStatus.INACTIVE), now, WAKING, SETTINGS)
    assert not is_nudge_due(replace(one, nudged_epoch=1), now, WAKING, SETTINGS)
    assert is_nudge_due(replace(one, nudged_epoch=7), now, WAKING, SETTINGS)
    for changes in ({"spent": 9}, {"closed": Closed.REJECTED}, {"penalty_until": now + 1}):
        assert not is_nudge_due(replace(one, window=replace(one.window, **changes)), now, WAKING, SETTINGS)


def reminder(next_at: float | None, **changes: object) -> Reminder:
    made = Reminder(
        id=ReminderId(1),
        user_id=UserId(1),
        title="吃药",
        message="",
        type=ReminderType.ONCE,
        time="08:00",
        channel="",
        max_count=0,
        created_at=0.0,
        since=0.0,
        zone="Asia/Shanghai",
        next_at=next_at,
    )
    return replace(made, **changes)


def test_a_window_that_carried_something_is_worth_renewing_but_the_welcome_is_nothing() -> None:
    word = at("2026-03-02T12:00")
    assert has_use(channel(opened(word, spent=1)), (), is_welcomed=True)
    assert not has_use(channel(opened(word, spent=0)), (), is_welcomed=True)
    first = channel(opened(word, spent=1), activated_at=word)
    assert not has_use(first, (), is_welcomed=True)
    assert has_use(first, (), is_welcomed=False)
    assert has_use(replace(first, window=opened(word, spent=2)), (), is_welcomed=True)


def test_a_reminder_after_the_closing_is_a_use_where_a_word_could_carry_it() -> None:
    word = at("2026-03-02T12:00")
    closes_at = word + 24 * HOUR
    unused = channel(opened(word, spent=0))

    def uses(one: Reminder) -> bool:
        return has_use(unused, [one], is_welcomed=True)

    assert uses(reminder(closes_at + HOUR))
    assert not uses(reminder(None))
    assert not uses(reminder(closes_at + 24 * HOUR)), "nobody's word of today lasts until then"
    assert not uses(reminder(closes_at - HOUR)), "it comes before"
    again = reminder(closes_at - HOUR, type=ReminderType.DAILY)
    assert uses(again)
    assert uses(replace(again, max_count=3, send_count=1))
    assert not uses(replace(again, max_count=3, send_count=2)), "its last time comes before"


# --- closings ---


def test_each_closing_has_a_name_of_its_own() -> None:
    now = at("2026-03-02T12:00")
    window = opened(now)
    assert closing(channel(window), now, SETTINGS) == ""
    full = closing(channel(replace(window, spent=10)), now, SETTINGS)
    aged = closing(channel(window), now + 24 * HOUR, SETTINGS)
    assert full == aged == "closed:1"
    reopened = replace(windows.opened(window, now), spent=10)
    assert closing(channel(reopened), now, SETTINGS) == "closed:2"
    dead = channel(window, status=ChannelStatus.INACTIVE, inactive_reason=InactiveReason.AUTH)
    assert closing(dead, now, SETTINGS) == "dead:1"
    deleted = channel(window, status=ChannelStatus.INACTIVE, inactive_reason=InactiveReason.DELETED)
    assert closing(deleted, now + 24 * HOUR, SETTINGS) == ""


def test_what_was_never_opened_is_not_closed() -> None:
    assert closing(channel(Window(life=24 * HOUR)), 0.0, SETTINGS) == ""


def test_the_last_message_of_a_window_carries_no_notice() -> None:
    now = at("2026-03-02T12:00")
    assert telling.can_carry_notice(channel(opened(now, spent=8)), now, SETTINGS)
    assert not telling.can_carry_notice(channel(opened(now, spent=9)), now, SETTINGS)
    assert not telling.can_carry_notice(channel(Window(life=24 * HOUR)), now, SETTINGS)
