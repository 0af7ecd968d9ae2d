"""A window that is partly spent."""

from bottalk.values import Priority
from tests.support.world import Person, World


async def spend(world: World, person: Person, messages: int) -> None:
    """So many messages, one by one, without waiting for more to gather."""
    for n in range(messages):
        await world.push(person, f"第 {n} 条", wait=0, priority=Priority.URGENT)
        await world.until(lambda: world.waiting(person) == 0)
