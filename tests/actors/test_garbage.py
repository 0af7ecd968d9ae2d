"""When the collector looks at everything: in a quiet minute, once an hour at most, once a day in any case."""

import pytest
import trio

from bottalk.actors.garbage import LONGEST_S, REST_S, Garbage


class Desk:
    """The job, looked at each minute, and when it collected (hours since the start)."""

    def __init__(self) -> None:
        self.commits = 0
        self.times: list[float] = []
        self.began = trio.current_time()
        self.job = Garbage(self.collect, lambda: self.commits)

    def collect(self) -> int:
        self.times.append((trio.current_time() - self.began) / 3600)
        return 7

    async def pass_by(self, hours: float, *, writing: bool) -> None:
        for _ in range(round(hours * 60)):
            await trio.sleep(self.job.period)
            self.commits += writing
            await self.job.round()


async def test_a_quiet_daemon_collects_once_an_hour(autojump_clock: object) -> None:
    desk = Desk()
    await desk.pass_by(3.5, writing=False)
    assert desk.times == pytest.approx([1, 2, 3])
    assert desk.job.done == 21


async def test_a_busy_daemon_waits_for_a_quiet_minute(autojump_clock: object) -> None:
    desk = Desk()
    await desk.pass_by(5, writing=True)
    assert desk.times == []
    await desk.pass_by(0.1, writing=False)
    assert desk.times == pytest.approx([5 + 1 / 60])


async def test_one_that_is_always_busy_collects_once_a_day(autojump_clock: object) -> None:
    desk = Desk()
    await desk.pass_by(50, writing=True)
    assert desk.times == pytest.approx([LONGEST_S / REST_S, 2 * LONGEST_S / REST_S])
