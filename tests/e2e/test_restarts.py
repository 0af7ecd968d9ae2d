"""Stops and starts in this process: what happened at the last moment is kept, and nothing is left behind."""

import gc
import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio
import trio.testing

from bottalk.config import load
from bottalk.daemon import open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.server import serve as serve_sandbox
from bottalk.service.pushes import PushAnswer
from tests.support.world import UNASKED, World, open_world

R = TypeVar("R")


class Held:
    """A runner of the store's calls that can be held in the middle of a write, as a slow disk holds it."""

    def __init__(self) -> None:
        self.is_open = trio.Event()
        self.is_open.set()
        self.waiting = 0

    async def __call__(self, function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            self.waiting += 1
            with trio.CancelScope(shield=True):
                await self.is_open.wait()
            self.waiting -= 1
            return function()

    def hold(self) -> None:
        self.is_open = trio.Event()


async def test_a_word_that_comes_in_the_moment_of_the_stop_is_kept(tmp_path: Path, autojump_clock: object) -> None:
    """iLink does not say it twice, and it is what opens the window."""
    disk = Held()
    async with open_world(tmp_path, runner=disk) as world:
        person = await world.bind()
        await trio.sleep(5)
        disk.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.daemon.services.sessions.open)  # something else is being written
            await world.until(lambda: disk.waiting == 1)
            world.sandbox.write(person.user, "你好")
            await world.until(lambda: world.daemon.journal.mailbox.depth == 1)
            world.daemon.stop()
            await trio.sleep(0.3)
            disk.is_open.set()
        await world.daemon.ended.wait()
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        assert again.channel(person).window.epoch == 1
        await again.push(person, "在")
        assert again.texts(person) == ["在"]


async def test_after_a_cut_run_the_first_message_says_that_it_may_be_a_copy(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        busy, idle, shut = await world.active(), await world.active(), await world.bind()
        world.sandbox.arm(Fault(kind="lost_answer", endpoint="sendmessage", ending="hang"))
        answer = await world.push(busy, "第一条", wait=0)
        await world.until(lambda: world.texts(busy))
        late = await world.push(busy, "第二条", "x" * 1990, wait=0)  # not in the first message
        copy_files(tmp_path, tmp_path / "cut")  # as the disk is in the moment of a kill
    async with open_world(tmp_path / "cut", sandbox=world.sandbox, clock=world.clock) as again:
        assert [row.maybe_duplicate for row in again.daemon.pictures.outboxes.of(busy.channel_id)] == [True, False]
        assert [again.channel(one).window.spent for one in (busy, idle, shut)] == [1, 0, 0]
        await again.until(lambda: again.waiting(busy) == 0, within=10)
        assert again.texts(busy)[:2] == ["第一条", "第一条"]
        assert [await says_maybe(again, one) for one in (answer, late)] == [True, False]
    async with open_world(tmp_path / "cut", sandbox=world.sandbox, clock=world.clock) as third:
        assert third.channel(busy).window.spent == 3, "a stop in order leaves nothing to suspect"


async def says_maybe(world: World, answer: PushAnswer) -> bool:
    assert answer.push_id is not None
    assert answer.readkey is not None
    (story,) = await world.daemon.services.pushes.story(answer.push_id, answer.readkey)
    return bool(json.loads(story.response).get("maybe_duplicate", False))


async def test_twenty_starts_and_stops_leave_nothing(tmp_path: Path) -> None:
    """Real sockets, real threads, real files: descriptors, threads and tasks are as many as before."""
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=DEMO)
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(serve_sandbox, sandbox)
        settings = {
            "port": 0,
            "data_dir": str(tmp_path / "data"),
            "demo": True,
            "ilink.base_url": upstream,
            "ilink.allowed_hosts": ("127.0.0.1",),
        }
        config = load(environ={}, overrides=settings)
        counts = []
        for _ in range(20):
            async with open_daemon(config, words=UNASKED) as daemon:
                world = World(daemon, sandbox, clock=None)  # type: ignore[arg-type]  # only its clockless parts are used
                person = await world.active(sandbox.users[0] if sandbox.users else None)
                await world.push(person, "一条")
            await trio.testing.wait_all_tasks_blocked(0.05)  # the upstream's side of each connection ends, too
            counts.append(what_is_left())
        assert counts[-1] == counts[3], counts
        assert len(sandbox.read(person.user)) == 20
        assert sandbox.max_concurrent_polls() == 1
        nursery.cancel_scope.cancel()


def what_is_left() -> tuple[int, int, int]:
    gc.collect()
    tasks = trio.lowlevel.current_statistics().tasks_living
    return tasks, threading.active_count(), len(os.listdir("/proc/self/fd"))


def copy_files(source: Path, target: Path) -> None:
    target.mkdir()
    for name in ("bottalk.db", "bottalk.db-wal"):
        (target / name).write_bytes((source / name).read_bytes())
