"""Whether, and after how long, a child that ended is started again. Pure: time and chance come in as arguments."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol


class Restart(StrEnum):
    """PERMANENT: start again whenever it ends. TRANSIENT: only after a crash. TEMPORARY: never."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Excess(StrEnum):
    """What to do with a child past its intensity. PARK: leave it down, visible, until it is restarted by hand.
    ESCALATE: end its supervisor. KEEP_ON: go on restarting it, at the back-off's pace, for ever."""

    PARK = "park"
    ESCALATE = "escalate"
    KEEP_ON = "keep_on"


class Chance(Protocol):
    """The part of `random.Random` that is used."""

    def random(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits of `first`, `first * factor`, `first * factor**2` … seconds, never more than `cap`.

    Each is shortened by a random share of up to `jitter` (0 to 1), so that children which fell together do not all
    come back together.
    """

    first: float = 0.1
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not (self.first >= 0 and self.factor >= 1 and self.cap >= 0 and 0 <= self.jitter <= 1):
            raise ValueError(f"a back-off needs first >= 0, factor >= 1, cap >= 0, 0 <= jitter <= 1: {self}")

    def delay(self, n: int, rng: Chance) -> float:
        """Seconds before the `n`-th restart in a row (1 is the first)."""
        try:
            full = min(self.cap, self.first * self.factor ** (n - 1))
        except OverflowError:  # after about a thousand restarts in a row, which KEEP_ON does reach
            full = self.cap
        return full * (1 - self.jitter * rng.random())


@dataclass(frozen=True, slots=True)
class Intensity:
    """At most `max_restarts` restarts within any `period_s` seconds; 0 means that the first failure is too many."""

    max_restarts: int = 5
    period_s: float = 60.0

    def __post_init__(self) -> None:
        if not (self.max_restarts >= 0 and self.period_s > 0):
            raise ValueError(f"an intensity needs max_restarts >= 0 and period_s > 0: {self}")


class Policy(Protocol):
    """What `History.decide` reads; a `ChildSpec` is one."""

    @property
    def restart(self) -> Restart: ...
    @property
    def backoff(self) -> Backoff: ...
    @property
    def intensity(self) -> Intensity: ...
    @property
    def excess(self) -> Excess: ...


class Verdict(Enum):
    """FINISH: that was all. RESTART: again, after the delay. PARK, ESCALATE: it failed once too often."""

    FINISH = "finish"
    RESTART = "restart"
    PARK = "park"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Decision:
    verdict: Verdict
    delay: float = 0.0


class History:
    """What is remembered of one child's restarts: the recent ones, and how many followed each other closely."""

    __slots__ = ("_recent", "_streak")

    def __init__(self) -> None:
        self._recent: list[float] = []
        self._streak = 0

    def decide(self, policy: Policy, *, crashed: bool, ran_for: float, now: float, rng: Chance) -> Decision:
        """The child ended at `now` (any steady clock, seconds) after a run of `ran_for` seconds (0: never started).

        A run longer than the intensity's period was steady: the back-off begins anew. A restart after a return counts
        like one after a crash, or a child that keeps returning would spin.
        """
        if policy.restart is Restart.TEMPORARY or (policy.restart is Restart.TRANSIENT and not crashed):
            return Decision(Verdict.FINISH)
        limit, period = policy.intensity.max_restarts, policy.intensity.period_s
        self._recent = [t for t in self._recent if now - t < period][-limit:] if limit else []
        if len(self._recent) >= limit and policy.excess is not Excess.KEEP_ON:
            return Decision(Verdict.PARK if policy.excess is Excess.PARK else Verdict.ESCALATE)
        self._recent.append(now)
        self._streak = 1 if ran_for > period else self._streak + 1
        return Decision(Verdict.RESTART, policy.backoff.delay(self._streak, rng))
