"""Random use cases of accounts, several at once, with callers who hang up at any checkpoint: memory equals database."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from bottalk.errors import BotTalkError
from bottalk.messages import CreateReminder
from bottalk.service.accounts import AccountForm, RegisterForm
from bottalk.service.users import UserForm
from bottalk.values import ReminderType, User, UserId
from supervisors import ChildState, SupervisionError
from tests.support.agreement import assert_memory_is_database, count
from tests.support.world import World, open_world

STEPS = 30
ORPHANS = (
    "SELECT count(*) FROM channels WHERE user_id NOT IN (SELECT id FROM users)",
    "SELECT count(*) FROM sessions WHERE user_id NOT IN (SELECT id FROM users WHERE NOT is_disabled)",
    "SELECT count(*) FROM reminders WHERE user_id NOT IN (SELECT id FROM users)",
    "SELECT count(*) FROM push_logs WHERE user_id NOT IN (SELECT id FROM users)",
)

Use = Callable[[], Awaitable[object]]


class Crowd:
    """People who do random things with random accounts."""

    def __init__(self, world: World, rng: random.Random, admin: UserId) -> None:
        self.world = world
        self.rng = rng
        self.admin = admin
        self.phones = [world.sandbox.new_user() for _ in range(4)]
        self.keys: set[str] = set()
        """Every SendKey that ever was."""

    def users(self) -> list[User]:
        return [user for user in self.world.daemon.pictures.directory.users() if user.id != self.admin]

    def use(self) -> Use:
        services, journal = self.world.daemon.services, self.world.daemon.journal.mailbox
        join = RegisterForm(f"{self.rng.randrange(5)}@example.org", f"192.0.2.{self.rng.randrange(250)}")
        phone = self.rng.choice(self.phones)
        users = self.users()
        self.keys |= {user.send_key.reveal() for user in users}
        if not users:
            return lambda: services.accounts.register(join, None)
        user = self.rng.choice(users)
        form = UserForm(is_disabled=not user.is_disabled, rate_limit=self.rng.randrange(5))
        reminder = CreateReminder(user.id, "早", "", ReminderType.DAILY, "08:00", "", 0)
        uses: dict[Use, int] = {
            lambda: services.accounts.register(join, None): 4,
            lambda: self.world.bind(phone): 4,
            lambda: services.accounts.log_in(user.send_key, None): 3,
            lambda: services.accounts.reset_key(user.id): 2,
            lambda: services.accounts.change(user.id, AccountForm(strict=not user.strict)): 1,
            lambda: services.accounts.delete(user.id, user.send_key): 1,
            lambda: services.users.change(self.admin, user.id, form): 4,
            lambda: services.users.delete(self.admin, user.id): 1,
            lambda: journal.ask(reminder): 2,
        }
        return self.rng.choices(list(uses), weights=list(uses.values()))[0]

    async def hang_up(self, use: Use) -> None:
        """Begin it, and leave after some checkpoints, or long after it is done."""
        ticks = self.rng.choice((0, 1, 2, 3, 5, 8, 13, 40, 400))
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_leave, scope, ticks)
                # refused, or the account went meanwhile; a bind that hung up halfway never comes to its end
                with suppress(BotTalkError, SupervisionError, KeyError):
                    await use()
                nursery.cancel_scope.cancel()


async def _leave(scope: trio.CancelScope, ticks: int) -> None:
    for _ in range(ticks):
        await trio.lowlevel.checkpoint()
    if ticks == 400:
        await trio.sleep(30)
    scope.cancel()


@pytest.mark.parametrize("seed", range(12))
async def test_memory_equals_database_whoever_hangs_up(seed: int, tmp_path: Path, autojump_clock: object) -> None:
    rng = random.Random(seed)
    async with open_world(tmp_path, seed=seed) as world:
        crowd = await gather(world, rng)
        for _ in range(STEPS):
            async with trio.open_nursery() as nursery:
                for _ in range(rng.randrange(1, 4)):
                    nursery.start_soon(crowd.hang_up, crowd.use())
            await assert_memory_is_database(world, tmp_path)
        await trio.sleep(60)
        await assert_memory_is_database(world, tmp_path)
        for query in ORPHANS:
            assert count(tmp_path, query) == 0, query
        assert_keys(world, crowd)
        assert_actors(world)
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await assert_memory_is_database(again, tmp_path)
        assert_actors(again)


async def gather(world: World, rng: random.Random) -> Crowd:
    services = world.daemon.services
    _, visitor = await services.accounts.register(RegisterForm("root@example.org", "127.0.0.1"), None)
    assert visitor.user is not None
    await services.users.grant(str(visitor.user.id))
    return Crowd(world, rng, visitor.user.id)


def assert_keys(world: World, crowd: Crowd) -> None:
    """A key that was replaced, or whose account is gone, opens nothing."""
    living = {user.send_key.reveal() for user in crowd.users()}
    for key in crowd.keys - living:
        assert world.daemon.pictures.directory.user_of_key(key) is None


def assert_actors(world: World) -> None:
    """Actors run by what is committed, whoever hung up when it was."""
    directory = world.daemon.pictures.directory
    for channel in directory.channels():
        user = directory.user(channel.user_id)
        assert user is not None
        child = world.daemon.channels.child(channel.id)
        runs = child is not None and child.state is ChildState.RUNNING
        assert runs == (channel.is_live and not user.is_disabled)
