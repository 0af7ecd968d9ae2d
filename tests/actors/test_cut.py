"""A run of the daemon, or a channel's actor, that ends from one moment to the next."""

from contextlib import suppress
from pathlib import Path

import httpx
import trio

from bottalk.errors import CannotWrite
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.service.logs import LogForm
from bottalk.writable import Writable
from tests.actors.spending import spend
from tests.contract.faults import Disk
from tests.support.world import Person, World, open_world


async def cut(tmp_path: Path, *titles: str, delay: float | None = None) -> tuple[World, Person]:
    """A run that is cut while these pushes wait."""
    with trio.CancelScope() as life:
        async with open_world(tmp_path) as world:
            person = await world.active()
            for title in titles:
                await world.push(person, title, wait=0, delay=delay)
            life.cancel()
    return world, person


async def test_a_daemon_that_was_cut_while_all_that_waits_is_delayed_starts_again(
    tmp_path: Path, autojump_clock: object
) -> None:
    world, person = await cut(tmp_path, "以后", delay=3600)
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await again.until(lambda: again.texts(person) == ["以后"], within=3700)
        (row,) = await again.daemon.services.logs.of(again.channel(person).user_id, LogForm())
        assert "maybe_duplicate" not in row.response, "its time had not come: it cannot have been under way"


class Slow(Disk):
    """Full until the daemon has given up what it had to write: a stop does not wait for ever."""

    def __init__(self) -> None:
        self.writable: Writable | None = None
        super().__init__()

    @property
    def full(self) -> bool:
        return self.writable is not None and self.writable.forgotten is None

    @full.setter
    def full(self, value: bool) -> None: ...


async def stopped_too_soon(tmp_path: Path, disk: Slow) -> tuple[World, Person]:
    """A run whose last outcome is not written: iLink took the message, and the stop could wait no longer."""
    with suppress(CannotWrite):
        async with open_world(tmp_path, runner=disk) as world:
            person = await world.active()
            world.sandbox.arm(Fault(kind="delay", endpoint="sendmessage", delay_s=5.0))
            await world.push(person, "也许两次", wait=0)
            await trio.sleep(1)
            disk.writable = world.daemon.pictures.writable
    return world, person


async def test_an_outcome_that_a_stop_could_not_write_makes_the_run_one_that_was_cut(
    tmp_path: Path, autojump_clock: object
) -> None:
    disk = Slow()
    world, person = await stopped_too_soon(tmp_path, disk)
    assert "full" in (world.daemon.pictures.writable.forgotten or "")
    assert world.texts(person) == ["也许两次"]
    assert world.waiting(person) == 1
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        await again.until(lambda: again.waiting(person) == 0)
        assert again.texts(person) == ["也许两次", "也许两次"]
        (row,) = await again.daemon.services.logs.of(again.channel(person).user_id, LogForm())
        assert '"maybe_duplicate":true' in row.response
        assert again.channel(person).window.spent == 2


async def test_a_probe_that_was_cut_is_not_repeated_within_the_hour(tmp_path: Path, autojump_clock: object) -> None:
    disk = Disk()
    with trio.CancelScope() as life, suppress(CannotWrite):
        async with open_world(tmp_path, runner=disk, parameters=DEMO) as world:
            person = await world.active()
            await spend(world, person, 10)
            await world.push(person, "等着", wait=0)
            world.sandbox.arm(Fault(kind="hang", endpoint="sendmessage"))
            outbox = world.daemon.pictures.outboxes.of(person.channel_id)
            await world.until(lambda: bool(outbox.in_hand), within=3700)
            await trio.sleep(1)
            disk.full = True  # as after a kill, nothing of its end is written
            life.cancel()
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock) as again:
        before = len(again.sandbox.record.of("sendmessage"))
        await trio.sleep(3500)
        assert len(again.sandbox.record.of("sendmessage")) == before
        await again.write(person)
        await again.until(lambda: again.waiting(person) == 0)
        assert again.texts(person)[10:] == ["等着"]


class Crashing(httpx.AsyncBaseTransport):
    """The first send raises, when iLink has answered, what no client expects."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._has_crashed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if request.url.path.endswith("/sendmessage") and not self._has_crashed:
            self._has_crashed = True
            raise RuntimeError("planted: a bug between the answer and what becomes of it")
        return response


async def test_a_message_whose_actor_crashed_says_that_it_may_come_twice(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_world(tmp_path) as world:
        person = await world.active()
    async with open_world(tmp_path, sandbox=world.sandbox, clock=world.clock, wire=Crashing) as again:
        await again.push(person, "也许两次", wait=0)
        await again.until(lambda: again.waiting(person) == 0)
        assert again.texts(person) == ["也许两次", "也许两次"]
        (row,) = await again.daemon.services.logs.of(again.channel(person).user_id, LogForm())
        assert '"maybe_duplicate":true' in row.response
        assert again.channel(person).window.spent == 2


async def test_what_may_have_arrived_and_is_past_its_time_waits_for_its_next_try_at_rest(
    tmp_path: Path, autojump_clock: object
) -> None:
    """Virtual time passes only while nobody is busy: an actor that spins would never come to its next try."""
    async with open_world(tmp_path) as world:
        person = await world.active()
        world.sandbox.arm(Fault(kind="lost_answer", endpoint="sendmessage"))
        world.sandbox.arm(Fault(kind="status", endpoint="sendmessage", times=4))
        await world.push(person, "也许到了", wait=0, ttl=60)
        await world.until(lambda: world.waiting(person) == 0, within=200)
        assert world.texts(person) == ["也许到了", "也许到了"]
