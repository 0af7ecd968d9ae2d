"""The poll loop against an iLink, or a proxy before it, that does not hold polls."""

from pathlib import Path

import trio

from tests.actors.picky import picky_world


async def test_polls_that_are_answered_at_once_with_nothing_do_not_run_hot(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with picky_world(tmp_path) as (world, picky):
        person = await world.active()
        picky.is_hasty = True
        await world.write(person, "醒醒")  # ends the poll that is held
        before = picky.polls
        await trio.sleep(60)
        assert 55 <= picky.polls - before <= 61
        await world.push(person, "照样送到")
        assert world.texts(person) == ["照样送到"]
        picky.is_hasty = False
        began = trio.current_time()
        await world.write(person, "在")
        assert trio.current_time() - began <= 1, "the next poll waits a second at most"
