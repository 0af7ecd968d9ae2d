"""A small tree for reminders: journal and reminders actor on a real database, in virtual time, and nobody who sends."""

import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import trio

from bottalk.actors.journal import Journal, load_pictures
from bottalk.actors.reminders import Reminders
from bottalk.delivery import window as windows
from bottalk.service.reminders import ReminderForm
from bottalk.service.reminders import Reminders as Service
from bottalk.store import channels, users
from bottalk.store.database import Database, open_database
from bottalk.store.threads import Runner
from bottalk.values import Channel, ChannelId, ChannelStatus, Reminder, Secret, User, UserId
from bottalk.verbs.draft import Pictures
from supervisors import ChildSpec, ChildState, Mailbox, Supervisor
from tests.support.world import VirtualClock, config_for, inline

R = TypeVar("R")

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"
OWNER = UserId(1)


def clock_at(text: str, zone: str = SHANGHAI) -> VirtualClock:
    """A wall clock that shows `text` now."""
    clock = VirtualClock()
    set_clock(clock, text, zone)
    return clock


def set_clock(clock: VirtualClock, text: str, zone: str = SHANGHAI) -> None:
    clock.offset = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() - trio.current_time()


class Small:
    """The open tree, and what a test asks of it."""

    def __init__(self, pictures: Pictures, journal: Mailbox[Any], database: Database, clock: VirtualClock) -> None:
        self.pictures = pictures
        self.journal = journal
        self.database = database
        self.clock = clock
        self.service = Service(pictures, journal, clock)

    async def create(self, kind: str, time: str, user_id: UserId = OWNER, **more: Any) -> Reminder:  # noqa: ANN401
        return await self.service.create(user_id, ReminderForm(type=kind, time=time, **({"title": "喝水"} | more)))

    def now(self, reminder: Reminder) -> Reminder:
        """The reminder as it is now."""
        found = self.pictures.reminders.get(reminder.id)
        assert found is not None
        return found

    async def until(self, text: str, zone: str = SHANGHAI) -> None:
        """Sleep, in virtual time, until the wall clock shows `text`."""
        due = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
        await trio.sleep(due - self.clock.now())
        await trio.testing.wait_all_tasks_blocked()

    async def fired(self, reminder: Reminder, zone: str = SHANGHAI) -> list[str]:
        """When it was fired, one for each row in the log."""
        rows = await self.rows("SELECT accepted_at FROM push_logs WHERE reminder_id = ? ORDER BY id", reminder.id)
        return [datetime.fromtimestamp(row[0], ZoneInfo(zone)).strftime("%m-%d %H:%M") for row in rows]

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return await self.database.read(lambda c: [tuple(row) for row in c.execute(query, values)])


@asynccontextmanager
async def open_small(
    data_dir: Path, clock: VirtualClock, *, tz: str = SHANGHAI, seed: int = 1, runner: Runner | None = None
) -> AsyncIterator[Small]:
    """The tree on `data_dir`: one account without channels, unless the file has accounts. No actor may crash."""
    rng = random.Random(seed)
    config = config_for(data_dir, tz=tz)
    async with open_database(config.database, now=clock.now(), runner=inline(rng)) as filled:
        await filled.write(lambda c: users.every(c) or add_user(c))
    async with open_database(config.database, now=clock.now(), runner=runner or inline(rng)) as database:
        pictures, next_row_id = await load_pictures(database, clock.now())
        journal = Journal(database, pictures, config, clock, next_row_id=next_row_id)
        actor = Reminders(pictures.reminders, journal.mailbox, config, clock)
        children = [
            ChildSpec("journal", journal.run, mailbox=journal.mailbox),
            ChildSpec("reminders", actor.run),
        ]
        root = Supervisor("root", children, rng=rng, wall=clock.now)
        async with trio.open_nursery() as nursery:
            await nursery.start(root.run)
            yield Small(pictures, journal.mailbox, database, clock)
            assert [child.restarts for child in root.status().children] == [0, 0]
            assert {child.state for child in root.status().children} == {ChildState.RUNNING}
            root.stop()


def add_user(connection: sqlite3.Connection, key: str = "0" * 32, *, is_disabled: bool = False) -> UserId:
    return users.insert(connection, User(UserId(0), Secret(key), created_at=1.0, is_disabled=is_disabled))


def add_channel(
    connection: sqlite3.Connection, user_id: UserId = OWNER, *, activated: bool = True, is_default: bool = True
) -> ChannelId:
    number = connection.execute("SELECT count(*) FROM channels").fetchone()[0]
    channel = Channel(
        id=ChannelId(0),
        user_id=user_id,
        name="默认通道",
        wechat_openid=f"wechat {number}",
        bot_id=f"bot {number}",
        bot_token=Secret(f"token {number}"),
        base_url="http://ilink.test",
        status=ChannelStatus.ACTIVE if activated else ChannelStatus.PENDING,
        window=windows.fresh(config_for(Path()).delivery),
        created_at=1.0,
        bound_at=1.0,
        is_default=is_default,
        activated_at=1.0 if activated else None,
    )
    return channels.insert(connection, channel)


async def prepare(data_dir: Path, clock: VirtualClock, function: Callable[[sqlite3.Connection], R]) -> R:
    """Write to the file while no tree runs on it."""
    async with open_database(data_dir / "bottalk.db", now=clock.now(), runner=inline(random.Random(1))) as database:
        return await database.write(function)
