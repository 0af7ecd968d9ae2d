"""Accounts as the tests of the use cases need them."""

from typing import Any

from bottalk.messages import Session
from bottalk.service.accounts import RegisterForm
from bottalk.service.sessions import Visitor
from bottalk.values import Secret, User, UserId
from tests.support.world import Person, World

FAR = "192.0.2.9"


async def join(
    world: World, email: str, *, ip: str = FAR, invite: str = "", before: Session | None = None
) -> tuple[User, Secret, Visitor]:
    form = RegisterForm(email, ip, Secret(invite))
    session_id, visitor = await world.daemon.services.accounts.register(form, before)
    assert visitor.user is not None
    return visitor.user, session_id, visitor


async def knows(world: World, session_id: Secret) -> bool:
    """Whether the session is logged in."""
    visitor = await world.daemon.services.sessions.find(session_id)
    return visitor is not None and visitor.user is not None


async def export(world: World, user_id: UserId) -> dict[str, Any]:
    """The whole document."""
    found = world.daemon.services.accounts.export(user_id)
    return {**found.head, "logs": [row async for rows in found.logs for row in rows]}


def owner(world: World, person: Person) -> User:
    user = world.daemon.pictures.directory.user(world.channel(person).user_id)
    assert user is not None
    return user
