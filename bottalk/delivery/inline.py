"""What one paragraph, heading or cell becomes for WeChat, as edits of its own characters: all else stays as it is.

One pass from left to right finds code, links, pictures, tags, addresses and marks; what is none of these is plain text.
A `*` or `_` that Markdown shows as written is then put into inline code with its word, because WeChat would lose it.
Every step looks at a character a bounded number of times: the time is linear in the text.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from html import unescape as html_unescape

from bottalk.delivery import emphasis
from bottalk.delivery.characters import CJK, has_cjk, is_punctuation, is_space, url_end
from bottalk.delivery.emphasis import Pair, Run
from bottalk.delivery.literal import code, trimmed
from bottalk.delivery.tags import HIDDEN, Remarks, Tag, autolink_end, entities, tag_at

PICTURE = "图片"
"""Stands for a picture that has no words of its own."""

Edit = tuple[int, int, str]
"""From, to, and what stands there instead."""

_NEXT = re.compile(r"\\|`+|\*+|_+|~~+|<|!\[|\[|\]|(?<![A-Za-z0-9])https?://", re.IGNORECASE)
_TARGET = re.compile(
    r"\(\s*+(?P<to><[^<>\n]*+>|[^\s()<>]*+(?:\([^\s()<>]*+\)[^\s()<>]*+)*+)"
    r"(?:\s++(?:\"[^\"]*+\"|'[^']*+'|\([^()]*+\)))?+\s*+\)"
)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_BEFORE = re.compile(rf"[^\s{CJK}]")
_AFTER = re.compile(rf"[^\s{CJK}]*+")


@dataclass(slots=True)
class _Bracket:
    """A `[` or `![` that may begin a link or a picture. `runs`: how many marks stand before it."""

    start: int
    end: int
    runs: int


@dataclass(slots=True)
class _Picture:
    start: int
    middle: int
    end: int
    target: str
    in_link: bool = False


@dataclass(slots=True)
class Scan:
    """What stands where in one inline text. `plain`: the inside of an HTML block, where no mark means anything."""

    text: str
    plain: bool = False
    edits: list[Edit] = field(default_factory=list)
    walls: list[tuple[int, int]] = field(default_factory=list)
    """Spans that no word reaches into."""
    spots: list[int] = field(default_factory=list)
    """Plain characters that WeChat would take for marks."""
    pairs: list[Pair] = field(default_factory=list)
    unpaired: set[int] = field(default_factory=set)
    """Lengths of backtick runs that are plain text: new code must not pair with them."""
    _runs: list[Run] = field(default_factory=list)
    _brackets: list[_Bracket] = field(default_factory=list)
    _pictures: list[_Picture] = field(default_factory=list)
    _anchors: list[Tag] = field(default_factory=list)
    _addresses: set[int] = field(default_factory=set)
    """Where web addresses end: a mark that is left over there may be the address's own."""
    _no_links_below: int = 0
    _is_html: bool = False

    def run(self) -> None:
        text, at = self.text, 0
        remarks, ticks = Remarks(text), _tick_runs(text)
        while (found := _NEXT.search(text, at)) is not None:
            start, end = found.span()
            match text[start]:
                case "\\":
                    at = self._escape(start)
                case "`":
                    at = self._ticks(start, end, ticks)
                case "*" | "_":
                    at = self._marks(start, end)
                case "~":
                    at = end
                    self.walls.append((start, end))
                case "<":
                    at = self._angle(start, remarks)
                case "!" | "[":
                    at = end
                    if not self.plain:
                        self._brackets.append(_Bracket(start, end, len(self._runs)))
                case "]":
                    at = self._closing(start)
                case _:
                    at = max(url_end(text, start), end)
                    self.walls.append((start, at))
                    self._addresses.add(at)
        self._pair(0)
        self._finish()

    def _escape(self, start: int) -> int:
        if self.plain or _ESCAPED.match(self.text, start) is None:
            return start + 1
        if self.text[start + 1] in "*_`":
            self.spots.append(start)
        return start + 2

    def _ticks(self, start: int, end: int, ticks: dict[int, list[int]]) -> int:
        if self.plain:
            self.spots.append(start)
            return end
        same = ticks[end - start]
        at = bisect_left(same, end)
        if at == len(same):
            self.unpaired.add(end - start)
            return end
        close = same[at] + end - start
        self.walls.append((start, close))
        return close

    def _marks(self, start: int, end: int) -> int:
        if self.plain:
            self.spots.append(start)
        else:
            self._runs.append(emphasis.run_at(self.text, start, end))
        return end

    def _angle(self, start: int, remarks: Remarks) -> int:
        text = self.text
        if (end := autolink_end(text, start)) > start:
            self.walls.append((start, end))
            return end
        if (end := remarks.end(start)) > start:
            self._replace(start, end, "")
            return end
        tag = tag_at(text, start)
        if tag is None:
            return start + 1
        if not tag.is_known:
            self.spots.append(start)  # `<host>`: WeChat would hide it
            return tag.end
        self._is_html = True
        if tag.name in HIDDEN and not tag.closes:
            end = remarks.after(f"</{tag.name}>", tag.end, tag.end)
            self._replace(start, end, "")
            return end
        self._tag(tag)
        return tag.end

    def _tag(self, tag: Tag) -> None:
        means = ""
        if tag.name == "img":
            means = tag.alt or PICTURE
            if tag.link and not self._anchors:
                means = f"[{means}]({tag.link})"
        elif tag.name == "a" and not tag.closes and tag.link:
            self._anchors.append(tag)
        elif tag.name == "a" and tag.closes and self._anchors:
            self._anchor(self._anchors.pop(), tag)
            return
        elif tag.name == "li" and not tag.closes:
            means = "\n- "
        elif tag.breaks and (tag.closes or tag.name in ("br", "hr")):
            means = "\n"
        elif tag.name in ("td", "th") and tag.closes:
            means = " "
        self._replace(tag.start, tag.end, means)

    def _anchor(self, opening: Tag, closing: Tag) -> None:
        shown = self.text[opening.end : closing.start]
        if shown.strip() == opening.link:
            before = after = ""
        elif not shown.strip() or re.search(r"[\[\]\n]", shown):
            before, after = "", f" {opening.link} "
        else:
            before, after = "[", f"]({opening.link})"
        self._replace(opening.start, opening.end, before)
        self._replace(closing.start, closing.end, after)

    def _replace(self, start: int, end: int, text: str) -> None:
        self.walls.append((start, end))
        self.edits.append((start, end, text))

    def _closing(self, start: int) -> int:
        if not self._brackets:
            return start + 1
        opening = self._brackets.pop()
        is_picture = opening.end - opening.start == 2
        if not is_picture and len(self._brackets) < self._no_links_below:
            return start + 1  # no link in a link
        target = _TARGET.match(self.text, start + 1)
        if target is None:
            return start + 1
        self._pair(opening.runs)
        self.walls += [(opening.start, opening.end), (start, target.end())]
        if is_picture:
            self._pictures.append(_Picture(opening.start, start, target.end(), target["to"].strip("<>")))
        else:
            self._no_links_below = len(self._brackets)
            for picture in reversed(self._pictures):
                if picture.start < opening.start:
                    break
                picture.in_link = True
        return target.end()

    def _pair(self, first: int) -> None:
        """Pair the marks from the `first` on: those in a link stay in it."""
        runs = self._runs[first:]
        del self._runs[first:]
        self.pairs += emphasis.pair(runs)
        for run in runs:
            before, after = self.text[run.start - 1 : run.start], self.text[run.end : run.end + 1]
            is_whole = run.end - run.start == run.length  # a rest of marks must stay beside the others
            if is_whole and not (is_space(before) and is_space(after)) and run.start not in self._addresses:
                self.spots.append(run.start)

    def _finish(self) -> None:
        for tag in self._anchors:
            self._replace(tag.start, tag.end, "")
        for picture in self._pictures:
            self._picture(picture)
        gone = _unfit(self.pairs, self.text)
        for pair in self.pairs:
            for start in (pair.opens, pair.closes):
                self.walls.append((start, start + pair.width))
                if pair in gone:
                    self.edits.append((start, start + pair.width, ""))
        self.walls.sort()
        if self._is_html:
            for start, end in self._open_ground():
                self.edits += entities(self.text, start, end)

    def _picture(self, picture: _Picture) -> None:
        words = "" if self.text[picture.start + 2 : picture.middle].strip() else PICTURE
        if picture.in_link or picture.target[:5].lower() == "data:" or not picture.target:
            self.edits += [(picture.start, picture.start + 2, words), (picture.middle, picture.end, "")]
        else:
            self.edits.append((picture.start, picture.start + 2, f"[{words}"))

    def _open_ground(self) -> list[tuple[int, int]]:
        found, at = [], 0
        for start, end in self.walls:
            if start > at:
                found.append((at, start))
            at = max(at, end)
        return [*found, (at, len(self.text))]


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


def _tick_runs(text: str) -> dict[int, list[int]]:
    """Where the runs of backticks begin, by their length."""
    found: dict[int, list[int]] = defaultdict(list)
    for run in re.finditer("`+", text):
        found[run.end() - run.start()].append(run.start())
    return found


def _unfit(pairs: list[Pair], text: str) -> set[Pair]:
    """Italics around Chinese, which WeChat does not show, and the bold that shares their marks."""
    italic = [one for one in pairs if one.width == 1 and has_cjk(text[one.opens : one.closes])]
    outside = {(one.opens, one.closes + 1) for one in italic}
    inside = {(one.opens + 1, one.closes) for one in italic}
    bold = [
        one
        for one in pairs
        if one.width == 2 and ((one.opens, one.closes + 2) in inside or (one.opens + 2, one.closes) in outside)
    ]
    return {*italic, *bold}


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
    return _ENTITY.sub(lambda m: html_unescape(m[0]), word) if "&" in word else word


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
