"""Which `*` and `_` are marks, by CommonMark's rules, with one amendment: a mark beside Chinese works.

By the letter of CommonMark `**注意：**磁盘` is no bold text, because punctuation stands before the mark and no space
after it; whoever writes this means bold. So Chinese letters and punctuation count as neither space nor punctuation.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct

from bottalk.delivery.characters import is_cjk, is_punctuation, is_space


class Pair(Struct, frozen=True):
    """Two marks that belong together: where each begins, and the characters of one (1: italic, 2: bold)."""

    opens: int
    closes: int
    width: int


@dataclass(slots=True)
class Run:
    """A run of equal marks. What pairing has left of it, which is plain text, is `start` to `end`."""

    mark: str
    start: int
    end: int
    opens: bool
    closes: bool
    length: int


def run_at(text: str, start: int, end: int) -> Run:
    """The run of `*` or `_` that stands there, and whether it may open or close (CommonMark, flanking)."""
    before, after = text[start - 1 : start], text[end : end + 1]
    left, right = _flanks(before, after), _flanks(after, before)
    mark = text[start]
    if mark == "*":
        return Run(mark, start, end, left, right, end - start)
    opens = left and (not right or is_punctuation(before))
    closes = right and (not left or is_punctuation(after))
    return Run(mark, start, end, opens, closes, end - start)


def _flanks(outside: str, inside: str) -> bool:
    """Whether a run touches what is inside of it: a left-flanking run, or mirrored a right-flanking one."""
    if is_space(inside):
        return False
    if not is_punctuation(inside) or is_cjk(inside):
        return True
    return is_space(outside) or is_punctuation(outside) or is_cjk(outside)


def pair(runs: Iterable[Run]) -> list[Pair]:
    """Pair the runs, in their order; what is left of each is in the run itself.

    Linear: who finds no opener leaves a floor, below which its like will not look again.
    """
    found: list[Pair] = []
    openers: list[Run] = []
    floors: dict[tuple[str, bool, int], int] = {}
    for run in runs:
        while run.closes and run.start < run.end:
            kind = (run.mark, run.opens, run.length % 3)
            floor = floors.get(kind, 0)
            at = next((n for n in range(len(openers) - 1, floor - 1, -1) if _match(openers[n], run)), None)
            if at is None:
                floors[kind] = len(openers)
                break
            opener = openers[at]
            del openers[at + 1 :]
            width = 2 if min(opener.end - opener.start, run.end - run.start) >= 2 else 1
            opener.end -= width
            found.append(Pair(opener.end, run.start, width))
            run.start += width
            if opener.start == opener.end:
                del openers[at:]
            for kind, height in floors.items():
                floors[kind] = min(height, len(openers))
        if run.opens and run.start < run.end:
            openers.append(run)
    return found


def _match(opener: Run, closer: Run) -> bool:
    if opener.mark != closer.mark:
        return False
    both = opener.closes or closer.opens
    sums = (opener.length + closer.length) % 3 == 0 and (opener.length % 3 != 0 or closer.length % 3 != 0)
    return not (both and sums)
