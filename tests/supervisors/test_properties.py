"""Random lives of a small tree, held against what the library promises whatever the order of things."""

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from math import inf
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from supervisors import (
    Ask,
    Backoff,
    Child,
    ChildSpec,
    ChildState,
    DuplicateChild,
    Excess,
    Intensity,
    Mailbox,
    MailboxFull,
    NotTaken,
    OutcomeUnknown,
    Restart,
    StartFailed,
    UnknownChild,
)
from tests.supervisors.tools import Boom, a_supervisor

NAMES = ("listed 1", "listed 2", "added")
CAPACITY = 4
UP = (ChildState.STARTING, ChildState.RUNNING, ChildState.STOPPING)


@dataclass(frozen=True, slots=True)
class Work(Ask[int]):
    """Takes `lasts` seconds; then its actor crashes, returns, or answers with twice `number`."""

    number: int
    lasts: float = 0.0
    ending: str = "answer"


@dataclass(frozen=True)
class Step:
    what: str
    name: str
    lasts: float
    ending: str
    patience: float
    leaves_after: float


@dataclass
class World:
    """The actors' deeds and the askers' news."""

    alive: Counter[str] = field(default_factory=Counter)
    worst: int = 0
    done: Counter[int] = field(default_factory=Counter)
    order: dict[str, list[int]] = field(default_factory=dict)
    news: dict[int, list[object]] = field(default_factory=dict)
    told: dict[int, str] = field(default_factory=dict)
    start_lasts: float = 0.0
    start_fails: bool = False

    async def body(self, child: Child, *, task_status: trio.TaskStatus[None]) -> None:
        self.alive[child.name] += 1
        self.worst = max(self.worst, self.alive[child.name])
        try:
            await trio.sleep(self.start_lasts)
            if self.start_fails:
                raise Boom("start")
            task_status.started()
            await self._work(child)
        finally:
            self.alive[child.name] -= 1

    async def _work(self, child: Child) -> None:
        assert child.mailbox is not None
        async for letter in child.mailbox:
            work: Work = letter.message
            self.done[work.number] += 1
            self.order.setdefault(child.name, []).append(work.number)
            await trio.sleep(work.lasts)
            if work.ending == "crash":
                raise Boom("work")
            if work.ending == "return":
                return
            if letter.is_ask:
                letter.reply(work.number * 2)

    async def ask(self, mailbox: Mailbox[Work], work: Work, patience: float, leaves_after: float) -> None:
        news = self.news.setdefault(work.number, [])
        with trio.move_on_after(leaves_after) as scope:
            try:
                news.append(await mailbox.ask(work, timeout=patience))
            except (NotTaken, OutcomeUnknown, MailboxFull) as error:
                news.append(type(error))
        if scope.cancelled_caught:
            news.append("left")


SOON = st.sampled_from([0.0, 0.5, 1.0, 3.0])
STEPS = st.builds(
    Step,
    what=st.sampled_from(
        [
            "ask",
            "ask",
            "ask",
            "tell",
            "tell",
            "sleep",
            "sleep",
            "stop",
            "restart",
            "remove",
            "start",
            "starts",
            "settle",
        ]
    ),
    name=st.sampled_from(NAMES),
    lasts=SOON,
    ending=st.sampled_from(["answer", "answer", "answer", "crash", "return"]),
    patience=st.sampled_from([inf, inf, 0.0, 0.5, 2.0]),
    leaves_after=st.sampled_from([inf, inf, 0.0, 1.0]),
)


