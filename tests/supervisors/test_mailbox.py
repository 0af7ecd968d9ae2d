"""A mailbox without a supervisor: the test plays the actor."""

from collections.abc import Callable
from math import nan

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from supervisors import AnswerError, Letter, Mailbox, MailboxFull, MailboxStatus, NotTaken, OutcomeUnknown, Stopping
from tests.supervisors.tools import Boom, Double


class Asker:
    """An ask in a task of its own, and what came of it."""

    def __init__(self, mailbox: Mailbox[Double], number: int = 1, within: float | None = None) -> None:
        self._mailbox, self._request, self._within = mailbox, Double(number), within
        self.scope = trio.CancelScope()
        self.got: int | Exception | None = None
        self.is_done = False

    async def run(self) -> None:
        with self.scope:
            try:
                self.got = await self._send()
            except Exception as error:
                self.got = error
        self.is_done = True

    async def _send(self) -> int:
        if self._within is None:
            return await self._mailbox.ask(self._request)
        return await self._mailbox.ask(self._request, timeout=self._within)


@pytest.fixture
def mailbox() -> Mailbox[Double]:
    return Mailbox("m", 3)


async def test_tells_arrive_in_order(mailbox: Mailbox[Double]) -> None:
    for n in range(3):
        mailbox.tell(Double(n))
    assert [(await mailbox.take()).message.number for _ in range(3)] == [0, 1, 2]
    assert mailbox.take_nowait() is None


async def test_full_keeps_nothing(mailbox: Mailbox[Double]) -> None:
    for n in range(3):
        mailbox.tell(Double(n))
    with pytest.raises(MailboxFull):
        mailbox.tell(Double(9))
    with pytest.raises(MailboxFull):
        await mailbox.ask(Double(9))
    with pytest.raises(MailboxFull):
        await mailbox.ask(Double(9), timeout=1)
    assert [letter.message.number for letter in await mailbox.take_all()] == [0, 1, 2]
    assert mailbox.status() == MailboxStatus("m", capacity=3, depth=0, peak=3, in_hand=0, refused=3)


def test_capacity_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="capacity"):
        Mailbox("m", 0)


@pytest.mark.parametrize("within", [None, 10.0])
async def test_an_answer_comes_back(
    mailbox: Mailbox[Double], nursery: trio.Nursery, autojump_clock: trio.abc.Clock, within: float | None
) -> None:
    asker = Asker(mailbox, 21, within)
    nursery.start_soon(asker.run)
    letter = await mailbox.take()
    assert letter.is_ask
    assert mailbox.status().in_hand == 1
    letter.reply(42)
    assert asker.got is None  # only woken; nothing ran in between
    assert mailbox.status().in_hand == 0
    await wait_all_tasks_blocked()
    assert asker.got == 42


