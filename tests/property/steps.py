"""What may happen to BotTalk: steps of a random life, as values that hypothesis draws, shrinks and prints."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from bottalk.sandbox.rules.faults import Fault
from bottalk.values import Priority
from bottalk.words import DEFAULT
from tests.property.faults import FAULTS

Ending = Literal["orderly", "hurried", "cut", "killed"]
"""How a run of the daemon ends: asked to, asked twice, its task cancelled, or dead from one moment to the next."""

Turn = Literal[
    "half_dead", "cured", "doze", "expire", "takeover", "unbind", "silent_drop", "heard", "backlog", "lifted",
    "penalize", "forgive", "age",
]  # fmt: skip
"""What becomes of a phone's bot at iLink."""

Size = Literal["short", "long", "same"]
"""`same`: the same title and text each time. `long`: more than fits one message."""


@dataclass(frozen=True, slots=True)
class Push:
    """`count` pushes at once to the account of this phone. `key`: which of its idempotency keys, if any."""

    phone: int
    to: Literal["own", "default", "all"] = "own"
    count: int = 1
    size: Size = "short"
    priority: Priority = Priority.NORMAL
    wait: float = 0.0
    delay: float | None = None
    ttl: float | None = None
    replace_key: str | None = None
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """The person writes to the bot; some words are commands."""

    phone: int
    times: int = 1
    text: str = "word"


@dataclass(frozen=True, slots=True)
class Arm:
    """A fault at iLink; `phone` None: whoever calls."""

    fault: Fault
    phone: int | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    phone: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class Scan:
    """The person scans a new code, on the page of the account that is known of it (`own`) or on a public one."""

    phone: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What an owner or an administrator does."""

    phone: int
    what: Literal["delete_channel", "delete_account", "drop", "disable", "enable", "restart"]


@dataclass(frozen=True, slots=True)
class SetClock:
    """The machine's wall clock is set by so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """The machine sleeps: wall time passes for all, and no timer runs."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Crash:
    """A bug: the next calls to this endpoint raise what no client expects, before they go out or when answered."""

    endpoint: Literal["getupdates", "sendmessage", "notifystart"]
    times: int = 1
    answered: bool = False


@dataclass(frozen=True, slots=True)
class FullDisk:
    """The journal cannot write for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Restart:
    """The daemon ends so, and starts again after `away` seconds; meanwhile phone 0 may write."""

    ending: Ending
    away: float = 0.0
    writes: bool = False


Step = Push | Write | Arm | Switch | Scan | Order | SetClock | Sleep | Crash | FullDisk | Restart
Script = list[tuple[Step, float]]
"""Each step, and the seconds until the next; steps are begun, and not waited for."""

PHONES = 3
phone = st.integers(0, PHONES - 1)

pushes = st.builds(
    Push,
    phone=phone,
    to=st.sampled_from(["own", "own", "own", "default", "all"]),
    count=st.sampled_from([1, 1, 2, 3, 12]),
    size=st.sampled_from(["short", "short", "short", "short", "long", "same"]),
    priority=st.sampled_from([Priority.NORMAL, Priority.NORMAL, Priority.NORMAL, Priority.URGENT, Priority.LOW]),
    wait=st.sampled_from([0.0, 3.0, 20.0]),
    delay=st.sampled_from([None, None, None, None, 2.0, 90.0, 5000.0]),
    ttl=st.sampled_from([None, None, None, None, 60.0, 700.0]),
    replace_key=st.sampled_from([None, None, None, None, "disk", "load"]),
    key=st.sampled_from([None, None, None, None, 0, 1]),
)
writes = st.builds(
    Write,
    phone,
    st.sampled_from([1, 1, 1, 2, 25]),
    st.sampled_from(["word", "word", "word", *DEFAULT.status_words, *DEFAULT.clear_words]),
)
turns = st.builds(
    Switch,
    phone,
    st.sampled_from(
        [
            "half_dead", "half_dead", "cured", "doze", "doze", "expire", "takeover", "unbind", "silent_drop", "heard",
            "backlog", "lifted", "penalize", "forgive", "age",
        ]
    ),
)  # fmt: skip
clocks = st.builds(SetClock, st.sampled_from([-86_400.0, -4000.0, -70.0, -1.5, 1.5, 70.0, 4000.0, 86_400.0]))
steps: st.SearchStrategy[Step] = st.one_of(
    pushes,
    pushes,
    pushes,
    pushes,
    writes,
    writes,
    st.builds(Arm, st.sampled_from(FAULTS), st.one_of(st.none(), phone)),
    st.builds(Arm, st.sampled_from(FAULTS), st.one_of(st.none(), phone)),
    turns,
    st.builds(Scan, phone, st.booleans()),
    st.builds(
        Order,
        phone,
        st.sampled_from(["delete_channel", "delete_account", "drop", "disable", "enable", "restart", "restart"]),
    ),
    clocks,
    st.builds(Sleep, st.sampled_from([40.0, 1300.0, 9000.0, 40_000.0])),
    st.builds(
        Crash,
        st.sampled_from(["getupdates", "sendmessage", "sendmessage", "notifystart"]),
        st.sampled_from([1, 1, 2, 7]),
        st.booleans(),
    ),
    st.builds(FullDisk, st.sampled_from([0.5, 10.0, 400.0])),
    st.builds(
        Restart,
        st.sampled_from(["orderly", "hurried", "cut", "killed", "killed", "killed"]),
        st.sampled_from([0.0, 0.0, 30.0, 4000.0]),
        st.booleans(),
    ),
)
pauses = st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.1, 1.1, 6.0, 31.0, 31.0, 320.0, 3700.0])
stretches = st.lists(st.tuples(steps, pauses), max_size=12)


@st.composite
def _scripts(draw: st.DrawFn) -> Script:
    """Four lists in one: hypothesis draws lists of about five."""
    return [each for _ in range(4) for each in draw(stretches)]


scripts: st.SearchStrategy[Script] = _scripts()
