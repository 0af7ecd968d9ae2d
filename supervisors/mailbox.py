"""A bounded mailbox that outlives its actor, and the letters in it.

A letter is told (no answer) or asked (one answer). The deadline of an ask is for being *taken*: until the actor takes
it, it can be withdrawn, and then never happens; once taken it runs to its end, whoever still listens.

This is the hot path of a program that may hold ten thousand mailboxes: an ask costs one parked task and no event,
nursery or channel, and an idle mailbox keeps no queue.
"""

from collections import deque
from enum import Enum
from math import inf
from typing import Any, Generic, TypeVar, final

import trio

from supervisors.ask import Ask
from supervisors.errors import MailboxFull, NotTaken, OutcomeUnknown, Stopping
from supervisors.letter import Letter, Stage
from supervisors.status import MailboxStatus

__all__ = ["Letter", "Mailbox"]

M = TypeVar("M")
R = TypeVar("R")


class _Door(Enum):
    """What a mailbox lets in. OPEN: all. DRAINING: tells; its actor ends when it is empty. REFUSING: tells, kept for
    the next incarnation. CLOSED: nothing."""

    OPEN = "open"
    DRAINING = "draining"
    REFUSING = "refusing"
    CLOSED = "closed"


@final
class Mailbox(Generic[M]):
    """Letters of type `M`, first in first out, at most `capacity` waiting. One task at a time takes them.

    Tells not yet taken survive their actor; asks do not, because somebody was told that they did not happen.
    """

    __slots__ = ("_capacity", "_door", "_in_hand", "_letters", "_peak", "_refused", "_taker", "name")

    def __init__(self, name: str, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"mailbox {name}: capacity must be at least 1, not {capacity}")
        self.name = name
        self._capacity = capacity
        self._door = _Door.OPEN
        self._letters: deque[Letter[M]] | None = None  # None while empty: an idle deque costs 760 bytes
        self._in_hand: set[Letter[M]] | None = None  # asks taken and unanswered; None while there are none
        self._taker: trio.lowlevel.Task | None = None
        self._peak = 0
        self._refused = 0

    # ---- for those who send

    def tell(self, message: M) -> None:
        """Leave `message`; never waits.

        Raises:
            MailboxFull: it was not kept.
            NotTaken: the mailbox is closed for good.
        """
        if self._door is _Door.CLOSED:
            raise NotTaken(f"mailbox {self.name} is closed")
        self._put(Letter(message, self, None))

    async def ask(self, request: Ask[R], *, timeout: float = inf) -> R:  # noqa: ASYNC109 - for being taken, not for all
        """Leave `request` and wait for its answer.

        `timeout` is how many seconds it may wait to be *taken* (0: never is); a taken one is waited for however long
        it runs. A cancel while it waits withdraws it; a cancel after it was taken stops the listening, not the work.

        Raises:
            MailboxFull: at once; it was not kept.
            NotTaken: it did not happen and will not: not taken in time, or the actor does not live or takes no more.
            OutcomeUnknown: the actor died with it in hand.
            Exception: whatever the actor failed it with.
        """
        if self._door is not _Door.OPEN:
            raise NotTaken(f"mailbox {self.name} takes no asks: its actor is stopping, stopped or parked")
        # The letters of the queue are M by convention: an ask's place in M cannot be said in today's type system.
        letter: Letter[Any] = Letter(request, self, trio.lowlevel.current_task())
        if timeout == inf:
            self._put(letter)
            return await letter.answered(request)
        with trio.CancelScope(deadline=trio.current_time() + timeout) as letter.scope:
            self._put(letter)
            return await letter.answered(request)
        raise NotTaken(f"mailbox {self.name}: not taken within {timeout:g} s")

    # ---- for the actor

    async def take(self) -> Letter[M]:
        """The oldest letter; waits for one. A cancel takes nothing.

        Raises:
            Stopping: a stop was asked for and nothing is left.
        """
        await trio.lowlevel.checkpoint()
        while self._letters is None:
            await self._arrival()
        return self._pop(self._letters)

    async def take_all(self, limit: int | None = None, *, gather: bool = True) -> list[Letter[M]]:
        """All that has gathered, oldest first, at most `limit`; waits for the first one. A cancel takes nothing.

        Having something it yields once before it takes, so that whoever is ready to send can join the group. Without
        `gather` it takes at once what it has waited for: where letters come one by one, the yield is only lost time.

        Raises:
            Stopping: a stop was asked for and nothing is left.
        """
        while True:
            has_waited = False
            while self._letters is None:
                await self._arrival()
                has_waited = True
            if gather or not has_waited:
                await trio.lowlevel.checkpoint()
            if self._letters is not None:  # the last one may have been withdrawn just now
                count = len(self._letters) if limit is None else min(limit, len(self._letters))
                return [self._pop(self._letters) for _ in range(count)]

    def take_nowait(self) -> Letter[M] | None:
        """The oldest letter, or None."""
        return None if self._letters is None else self._pop(self._letters)

    def __aiter__(self) -> "Mailbox[M]":
        return self

    async def __anext__(self) -> Letter[M]:
        """`async for letter in mailbox` ends when a stop was asked for and nothing is left."""
        try:
            return await self.take()
        except Stopping:
            raise StopAsyncIteration from None

    # ---- for those who watch

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def depth(self) -> int:
        """Letters waiting to be taken."""
        return 0 if self._letters is None else len(self._letters)

    @property
    def peak(self) -> int:
        """The most letters that ever waited."""
        return self._peak

    def status(self) -> MailboxStatus:
        in_hand = 0 if self._in_hand is None else len(self._in_hand)
        return MailboxStatus(self.name, self._capacity, self.depth, self._peak, in_hand, self._refused)

    def __repr__(self) -> str:
        return f"<Mailbox {self.name}, {self._door.value}, {self.depth} of {self._capacity}>"

    # ---- for the supervisor

    def open(self) -> None:
        """An incarnation begins: let everything in."""
        self._door = _Door.OPEN

    def drain(self) -> None:
        """A stop was asked for: refuse further asks, and raise `Stopping` in the taker when nothing is left."""
        self._door = _Door.DRAINING
        self._wake_taker()

    def settle(self) -> None:
        """The incarnation is gone: withdraw the asks it never took, and tell the askers of those it had in hand that
        the outcome is unknown. Tells stay."""
        if self._letters is not None:
            tells = deque(letter for letter in self._letters if not letter.is_ask)
            for letter in self._letters:
                if letter.is_ask:
                    letter.end(Stage.WITHDRAWN, NotTaken(f"mailbox {self.name}: its actor ended first"))
            self._letters = tells or None
        in_hand, self._in_hand = self._in_hand, None
        for letter in in_hand or ():
            letter.end(Stage.ANSWERED, OutcomeUnknown(f"mailbox {self.name}: its actor died with the ask in hand"))

    def refuse(self) -> None:
        """No incarnation for now (stopped, parked, finished): settle, refuse asks, keep tells up to the capacity."""
        self.settle()
        self._door = _Door.REFUSING

    def close(self) -> None:
        """No incarnation ever again: settle, drop the tells, refuse everything."""
        self.settle()
        self._letters = None
        self._door = _Door.CLOSED

    @property
    def is_closed(self) -> bool:
        return self._door is _Door.CLOSED

    # ---- within

    def _put(self, letter: Letter[M]) -> None:
        if self._letters is None:
            self._letters = deque()
        if len(self._letters) >= self._capacity:
            self._refused += 1
            raise MailboxFull(f"mailbox {self.name} is full ({self._capacity})")
        self._letters.append(letter)
        self._peak = max(self._peak, len(self._letters))
        self._wake_taker()

    def _pop(self, letters: deque[Letter[M]]) -> Letter[M]:
        letter = letters.popleft()
        if not letters:
            self._letters = None
        letter.taken()
        if letter.is_ask:
            if self._in_hand is None:
                self._in_hand = set()
            self._in_hand.add(letter)
        return letter

    def was_withdrawn(self, letter: Letter[M]) -> None:
        letters = self._letters
        if letters is not None:
            letters.remove(letter)
            if not letters:
                self._letters = None

    def was_answered(self, letter: Letter[M]) -> None:
        in_hand = self._in_hand
        if in_hand is not None:
            in_hand.discard(letter)
            if not in_hand:
                self._in_hand = None

    async def _arrival(self) -> None:
        """Sleep until something arrives or a stop is asked for. It may be gone again when the taker runs."""
        if self._door is _Door.DRAINING:
            raise Stopping(f"mailbox {self.name} is drained")
        if self._taker is not None:
            raise trio.BusyResourceError(f"mailbox {self.name}: another task is taking from it")
        self._taker = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._leave)

    def _leave(self, _raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._taker = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake_taker(self) -> None:
        if self._taker is not None:
            taker, self._taker = self._taker, None
            trio.lowlevel.reschedule(taker)
