"""Connecting for a send while its row is committed."""

from pathlib import Path

import pytest

from bottalk.ilink.bot import Bot
from tests.actors.spending import spend
from tests.support.world import open_world


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> list[Bot]:
    """The bots that were told to connect; the sandbox in this process has nothing to connect, so it says it is cold."""
    seen: list[Bot] = []

    async def warm(bot: Bot) -> None:
        seen.append(bot)

    monkeypatch.setattr(Bot, "is_cold", property(lambda bot: True))
    monkeypatch.setattr(Bot, "warm", warm)
    return seen


async def test_a_push_that_can_go_connects_while_it_is_committed(
    tmp_path: Path, autojump_clock: object, warmed: list[Bot]
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
        await world.push(person, "一")
        assert len(warmed) == 1


async def test_a_push_that_must_wait_does_not(tmp_path: Path, autojump_clock: object, warmed: list[Bot]) -> None:
    async with open_world(tmp_path) as world:
        person = await world.bind()
        await world.write(person)
        await spend(world, person, 10)
        before = len(warmed)
        await world.push(person, "窗口关了")
        assert len(warmed) == before
