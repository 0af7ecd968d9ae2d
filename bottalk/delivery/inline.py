"""What one paragraph, heading or cell becomes for WeChat, as edits of its own characters: all else stays as it is.

What `scan` finds is edited as it says. A `*` or `_` that Markdown shows as written is put into inline code with its
word besides, because WeChat would lose it.
"""

import re
from bisect import bisect_right
from html import unescape

from bottalk.delivery.characters import CJK, is_punctuation, is_space
from bottalk.delivery.emphasis import Pair
from bottalk.delivery.literal import code, trimmed
from bottalk.delivery.scan import Edit, Scan

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_BEFORE = re.compile(rf"[^\s{CJK}]")
_AFTER = re.compile(rf"[^\s{CJK}]*+")


def edits(text: str, *, plain: bool = False, in_table: bool = False) -> list[Edit]:
    """The edits that make `text` fit for WeChat, in order."""
    scan = Scan(text, plain)
    scan.run()
    words = _words(scan, in_table)
    gone = _beside_code(scan.pairs, words, text)
    found = {start: (start, end, new) for start, end, new in scan.edits}
    for pair in gone:
        for start in (pair.opens, pair.closes):
            found[start] = (start, start + pair.width, "")
    covered = [(start, end) for start, end, _ in words]
    kept = [edit for edit in found.values() if not _inside(edit[0], covered)]
    return sorted([*kept, *words])


def apply(text: str, changes: list[Edit]) -> list[str]:
    """The lines of the edited text: as many as it had, though one may hold a line break that an edit brought."""
    lines, done = _Lines(), 0
    for start, end, new in changes:
        lines.keep(text[done:start])
        lines.bring(new)
        lines.drop(text.count("\n", start, end))
        done = end
    lines.keep(text[done:])
    return lines.found()


class _Lines:
    """Lines being put together. Two runs of backticks that an edit brings together stay two."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = [[]]
        self._is_joint = False

    def keep(self, text: str) -> None:
        for n, piece in enumerate(text.split("\n")):
            if n:
                self.drop(1)
            self._put(piece)

    def bring(self, text: str) -> None:
        self._is_joint = True
        self._put(text)
        self._is_joint = True

    def drop(self, breaks: int) -> None:
        self._lines += [[] for _ in range(breaks)]

    def _put(self, piece: str) -> None:
        if not piece:
            return
        line = self._lines[-1]
        if self._is_joint and piece[0] == "`" and line and line[-1][-1] == "`":
            line.append(" ")
        line.append(piece)
        self._is_joint = False

    def found(self) -> list[str]:
        return ["".join(line) for line in self._lines]


def _words(scan: Scan, in_table: bool) -> list[Edit]:
    """Each word that holds a spot, as inline code."""
    text, found, done = scan.text, list[Edit](), 0
    starts = [start for start, _ in scan.walls]
    for spot in sorted(scan.spots):
        if spot < done:
            continue
        at = bisect_right(starts, spot)
        low = max(done, scan.walls[at - 1][1] if at else 0)
        high = starts[at] if at < len(starts) else len(text)
        start = spot
        while start > low and _BEFORE.match(text, start - 1):
            start -= 1
        reach = _AFTER.match(text, spot, high)
        end = max(reach.end() if reach else spot, spot + 1)
        if text.startswith("\\\n", end - 1):
            end -= 1  # a line break, unless it is escaped itself
        whole = end
        start, end = trimmed(text, start, end)
        if end < whole and (text[end - 1] == "\\" or (text[end] == ";" and "&" in text[start:end])):
            end += 1  # what it escapes, and the end of an entity, go with it
        start, end = min(start, spot), max(end, spot + 1)
        found.append((start, end, code(_meant(text[start:end], in_table), scan.unpaired)))
        done = end
    return found


def _meant(word: str, in_table: bool) -> str:
    """What Markdown would show of the word: nothing is escaped in code, but for the `|` of a table."""
    word = _ESCAPED.sub(lambda m: m[0] if in_table and m[1] == "|" else m[1], word)
    return _ENTITY.sub(lambda m: unescape(m[0]), word) if "&" in word else word


def _beside_code(pairs: list[Pair], words: list[Edit], text: str) -> list[Pair]:
    """Marks between what is now code and a letter, or a mark left over: they would no longer be taken for marks."""
    begins, ends = {start for start, _, _ in words}, {end for _, end, _ in words}
    marks = {start + n for one in pairs for start in (one.opens, one.closes) for n in range(one.width)}

    def spoils(at: int, step: int) -> bool:
        while at in marks:
            at += step
        beside = text[at : at + 1] if at >= 0 else ""
        return beside in ("*", "_") or not (is_space(beside) or is_punctuation(beside))

    return [
        one
        for one in pairs
        if (one.opens + one.width in begins and spoils(one.opens - 1, -1))
        or (one.closes in ends and spoils(one.closes + one.width, 1))
    ]


def _inside(position: int, spans: list[tuple[int, int]]) -> bool:
    at = bisect_right(spans, position, key=lambda span: span[0])
    return at > 0 and position < spans[at - 1][1]
