"""A whole BotTalk in virtual time: the real tree and a real SQLite file, against the sandbox in this process."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import trio

from bottalk.actors.watchdog import Manager
from bottalk.config import Config, load
from bottalk.daemon import Daemon, open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import FIELD, Parameters
from bottalk.sandbox.transport import transport
from bottalk.service.pushes import PushAnswer, PushForm
from bottalk.service.sessions import Visitor
from bottalk.store.threads import Runner
from bottalk.values import Channel, ChannelId, Secret
from bottalk.words import Words

R = TypeVar("R")

UNASKED = Words(welcome="")
"""The real words, but for the welcome."""

EPOCH = 1_790_000_000.0
"""Wall time at the start of trio's virtual clock."""


class VirtualClock:
    """Wall time that follows trio's clock, and can be set forward and back."""

    def __init__(self) -> None:
        self.offset = EPOCH

    def now(self) -> float:
        return self.offset + trio.current_time()


def inline(rng: random.Random) -> Runner:
    """Runs the store's calls in place, after a seeded number of checkpoints: groups form and interleave as in life."""

    async def run(function: Callable[[], R], limiter: trio.CapacityLimiter, /) -> R:
        async with limiter:
            for _ in range(rng.randrange(4)):
                await trio.lowlevel.checkpoint()
            return function()

    return run


@dataclass(slots=True)
class Person:
    """A sandbox user whose channel is bound. `visitor` is the browser session that asked for the code."""

    user: str
    channel_id: ChannelId
    send_key: str
    visitor: Visitor


class World:
    """What a test needs to play phone, browser and curl."""

    def __init__(self, daemon: Daemon, sandbox: Sandbox, clock: VirtualClock) -> None:
        self.daemon = daemon
        self.sandbox = sandbox
        self.clock = clock

    async def bind(self, user: str | None = None, *, ip: str = "192.0.2.1") -> Person:
        """A browser asks for a code, a phone scans and confirms it. Not activated."""
        user = user or self.sandbox.new_user()
        _, visitor = await self.daemon.services.sessions.open()
        code = await self.daemon.services.channels.new_code(visitor, ip, public=True)
        handle = code.binding.code.reveal()
        self.sandbox.scan(handle, user)
        self.sandbox.confirm(handle)
        done = await self.until(lambda: self._done(handle, visitor))
        return Person(user, ChannelId(int(done["id"])), str(done["send_key"]), visitor)

    def _done(self, handle: str, visitor: Visitor) -> dict[str, Any] | None:
        binding = self.daemon.services.channels.binding(handle, visitor, public=True, digits=None)
        return dict(binding.result) if binding is not None and binding.result else None

    async def active(self, user: str | None = None) -> Person:
        """A bound person who has written a word."""
        person = await self.bind(user)
        await self.write(person)
        return person

    async def write(self, person: Person, text: str = "hi") -> None:
        """The person writes, and the daemon has noticed."""
        before = self.channel(person).window.epoch
        self.sandbox.write(person.user, text)
        await self.until(lambda: self.channel(person).window.epoch > before)

    async def push(self, person: Person, title: str = "", text: str = "", **more: Any) -> PushAnswer:  # noqa: ANN401
        return await self.daemon.services.pushes.push(PushForm(Secret(person.send_key), title, text, **more))

    def channel(self, person: Person) -> Channel:
        channel = self.daemon.pictures.directory.channel(person.channel_id)
        assert channel is not None
        return channel

    def texts(self, person: Person) -> list[str]:
        """What the phone shows, in order."""
        return [message.text for message in self.sandbox.read(person.user)]

    def waiting(self, person: Person) -> int:
        return self.daemon.pictures.outboxes.depth(person.channel_id)

    async def until(self, condition: Callable[[], R | None], within: float = 3600.0) -> R:
        """Wait, in virtual time, for what is true; fails loudly when it does not come `within` seconds."""
        with trio.move_on_after(within):
            while not (found := condition()):  # noqa: ASYNC110 - no event tells of a foreign condition
                await trio.sleep(0.05)  # virtual
            return found
        raise AssertionError(f"it did not come within {within:g} virtual seconds")


def config_for(data_dir: Path, **overrides: Any) -> Config:  # noqa: ANN401
    """Settings of a daemon against the in-process sandbox."""
    settings = {
        "data_dir": str(data_dir),
        "demo": True,
        "codes_per_address": 1000,
        "backup_every": 0,
        "alert_disk_free": 0,
        "ilink.base_url": "http://ilink.test",
    }
    return load(environ={}, overrides=settings | overrides)


@asynccontextmanager
async def open_world(
    data_dir: Path,
    *,
    sandbox: Sandbox | None = None,
    clock: VirtualClock | None = None,
    parameters: Parameters = FIELD,
    seed: int = 1,
    runner: Runner | None = None,
    wire: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda sandbox: sandbox,
    words: Words = UNASKED,
    manager: Manager | None = None,
    alert_transport: httpx.AsyncBaseTransport | None = None,
    **overrides: Any,  # noqa: ANN401
) -> AsyncIterator[World]:
    """A running daemon on `data_dir`. Hand the last world's `sandbox` and `clock` in to restart on the same data.

    `wire` is put around the transport to the sandbox. Without `words` nobody is welcomed, since a test counts what it
    has pushed; `bottalk.words.DEFAULT` are the real ones.
    """
    rng = random.Random(seed)
    clock = clock or VirtualClock()
    sandbox = sandbox or Sandbox(now=clock.now, rng=random.Random(seed), parameters=parameters)
    async with open_daemon(
        config_for(data_dir, **overrides),
        clock=clock,
        rng=rng,
        runner=runner or inline(rng),
        ilink_transport=wire(transport(sandbox)),
        sockets=False,
        words=words,
        manager=manager,
        alert_transport=alert_transport,
    ) as daemon:
        yield World(daemon, sandbox, clock)
