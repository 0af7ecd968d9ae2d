"""What a daemon is doing when it dies: whom it serves, what waits, who pushes how."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import trio

from tests.e2e.processes import Bound, Field

MARK = re.compile(r"push-\d{3}-of-run")
"""The title of each push, in the order of pushing."""


@dataclass(slots=True)
class Stage:
    """`answered`: the titles of the pushes whose callers were told that they are kept or delivered."""

    the: Field
    people: list[Bound] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    numbers: "count[int]" = field(default_factory=count)

    async def push(self, bound: Bound, text: str = "", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        """One push. Raises httpx.TransportError when the daemon is gone before it has answered."""
        title = f"push-{next(self.numbers):03}-of-run"
        answer = await self.the.push(bound, title, desp=text, **fields)
        assert answer["code"] in (0, 50001), answer
        assert all(row["status"] == "success" or row["queued"] for row in answer["data"]["results"]), answer
        self.answered.add(title)
        return answer

    async def pushes(self, bound: Bound, number: int, text: str = "", **fields: Any) -> None:  # noqa: ANN401
        """One after the other, until the daemon is gone."""
        for _ in range(number):
            try:
                await self.push(bound, text, **fields)
            except httpx.TransportError:
                return

    async def spend(self, bound: Bound, left: int) -> None:
        """Push until so many messages are left of the window."""
        while True:
            answer = await self.push(bound, wait=20)
            [row] = answer["data"]["results"]
            if row["status"] != "success" or row["window"]["left"] <= left:
                return


Scene = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Shape:
    """`prepare` runs before the point is armed, `act` until the daemon dies. `least`: how often `act` passes the
    points of a kind for certain. `waits`: what is left needs another word of the user."""

    prepare: Scene
    act: Scene
    least: Mapping[str, int]
    cursor_mode: str = "consume"
    waits: bool = False


async def one_person(stage: Stage) -> None:
    stage.people.append(await stage.the.bind())


async def three_people(stage: Stage) -> None:
    for _ in range(3):
        stage.people.append(await stage.the.bind())


async def two_channels(stage: Stage) -> None:
    stage.people = [await stage.the.bind(), await stage.the.bind(own=True)]


async def two_messages_left(stage: Stage) -> None:
    await one_person(stage)
    await stage.spend(stage.people[0], 2)


async def closed_with_rows(stage: Stage) -> None:
    """Six texts of which two fit one message."""
    await one_person(stage)
    await stage.spend(stage.people[0], 0)
    await stage.pushes(stage.people[0], 6, "字" * 900)


async def three_closed_with_rows(stage: Stage) -> None:
    await three_people(stage)
    for person in stage.people:
        await stage.spend(person, 0)
        await stage.pushes(person, 2, "字" * 1200)


async def one_after_the_other(stage: Stage) -> None:
    await stage.pushes(stage.people[0], 8, "x" * 20, wait=20)


async def all_at_once(stage: Stage) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(stage.pushes, stage.people[0], 1, "x" * 20)


async def all_of_them(stage: Stage) -> None:
    async with trio.open_nursery() as nursery:
        for person in stage.people:
            nursery.start_soon(stage.pushes, person, 6, "x" * 900)


async def to_all_channels(stage: Stage) -> None:
    await stage.pushes(stage.people[0], 5, channel="all", wait=20)


async def they_write(stage: Stage) -> None:
    for person in stage.people:
        await stage.the.write(person.user)


SHAPES: dict[str, Shape] = {
    "one by one": Shape(one_person, one_after_the_other, {"accept": 8, "send": 8, "settle": 8}),
    "a burst": Shape(one_person, all_at_once, {"accept": 1, "send": 1, "settle": 1}),
    "three people": Shape(three_people, all_of_them, {"accept": 2, "send": 3, "settle": 2}),
    "two channels": Shape(two_channels, to_all_channels, {"accept": 5, "send": 10, "settle": 5}),
    "the last two": Shape(two_messages_left, one_after_the_other, {"accept": 8, "send": 2, "settle": 2}, waits=True),
    "a drain": Shape(closed_with_rows, they_write, {"inbound": 1, "poll": 1, "send": 3, "settle": 3}),
    "a drain, replayed": Shape(
        closed_with_rows, they_write, {"inbound": 1, "poll": 1, "send": 3, "settle": 3}, cursor_mode="replay"
    ),
    "three drains": Shape(
        three_closed_with_rows, they_write, {"inbound": 1, "poll": 3, "send": 6, "settle": 3}, cursor_mode="replay"
    ),
}
