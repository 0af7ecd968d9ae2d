"""The agenda: what is due next, whatever was changed in between."""

import random

from msgspec.structs import replace

from bottalk.agenda import Agenda
from bottalk.values import Reminder, ReminderId, ReminderType, UserId


def reminder(number: int, next_at: float | None, owner: int = 1) -> Reminder:
    return Reminder(
        id=ReminderId(number),
        user_id=UserId(owner),
        title="t",
        message="",
        type=ReminderType.DAILY,
        time="08:00",
        channel="",
        max_count=0,
        created_at=0.0,
        since=0.0,
        zone="UTC",
        next_at=next_at,
    )


def test_the_longest_due_come_first_and_stay_until_they_are_changed() -> None:
    agenda = Agenda([reminder(1, 30.0), reminder(2, 10.0), reminder(3, None), reminder(4, 20.0)])
    assert agenda.next_at() == 10.0
    assert agenda.due(25.0, limit=5) == [(10.0, 2), (20.0, 4)]
    assert agenda.due(25.0, limit=1) == [(10.0, 2)]
    agenda.put(reminder(2, 40.0))
    agenda.remove(ReminderId(4))
    assert agenda.due(25.0, limit=5) == []
    assert agenda.next_at() == 30.0
    assert agenda.gone == {4}


def test_own_ones_newest_first() -> None:
    agenda = Agenda([reminder(1, 1.0), reminder(2, 1.0, owner=2), reminder(3, None)])
    agenda.put(replace(reminder(1, 2.0), title="neu"))
    assert [r.id for r in agenda.of(UserId(1))] == [3, 1]
    agenda.remove(ReminderId(2))
    assert agenda.of(UserId(2)) == []
    assert len(agenda) == 2


def test_like_a_plain_search_and_without_growing() -> None:
    rng = random.Random(7)
    agenda = Agenda()
    plain: dict[int, float | None] = {}
    for _ in range(20_000):
        number = rng.randrange(50)
        if rng.random() < 0.1:
            agenda.remove(ReminderId(number))
            plain.pop(number, None)
        else:
            plain[number] = rng.choice([None, float(rng.randrange(20))])
            agenda.put(reminder(number, plain[number]))
        if rng.random() < 0.05:
            expected = sorted((at, number) for number, at in plain.items() if at is not None and at <= 10)
            assert agenda.due(10.0, limit=1000) == expected
            assert agenda.next_at() == min((at for at in plain.values() if at is not None), default=None)
    assert len(agenda._heap) <= 2 * 50 + 65
