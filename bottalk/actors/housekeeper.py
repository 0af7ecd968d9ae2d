"""The housekeeper: does its jobs, each in a round of its own time, between everybody else's writes."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
import trio

from bottalk.actors.jobs import Job, JobStatus
from bottalk.clock import Clock
from bottalk.errors import CannotWrite
from supervisors import Child, MailboxFull, NotTaken

log = structlog.get_logger()

RETRY_S = 3.0
"""Seconds between tries while the journal takes nothing."""


@dataclass(frozen=True, slots=True)
class HousekeeperStatus:
    """Each job, in the order given."""

    jobs: tuple[JobStatus, ...]


class Housekeeper:
    """Each job has a task, so that a long one holds up no other."""

    def __init__(self, jobs: Sequence[Job], clock: Clock) -> None:
        self._jobs = tuple(jobs)
        self._clock = clock
        self._last: dict[str, float] = {}
        """When each job's last round ended, wall time."""
        self._refused: dict[str, str] = {}
        """Why the journal takes nothing of a job, while it does not."""

    def status(self) -> HousekeeperStatus:
        return HousekeeperStatus(
            tuple(
                JobStatus(job.name, self._last.get(job.name), job.done, self._refused.get(job.name))
                for job in self._jobs
            )
        )

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Work until a stop is asked, which cuts it: a bite that the journal has taken is written all the same."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            for job in self._jobs:
                nursery.start_soon(self._keep, job)
            await child.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _keep(self, job: Job) -> None:
        while True:
            if await self._round(job):
                await _rest(job)
            else:
                await trio.sleep(RETRY_S)

    async def _round(self, job: Job) -> bool:
        """One round; whether the journal took what it had to write."""
        try:
            await job.round()
        except (CannotWrite, MailboxFull, NotTaken) as e:
            if job.name not in self._refused:
                log.warning("housekeeper.waiting", job=job.name, why=str(e))
            self._refused[job.name] = str(e)
            return False
        if self._refused.pop(job.name, None) is not None:
            log.info("housekeeper.resumed", job=job.name)
        self._last[job.name] = self._clock.now()
        return True


async def _rest(job: Job) -> None:
    """Return when the job's next round is due."""
    with trio.move_on_after(job.period):
        if job.news is None:
            await trio.sleep_forever()
        else:
            await job.news.wait()