async def test_a_failure_comes_back(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    asker, error = Asker(mailbox), Boom("no")
    nursery.start_soon(asker.run)
    (await mailbox.take()).fail(error)
    await wait_all_tasks_blocked()
    assert asker.got is error


@pytest.mark.parametrize("again", [lambda letter: letter.reply(1), lambda letter: letter.fail(Boom())])
async def test_answering_twice_is_an_error(
    mailbox: Mailbox[Double], nursery: trio.Nursery, again: Callable[[Letter[Double]], None]
) -> None:
    nursery.start_soon(Asker(mailbox).run)
    letter = await mailbox.take()
    letter.reply(2)
    with pytest.raises(AnswerError):
        again(letter)


async def test_a_tell_has_no_answer(mailbox: Mailbox[Double]) -> None:
    mailbox.tell(Double(1))
    letter = await mailbox.take()
    assert not letter.is_ask
    with pytest.raises(AnswerError, match="tell"):
        letter.reply(2)


async def test_untaken_at_its_deadline_it_is_withdrawn(
    mailbox: Mailbox[Double], autojump_clock: trio.abc.Clock
) -> None:
    start = trio.current_time()
    with pytest.raises(NotTaken, match="within 3 s"):
        await mailbox.ask(Double(1), timeout=3)
    assert trio.current_time() - start == pytest.approx(3)
    assert mailbox.take_nowait() is None


async def test_no_time_at_all_is_never_taken(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    taken: list[Double] = []

    async def actor() -> None:
        taken.append((await mailbox.take()).message)

    nursery.start_soon(actor)
    await wait_all_tasks_blocked()
    with pytest.raises(NotTaken):
        await mailbox.ask(Double(1), timeout=0)
    await wait_all_tasks_blocked()
    assert taken == []
    nursery.cancel_scope.cancel()


async def test_a_nonsense_timeout_leaves_nothing_behind(mailbox: Mailbox[Double]) -> None:
    with pytest.raises(ValueError, match="NaN"):
        await mailbox.ask(Double(1), timeout=nan)
    assert mailbox.depth == 0


async def test_taken_in_time_it_runs_past_its_deadline(
    mailbox: Mailbox[Double], nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    asker = Asker(mailbox, 1, within=3)
    nursery.start_soon(asker.run)
    letter = await mailbox.take()
    await trio.sleep(100)
    letter.reply(2)
    await wait_all_tasks_blocked()
    assert asker.got == 2


@pytest.mark.parametrize("within", [None, 1000.0])
async def test_a_cancel_withdraws_what_is_untaken(
    mailbox: Mailbox[Double], nursery: trio.Nursery, within: float | None
) -> None:
    askers = [Asker(mailbox, n, within) for n in range(3)]
    for asker in askers:
        nursery.start_soon(asker.run)
        await wait_all_tasks_blocked()
    askers[1].scope.cancel()
    await wait_all_tasks_blocked()
    assert askers[1].is_done
    assert askers[1].got is None
    letters = await mailbox.take_all()
    assert [letter.message.number for letter in letters] == [0, 2]
    for letter in letters:
        letter.reply(0)


@pytest.mark.parametrize("within", [None, 1000.0])
async def test_a_cancel_of_what_is_taken_only_stops_listening(
    mailbox: Mailbox[Double], nursery: trio.Nursery, within: float | None
) -> None:
    asker = Asker(mailbox, 1, within)
    nursery.start_soon(asker.run)
    letter = await mailbox.take()
    asker.scope.cancel()
    await wait_all_tasks_blocked()
    assert asker.is_done
    assert asker.got is None
    assert mailbox.status().in_hand == 1
    letter.reply(2)
    assert mailbox.status().in_hand == 0
    with pytest.raises(AnswerError):
        letter.reply(3)


async def test_a_task_already_cancelled_asks_nothing(mailbox: Mailbox[Double]) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await mailbox.ask(Double(1))
    assert scope.cancelled_caught
    assert mailbox.depth == 0


async def test_the_taker_sleeps_again_when_what_woke_it_was_withdrawn(
    mailbox: Mailbox[Double], nursery: trio.Nursery
) -> None:
    taken: list[int] = []

    async def actor() -> None:
        taken.append((await mailbox.take()).message.number)
        taken.extend(letter.message.number for letter in await mailbox.take_all())

    nursery.start_soon(actor)
    await wait_all_tasks_blocked()
    for number in (1, 2):
        with trio.CancelScope() as scope:
            scope.cancel()
            await mailbox.ask(Double(99))
        await wait_all_tasks_blocked()
        mailbox.tell(Double(number))
        await wait_all_tasks_blocked()
    assert taken == [1, 2]


async def test_take_all_takes_what_gathers_while_it_yields(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    askers = [Asker(mailbox, n) for n in range(3)]
    got: list[Letter[Double]] = []

    async def actor() -> None:
        got.extend(await mailbox.take_all())

    nursery.start_soon(actor)
    await wait_all_tasks_blocked()
    for asker in askers:
        nursery.start_soon(asker.run)
    await wait_all_tasks_blocked()
    assert sorted(letter.message.number for letter in got) == [0, 1, 2]
    for letter in got:
        letter.reply(0)


async def test_take_all_respects_its_limit(mailbox: Mailbox[Double]) -> None:
    for n in range(3):
        mailbox.tell(Double(n))
    assert [letter.message.number for letter in await mailbox.take_all(2)] == [0, 1]
    assert [letter.message.number for letter in await mailbox.take_all(2)] == [2]


async def test_a_cancelled_take_takes_nothing(mailbox: Mailbox[Double]) -> None:
    mailbox.tell(Double(1))
    for take in (mailbox.take, mailbox.take_all):
        with trio.CancelScope() as scope:
            scope.cancel()
            await take()
        assert scope.cancelled_caught
    assert mailbox.depth == 1


async def test_a_taker_cancelled_just_as_a_letter_comes_leaves_it(
    mailbox: Mailbox[Double], nursery: trio.Nursery
) -> None:
    scope = trio.CancelScope()

    async def actor() -> None:
        with scope:
            await mailbox.take_all()

    nursery.start_soon(actor)
    await wait_all_tasks_blocked()
    mailbox.tell(Double(1))
    scope.cancel()
    await wait_all_tasks_blocked()
    assert mailbox.depth == 1
    assert (await mailbox.take()).message.number == 1


async def test_one_taker_at_a_time(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    nursery.start_soon(mailbox.take)
    await wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        await mailbox.take()
    mailbox.tell(Double(1))


async def test_a_drained_mailbox_ends_the_loop(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    seen: list[int] = []
    is_over = trio.Event()

    async def actor() -> None:
        async for letter in mailbox:
            seen.append(letter.message.number)
        is_over.set()

    mailbox.tell(Double(1))
    mailbox.tell(Double(2))
    mailbox.drain()
    nursery.start_soon(actor)
    await is_over.wait()
    assert seen == [1, 2]
    for take in (mailbox.take, mailbox.take_all):
        with pytest.raises(Stopping):
            await take()


async def test_a_waiting_taker_is_told_of_the_stop(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    is_over = trio.Event()

    async def actor() -> None:
        with pytest.raises(Stopping):
            await mailbox.take_all()
        is_over.set()

    nursery.start_soon(actor)
    await wait_all_tasks_blocked()
    mailbox.drain()
    await is_over.wait()


async def test_a_draining_mailbox_refuses_asks_and_keeps_tells(mailbox: Mailbox[Double]) -> None:
    mailbox.drain()
    with pytest.raises(NotTaken):
        await mailbox.ask(Double(1))
    mailbox.tell(Double(2))
    assert (await mailbox.take()).message.number == 2


async def test_settle_answers_every_asker_and_keeps_the_tells(mailbox: Mailbox[Double], nursery: trio.Nursery) -> None:
    taken, gone, untaken = Asker(mailbox, 1), Asker(mailbox, 2), Asker(mailbox, 3)
    for asker in (taken, gone):
        nursery.start_soon(asker.run)
    await wait_all_tasks_blocked()
    letters = await mailbox.take_all()
    gone.scope.cancel()
    mailbox.tell(Double(10))
    nursery.start_soon(untaken.run)
    await wait_all_tasks_blocked()
    mailbox.tell(Double(11))

    mailbox.settle()
    await wait_all_tasks_blocked()
    assert isinstance(taken.got, OutcomeUnknown)
    assert isinstance(untaken.got, NotTaken)
    assert gone.got is None
    assert mailbox.status().in_hand == 0
    with pytest.raises(AnswerError):
        letters[0].reply(2)
    assert [letter.message.number for letter in await mailbox.take_all()] == [10, 11]


async def test_refusing_keeps_tells_up_to_the_capacity(mailbox: Mailbox[Double]) -> None:
    mailbox.refuse()
    with pytest.raises(NotTaken):
        await mailbox.ask(Double(1))
    for n in range(3):
        mailbox.tell(Double(n))
    with pytest.raises(MailboxFull):
        mailbox.tell(Double(3))
    mailbox.open()
    assert len(await mailbox.take_all()) == 3


async def test_closed_is_for_good(mailbox: Mailbox[Double]) -> None:
    mailbox.tell(Double(1))
    mailbox.close()
    assert mailbox.is_closed
    assert mailbox.depth == 0
    with pytest.raises(NotTaken):
        mailbox.tell(Double(1))
    with pytest.raises(NotTaken):
        await mailbox.ask(Double(1))


def test_what_they_say_of_themselves(mailbox: Mailbox[Double]) -> None:
    mailbox.tell(Double(1))
    assert repr(mailbox) == "<Mailbox m, open, 1 of 3>"
    assert repr(mailbox.take_nowait()) == "<Letter Double to m, taken>"
    assert (mailbox.capacity, mailbox.depth, mailbox.peak) == (3, 0, 1)
