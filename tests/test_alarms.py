"""When a trouble is told, and when its end is: once each, whatever flickers between two looks."""

from hypothesis import given
from hypothesis import strategies as st

from bottalk.alarms import CALM_S, NAMED, TABLE, Alarm, Sign, Trouble, Watch
from bottalk.health import Level

START = 1_790_000_000.0
DISK = Sign(Trouble.DISK_FULL, START, detail="还剩 3 MB。")


def looks(watch: Watch, *rounds: tuple[float, list[Sign]]) -> list[tuple[Trouble, bool]]:
    """What is told at each round, seconds after the start."""
    told: list[Alarm] = []
    for seconds, signs in rounds:
        told += watch.look(signs, START + seconds)
    return [(alarm.trouble, alarm.is_over) for alarm in told]


def test_once_when_it_begins_and_once_when_it_is_over() -> None:
    watch = Watch(START)
    (alarm,) = watch.look([DISK], START + 5)
    assert (alarm.level, alarm.title, alarm.since, alarm.is_over) == (
        Level.YELLOW,
        "BotTalk：磁盘空间不足",
        START,
        False,
    )
    assert "还剩 3 MB" in alarm.text
    assert looks(watch, (15, [DISK]), (900, [DISK]), (910, []), (930, [DISK]), (940, [])) == []
    (over,) = watch.look([], START + 930 + CALM_S)
    assert (over.level, over.title, over.is_over) == (Level.GREEN, "BotTalk：磁盘空间已恢复", True)
    assert looks(watch, (1000, []), (2000, [])) == []
    assert looks(watch, (3000, [DISK])) == [(Trouble.DISK_FULL, False)], "a new one"


def test_what_does_not_last_is_never_told() -> None:
    watch, down = Watch(START), Sign(Trouble.ILINK_DOWN, START, "ilink.test")
    after = TABLE[Trouble.ILINK_DOWN].after
    assert looks(watch, (10, [down]), (after - 1, [down]), (after + CALM_S, []), (after + 9 * CALM_S, [])) == []
    down = Sign(Trouble.ILINK_DOWN, START + 2000, "ilink.test")
    assert looks(watch, (2000, [down]), (2000 + after, [down])) == [(Trouble.ILINK_DOWN, False)]


def test_many_channels_at_once_are_one_alarm_and_a_later_one_is_another() -> None:
    watch = Watch(START)
    signs = [Sign(Trouble.CHANNEL_DEAD, START, f"通道 {n}") for n in range(1, NAMED + 3)]
    (alarm,) = watch.look(signs, START)
    assert f"等 {NAMED + 2} 个" in alarm.title
    assert "通道 1、通道 2" in alarm.title
    late = Sign(Trouble.CHANNEL_DEAD, START + 60, "通道 99")
    (alarm,) = watch.look([*signs, late], START + 60)
    assert alarm.title.endswith("（通道 99）")
    assert looks(watch, (60 + CALM_S, [late])) == [(Trouble.CHANNEL_DEAD, True)]


def test_a_channel_that_was_dead_before_the_start_is_told_only_when_it_lives() -> None:
    watch, old = Watch(START), Sign(Trouble.CHANNEL_DEAD, START - 5, "通道 1")
    assert looks(watch, (0, [old]), (15, [old]), (200, [])) == [(Trouble.CHANNEL_DEAD, True)]


def test_a_clock_that_is_set_back_ends_nothing() -> None:
    watch = Watch(START)
    assert looks(watch, (0, [DISK]), (-3600, [DISK]), (-3590, []), (-3600 + CALM_S + 30, [])) == [
        (Trouble.DISK_FULL, False),
        (Trouble.DISK_FULL, True),
    ]


KINDS = st.sampled_from([Sign(trouble, START, subject) for trouble in Trouble for subject in ("a", "b", "c")])


@given(st.lists(st.tuples(st.floats(0, 400), st.lists(KINDS, max_size=6))))
def test_beginnings_and_ends_take_turns(rounds: list[tuple[float, list[Sign]]]) -> None:
    """Of each trouble and subject: told, over, told, over; never twice the same, never over before told."""
    watch, now, standing = Watch(START), START, set[tuple[Trouble, str]]()
    for seconds, signs in rounds:
        now += seconds
        for alarm in watch.look(signs, now):
            subjects = alarm.title.partition("（")[2].removesuffix("）").split("、")
            keys = {(alarm.trouble, subject) for subject in subjects}
            assert keys <= standing if alarm.is_over else not keys & standing
            standing = standing - keys if alarm.is_over else standing | keys
