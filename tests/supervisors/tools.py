"""What the tests of the library share: asks, a recorder of events, a supervisor with fixed chance and time."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from supervisors import Ask, Backoff, Child, ChildSpec, EventKind, Intensity, Mailbox, SupervisionEvent, Supervisor

STEADY = Backoff(first=1, factor=2, cap=60, jitter=0)
AT_ONCE = Intensity(0, 60)


@dataclass(frozen=True, slots=True)
class Double(Ask[int]):
    """Answered by twice its number."""

    number: int


def a_box() -> Mailbox[Any]:
    return Mailbox("box", 8)


class Boom(Exception):
    """What the bodies of these tests crash with."""


@dataclass
class Diary:
    """The events of a tree, in order."""

    events: list[SupervisionEvent] = field(default_factory=list)

    def note(self, event: SupervisionEvent) -> None:
        self.events.append(event)

    def of(self, child: str) -> list[EventKind]:
        return [event.kind for event in self.events if event.child == child]

    def order(self, kind: EventKind) -> list[str]:
        return [event.child for event in self.events if event.kind is kind]


def a_supervisor(
    children: Sequence[ChildSpec] = (),
    *,
    name: str = "root",
    on_event: Callable[[SupervisionEvent], None] | None = None,
) -> Supervisor:
    """Chance is seeded and wall time is trio's, so that a test says what it means."""
    return Supervisor(name, children, rng=random.Random(7), wall=trio.current_time, on_event=on_event)


def nested(supervisor: Supervisor, *, stop_timeout: float = 60.0) -> ChildSpec:
    """The supervisor as a child of another."""
    return ChildSpec(supervisor.name, supervisor.run, supervisor=supervisor, stop_timeout=stop_timeout)


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[trio.Nursery]:
    """The supervisor runs in the block and is stopped in order after it (or cancelled, when the block fails)."""
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        yield nursery
        supervisor.stop()


async def idle(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
    """Lives until it is asked to end."""
    task_status.started()
    await child.stopping.wait()


async def doubling(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
    """Answers every `Double`, and crashes on anything else."""
    assert child.mailbox is not None
    task_status.started()
    async for letter in child.mailbox:
        if not isinstance(letter.message, Double):
            raise Boom(str(letter.message))
        if letter.is_ask:
            letter.reply(letter.message.number * 2)


async def deaf(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
    """Never ends by itself."""
    task_status.started()
    await trio.sleep_forever()


async def hangs(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
    """Never gets to its `started()`."""
    await trio.sleep_forever()


def crashing(at: float = 0.0, *, starts: bool = True) -> Callable[..., Awaitable[None]]:
    """A body that crashes `at` seconds after it began, started or not."""

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        if starts:
            task_status.started()
        await trio.sleep(at)
        raise Boom(child.name)

    return body


def crashing_at(seconds: float) -> Callable[..., Awaitable[None]]:
    """A body that crashes `seconds` after it started, unless it is asked to end before."""

    async def body(child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with trio.move_on_after(seconds):
            await child.stopping.wait()
            return
        raise Boom(child.name)

    return body
