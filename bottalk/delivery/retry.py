"""How long to wait before the same call is made again after a fault that is not the window's."""

from collections.abc import Sequence

from supervisors.restart import Chance

JITTER = 0.2

POLL_LADDER = (2.0, 2.0, 30.0)
"""Seconds after the first, second and every further failed poll in a row, as the official client does."""


def delay(failures: int, ladder: Sequence[float], rng: Chance) -> float:
    """Seconds to wait after `failures` (≥ 1) failures in a row: the ladder's step, its last one for ever, ±20 %."""
    step = ladder[min(failures, len(ladder)) - 1]
    return step * (1 + JITTER * (2 * rng.random() - 1))
