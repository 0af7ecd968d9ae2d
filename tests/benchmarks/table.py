"""The figures of a run and the plain-text table that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value and what it should be; without a `goal` it is there to be read.

    With `bare` the goal is a multiple of it, without (or when it is `absolute`) it is a value in `unit`. `at_least`:
    larger is better.
    """

    scenario: str
    name: str
    value: float
    unit: str
    goal: float | None
    bare: float | None = None
    at_least: bool = False
    absolute: bool = False

    @property
    def ratio(self) -> float | None:
        return None if self.bare is None else self.value / self.bare

    @property
    def ok(self) -> bool:
        if self.goal is None:
            return True
        measured = self.value if self.ratio is None or self.absolute else self.ratio
        return measured >= self.goal if self.at_least else measured <= self.goal

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "ok" if self.ok else "over" if not self.at_least else "under"

    def cells(self) -> tuple[str, ...]:
        sign = "≥" if self.at_least else "≤"
        unit = self.unit if self.ratio is None or self.absolute else "x"
        return (
            self.scenario,
            self.name,
            f"{_number(self.value)} {self.unit}".rstrip(),
            "" if self.bare is None else f"{_number(self.bare)} {self.unit}",
            "" if self.ratio is None else f"{self.ratio:.2f} x",
            "" if self.goal is None else f"{sign} {self.goal:g} {unit}".rstrip(),
            self.verdict,
        )


def render(figures: Sequence[Figure]) -> str:
    """All figures, aligned, one a line."""
    head = ("scenario", "figure", "measured", "bare route", "ratio", "goal", "")
    rows = [head, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
