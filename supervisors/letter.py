"""One message on its way: told (no answer) or asked (one answer)."""

from enum import Enum
from math import inf
from typing import Any, Generic, Protocol, TypeVar, final

import trio

from supervisors.ask import Ask
from supervisors.errors import AnswerError

M = TypeVar("M")
R = TypeVar("R")


class Box(Protocol):
    """What a letter needs of its mailbox."""

    @property
    def name(self) -> str: ...
    def was_withdrawn(self, letter: "Letter[Any]") -> None: ...
    def was_answered(self, letter: "Letter[Any]") -> None: ...


class Stage(Enum):
    """Of a letter. A tell is never more than WAITING or TAKEN."""

    WAITING = "waiting"
    TAKEN = "taken"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


@final
class Letter(Generic[M]):
    """One message in the actor's hand. An ask is answered once, by `reply` or `fail`."""

    __slots__ = ("_asker", "_box", "_error", "_stage", "_value", "is_ask", "message", "scope")

    def __init__(self, message: M, box: Box, asker: trio.lowlevel.Task | None) -> None:
        self.message = message
        self.is_ask = asker is not None
        self._box = box
        self._asker = asker
        self.scope: trio.CancelScope | None = None  # around an asker that will not wait for ever
        self._stage = Stage.WAITING
        self._value: Any = None
        self._error: Exception | None = None

    def reply(self, value: object) -> None:
        """Answer with `value`, of the type the ask names. Nothing runs meanwhile: the asker is only woken.

        It is fine when the asker has left.

        Raises:
            AnswerError: it is a tell, or was answered already.
        """
        self._answer()
        self._value = value
        self._wake()

    def fail(self, error: Exception) -> None:
        """Answer by raising `error` in the asker. Give each letter an exception of its own: a shared one would
        collect the tracebacks of all its askers.

        Raises:
            AnswerError: it is a tell, or was answered already.
        """
        self._answer()
        self._error = error
        self._wake()

    def __repr__(self) -> str:
        return f"<Letter {type(self.message).__name__} to {self._box.name}, {self._stage.value}>"

    def _answer(self) -> None:
        if not self.is_ask or self._stage is not Stage.TAKEN:
            raise AnswerError(f"{self!r} cannot be answered" + ("" if self.is_ask else ": it is a tell"))
        self._stage = Stage.ANSWERED
        self._box.was_answered(self)

    def taken(self) -> None:
        self._stage = Stage.TAKEN
        if self.scope is not None:
            self.scope.deadline = inf  # the deadline was for this

    def end(self, stage: Stage, error: Exception) -> None:
        """The actor is gone, or refuses it: tell the asker why there is no answer."""
        self._stage = stage
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._asker is not None:
            asker, self._asker = self._asker, None
            trio.lowlevel.reschedule(asker)

    async def answered(self, request: Ask[R]) -> R:
        """Wait for the answer. A cancel withdraws the letter if it is still waiting, else it only stops listening.

        `request` is the message once more, for the type of its answer.
        """
        await trio.lowlevel.wait_task_rescheduled(self._abandon)
        if self._error is None:
            value: R = self._value
            return value
        error, self._error = self._error, None
        try:
            raise error
        finally:
            del error  # no cycle through this frame

    def _abandon(self, _raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._asker = None
        if self._stage is Stage.WAITING:
            self._stage = Stage.WITHDRAWN
            self._box.was_withdrawn(self)
        return trio.lowlevel.Abort.SUCCEEDED
