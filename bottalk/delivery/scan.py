"""What stands where in one inline text: code, links, pictures, tags, addresses and marks; the rest is plain text.

One pass from left to right. Every step looks at a character a bounded number of times: the time is linear in the text.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

from bottalk.delivery import emphasis
from bottalk.delivery.characters import has_cjk, is_space, url_end
from bottalk.delivery.emphasis import Pair, Run
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
_ESCAPE = re.compile(r"\\[!-/:-@\[-`{-~]")


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
    _bare: int = -1
    """Up to here nothing is left of a line."""
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
        if self.plain or _ESCAPE.match(self.text, start) is None:
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
            has_break = self.text[tag.start - 1 : tag.start] in ("", "\n") or self.text[tag.end : tag.end + 1] in (
                "",
                "\n",
            )
            means = "" if has_break and not self.plain else "\n"
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
        if not text and (start == self._bare or self.text[start - 1 : start] in ("", "\n")):
            while self.text[end : end + 1] in (" ", "\t"):
                end += 1  # else the rest of the line would be indented, which means something
            self._bare = end
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
