"""A request that wants an answer, with the type of the answer in its own type."""

from typing import Generic, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Ask(Generic[R_co]):
    """Base of the messages that are asked rather than told; `R_co` is the type of the answer.

    @dataclass(frozen=True, slots=True)
    class Spend(Ask[bool]):
        account: int

    granted = await mailbox.ask(Spend(7))    # a bool, for mypy too
    """

    __slots__ = ()
