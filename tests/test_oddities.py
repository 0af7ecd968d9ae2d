"""What BotTalk relies on in its libraries without their documentation saying so."""

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim

BERLIN = ZoneInfo("Europe/Berlin")


def test_cronsim_moves_a_fixed_time_out_of_a_gap_to_the_first_minute_after_it() -> None:
    due = next(CronSim("30 2 * * *", datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN)))
    assert due == datetime(2026, 3, 29, 3, 0, tzinfo=BERLIN)


def test_cronsim_begins_with_times_of_the_first_pass_inside_the_second_one() -> None:
    start = datetime(2026, 10, 25, 2, 10, tzinfo=BERLIN, fold=1)
    first, second = islice(CronSim("30 2 * * *", start), 2)
    assert first.timestamp() < start.timestamp()  # so bottalk.schedule looks on
    assert second == datetime(2026, 10, 26, 2, 30, tzinfo=BERLIN)


def test_cronsim_drops_fractions_of_a_second_and_never_gives_its_start() -> None:
    start = datetime(2026, 11, 2, 7, 59, 59, 999_999, tzinfo=BERLIN)
    assert next(CronSim("0 8 * * *", start)) == datetime(2026, 11, 2, 8, 0, tzinfo=BERLIN)
    assert next(CronSim("0 8 * * *", datetime(2026, 11, 2, 8, 0, tzinfo=BERLIN))).day == 3


def test_cronsim_ends_where_nothing_comes_within_fifty_years() -> None:
    assert list(CronSim("0 0 */29 2 1#2", datetime(2026, 11, 2, tzinfo=BERLIN))) == []


def test_cronsim_takes_six_fields_too() -> None:
    assert next(CronSim("30 0 8 * * *", datetime(2026, 11, 2, tzinfo=BERLIN))).second == 30  # so we count them
