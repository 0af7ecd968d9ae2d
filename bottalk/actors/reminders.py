"""Reminders: asks the journal to fire what is due. One sleep until the next due time; the journal judges each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
import trio

from bottalk.agenda import Agenda
from bottalk.clock import Clock
from bottalk.config import Config
from bottalk.errors import CannotWrite
from bottalk.messages import Fired, FireReminder, Firing, ForgetReminderLog, ReplanReminders
from bottalk.values import ReminderId
from supervisors import Ask, Child, Mailbox, MailboxFull, NotTaken

log = structlog.get_logger()

R = TypeVar("R")

BATCH = 100
"""Reminders asked for at once: a fifth of a commit's group, so that pushes find room beside ten thousand of them."""

LOOK_AGAIN_S = 60.0
"""Seconds after which the wall clock is looked at again, so that a moved clock is noticed."""

STEP_S = 60.0
"""Seconds the wall clock must lose against trio's between two looks to count as set back; slewing is far slower."""

RETRY_S = 3.0
"""Seconds between tries while the journal takes nothing."""


@dataclass(frozen=True, slots=True)
class RemindersStatus:
    """`next_at` is wall time; `refused` says why the journal takes nothing now."""

    reminders: int
    next_at: float | None
    refused: str | None


class Reminders:
    """The one who fires: nothing else does. A due time survives everything, because only its commit ends it."""

    def __init__(self, agenda: Agenda, journal: Mailbox[Any], config: Config, clock: Clock) -> None:
        self._agenda = agenda
        self._journal = journal
        self._zone = config.tz
        self._clock = clock
        self._idle = trio.CancelScope()
        self._to_replan: dict[ReminderId, None] = {}
        self._lead = 0.0
        """Wall time minus trio's clock, when last looked at."""
        self._refused: str | None = None
        """Why the journal took nothing; None while it does."""

    async def run(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        """Fire what is due until a stop is asked. A cancel withdraws what the journal has not taken."""
        self._to_replan = {r.id: None for r in self._agenda.planned() if r.zone != self._zone}
        self._lead = self._clock.now() - trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_idling, child)
            task_status.started()
            while not child.stopping.is_set():
                wait = await self._turn()
                if wait > 0 and not child.stopping.is_set():
                    await self._rest(wait)

    def status(self) -> RemindersStatus:
        return RemindersStatus(len(self._agenda), self._agenda.next_at(), self._refused)

    async def _end_idling(self, child: Child) -> None:
        await child.stopping.wait()
        self._idle.cancel()

    async def _rest(self, wait: float) -> None:
        """Sleep, at most until the clock is to be looked at again; a change of the agenda ends it."""
        with trio.CancelScope() as self._idle, trio.move_on_after(min(wait, LOOK_AGAIN_S)):
            if self._refused is not None:
                await trio.sleep_forever()  # news cannot help a journal that takes nothing
            await self._agenda.wakeup.wait()

    async def _turn(self) -> float:
        """Do one bounded piece of what there is to do; seconds until there is more."""
        self._look_at_clock()
        if self._to_replan:
            ids = tuple(self._to_replan)[:BATCH]
            if await self._ask(ReplanReminders(ids)) is None:
                return RETRY_S
            for reminder_id in ids:
                del self._to_replan[reminder_id]
            return 0.0
        due = self._agenda.due(self._clock.now(), BATCH)
        if due:
            return 0.0 if await self._fire(due) else RETRY_S
        if self._agenda.gone:
            forget = ForgetReminderLog(next(iter(self._agenda.gone)))
            return RETRY_S if await self._ask(forget) is None else 0.0
        at = self._agenda.next_at()
        # a wait too short for the clock's resolution would turn in place
        return LOOK_AGAIN_S if at is None else max(at - self._clock.now(), 0.001)

    def _look_at_clock(self) -> None:
        """A clock set back: what was skipped while it was ahead may lie ahead again."""
        lead = self._clock.now() - trio.current_time()
        if lead < self._lead - STEP_S:
            log.warning("reminders.clock_set_back", seconds=round(self._lead - lead))
            self._to_replan = {r.id: None for r in self._agenda.planned()}
        self._lead = lead

    async def _fire(self, due: list[tuple[float, ReminderId]]) -> bool:
        """Whether the journal took them all. Those it did not take stay due."""
        came_of: dict[ReminderId, Fired | None] = {}

        async def one(at: float, reminder_id: ReminderId) -> None:
            came_of[reminder_id] = fired = await self._ask(FireReminder(reminder_id, at))
            if fired is not None and fired.push_id is not None:
                log.info("reminder.fired", reminder=reminder_id, push=fired.push_id, channels=fired.channels)

        async with trio.open_nursery() as nursery:
            for at, reminder_id in due:
                nursery.start_soon(one, at, reminder_id)
        late = _those(came_of, Firing.TOO_LATE)
        bad = _those(came_of, Firing.NOT_UNDERSTOOD)
        if late:
            log.info("reminders.too_late", count=len(late), some=late[:10])
        if bad:
            log.warning("reminders.not_understood", reminders=bad, what_to_do="they are disabled: give them a new time")
        return None not in came_of.values()

    async def _ask(self, message: Ask[R]) -> R | None:
        """The journal's answer; None when it takes nothing now: then nothing happened."""
        try:
            answer = await self._journal.ask(message)
        except (CannotWrite, MailboxFull, NotTaken) as e:
            if self._refused is None:
                log.warning("reminders.waiting", why=str(e))
            self._refused = str(e)
            return None
        if self._refused is not None:
            log.info("reminders.resumed", after=self._refused)
            self._refused = None
        return answer


def _those(came_of: Mapping[ReminderId, Fired | None], firing: Firing) -> list[ReminderId]:
    return [reminder_id for reminder_id, fired in came_of.items() if fired is not None and fired.firing is firing]