class Play:
    """One example: the tree, and the steps done to it."""

    def __init__(self, restart: Restart, excess: Excess) -> None:
        self.world = World()
        self.boxes: dict[str, list[Mailbox[Work]]] = {name: [Mailbox(name, CAPACITY)] for name in NAMES}
        self._restart, self._excess = restart, excess
        self.supervisor = a_supervisor([self.spec(name) for name in NAMES[:2]])
        self._number = 0

    def spec(self, name: str) -> ChildSpec:
        return ChildSpec(
            name,
            self.world.body,
            self.boxes[name][-1],
            restart=self._restart,
            backoff=Backoff(first=0.5, cap=2),
            intensity=Intensity(2, 10),
            excess=self._excess,
            start_timeout=2,
            stop_timeout=1.5,
        )

    async def verb(self, verb: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await verb()
        except (StartFailed, UnknownChild, DuplicateChild):
            return

    async def start(self, name: str) -> None:
        if self.boxes[name][-1].is_closed:
            self.boxes[name].append(Mailbox(name, CAPACITY))
        await self.supervisor.start_child(self.spec(name))

    async def do(self, step: Step, nursery: trio.Nursery) -> None:
        box = self.boxes[step.name][-1]
        self._number += 1
        work = Work(self._number, step.lasts, step.ending)
        match step.what:
            case "ask":
                nursery.start_soon(self.world.ask, box, work, step.patience, step.leaves_after)
            case "tell":
                try:
                    box.tell(work)
                except (MailboxFull, NotTaken):
                    pass
                else:
                    self.world.told[work.number] = step.name
            case "sleep":
                await trio.sleep(step.lasts)
            case "settle":
                await wait_all_tasks_blocked()
                self.check_states()
            case "starts":
                self.world.start_lasts, self.world.start_fails = step.lasts, step.ending == "crash"
            case "stop":
                nursery.start_soon(self.verb, lambda: self.supervisor.stop_child(step.name))
            case "restart":
                nursery.start_soon(self.verb, lambda: self.supervisor.restart_child(step.name))
            case "remove":
                nursery.start_soon(self.verb, lambda: self.supervisor.remove_child(step.name))
            case "start":
                nursery.start_soon(self.verb, lambda: self.start(step.name))

    def check_states(self) -> None:
        """Nothing can run just now: what the status says is what is."""
        up = {child.name for child in self.supervisor.status().children if child.state in UP}
        assert up == {name for name, count in self.world.alive.items() if count}
        for child in self.supervisor.status().children:
            box = child.mailbox
            assert box is not None
            assert box.depth <= CAPACITY
            assert box.in_hand <= (child.state in UP)

    def check_end(self) -> None:
        world = self.world
        assert world.worst <= 1
        assert not +world.alive
        for number, news in world.news.items():
            assert len(news) == 1, f"ask {number} heard {news}"
            (heard,) = news
            if heard in (NotTaken, MailboxFull):
                assert world.done[number] == 0
            elif heard == "left":
                assert world.done[number] <= 1
            else:
                assert world.done[number] == 1
                assert heard == OutcomeUnknown or heard == number * 2
        for numbers in world.order.values():
            tells = [number for number in numbers if number in world.told]
            assert tells == sorted(set(tells))
        for name in NAMES:
            if len(self.boxes[name]) == 1 and not self.boxes[name][0].is_closed:  # removal drops what was told
                kept = self.boxes[name][0].depth
                taken = sum(world.done[number] for number, to in world.told.items() if to == name)
                assert taken + kept == sum(to == name for to in world.told.values())
        assert all(child.state not in UP for child in self.supervisor.status().children)


async def play(steps: list[Step], restart: Restart, excess: Excess, *, is_cancelled: bool, is_hurried: bool) -> None:
    it = Play(restart, excess)
    async with trio.open_nursery() as askers:
        async with trio.open_nursery() as nursery:
            await nursery.start(it.supervisor.run)
            async with trio.open_nursery() as verbs:
                for step in steps:
                    await it.do(step, askers if step.what == "ask" else verbs)
            if is_cancelled:
                nursery.cancel_scope.cancel()
            it.supervisor.stop(now=is_hurried)
        # Asks to a child that was never started, or is gone for good without its supervisor's doing, would wait on.
        for boxes in it.boxes.values():
            for box in boxes:
                if not box.is_closed:
                    box.refuse()
    it.check_end()


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(STEPS, max_size=40),
    restart=st.sampled_from(Restart),
    excess=st.sampled_from([Excess.PARK, Excess.KEEP_ON]),
    is_cancelled=st.booleans(),
    is_hurried=st.booleans(),
)
def test_the_promises_hold_whatever_happens(
    steps: list[Step], restart: Restart, excess: Excess, is_cancelled: bool, is_hurried: bool
) -> None:
    async def main() -> None:
        await play(steps, restart, excess, is_cancelled=is_cancelled, is_hurried=is_hurried)

    trio.run(main, clock=MockClock(autojump_threshold=0))
