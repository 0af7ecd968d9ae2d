"""Markdown as its writers know it, made fit for WeChat, which shows a part of it (`literal` is for what is none).

Kept byte for byte: fences, inline code, narrow tables, rules, bold, H1 to H4, lists, quotes, links, strike-through, and
italics around text that is not Chinese, and of course plain text. What WeChat shows badly becomes plain text: wide
tables, pictures (their links), H5 and H6, HTML, italics around Chinese. Only such places are edited; nothing is
rendered anew.
"""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bottalk.delivery import inline
from bottalk.delivery.characters import clean, width
from bottalk.delivery.literal import unmarked

TABLE_COLUMNS = 36
"""Columns of a table's widest row, a Chinese character counting two, that a phone shows without clipping."""

_SUSPECT = re.compile(
    r"[*_\\\0\ud800-\udfff]|<[A-Za-z/!?]|!\[|#{5}"
    r"|^[ \t>]*\|?[ \t]*:?-+:?[ \t]*\||-[ \t]*\|",  # the line below a table's head
    re.MULTILINE,
)
"""A text without any of these stays as it is."""

_INLINE = re.compile(r"[*_\\]|<[A-Za-z/!?]|!\[")
_ONE_PARAGRAPH = re.compile(r"(?=[^\W_])(?!\d+[.)])[^\n\r<|]++")
"""One line that begins as a paragraph does, and so is one."""

_BLOCKS = MarkdownIt("commonmark").enable("table").disable("reference")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])

_BREAK = re.compile(r"(\r\n|\r|\n)")
_CONTAINER = re.compile(r"(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))*")
"""What stands before a line's own text in quotes and lists."""
_SMALL_HEADING = re.compile(r"#{5,6}(?:[ \t]+|$)")
_DEFINITION = re.compile(r" {0,3}\[[^\[\]\n]+\]:[ \t]*\S+")
_MARKS = re.compile(r"[`*_~]|(?<=\])\([^()\s]*\)")
_HASHES = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")


def markdown(text: str) -> str:
    """The text for WeChat. Never raises; its time is linear in the text. A plain text is returned at once."""
    if _SUSPECT.search(text) is None:
        return text
    text = clean(text)
    if _ONE_PARAGRAPH.fullmatch(text):
        return "".join(inline.apply(text, inline.edits(text)))
    return _Page(text).filtered()


class _Page:
    """A text's lines, as they are edited."""

    def __init__(self, text: str) -> None:
        pieces = _BREAK.split(text)
        self._lines: list[str | None] = [*pieces[::2]]
        """None: left out, with its end."""
        self._ends = [*pieces[1::2], ""]
        self._tokens = _BLOCKS.parse(text)
        self._paragraph_end = 0

    def filtered(self) -> str:
        tokens = iter(self._tokens)
        for token in tokens:
            if token.map is None:
                continue
            start, end = token.map
            if token.type == "inline":
                self._inline(token.content, start)
                self._paragraph_end = end
            elif token.type == "heading_open":
                self._edit_heading(next(tokens), start, is_small=token.markup in ("#####", "######"))
            elif token.type == "table_open":
                self._table(_rows(tokens), start, end)
                self._paragraph_end = end
            elif token.type == "html_block":
                self._html(token.content, start, end)
        return "".join(line + end for line, end in zip(self._lines, self._ends, strict=True) if line is not None)

    def _line(self, number: int) -> str:
        return self._lines[number] or ""

    def _inline(self, content: str, start: int, *, breaks: bool = True) -> None:
        """Edit an inline text in the lines it stands in, after whatever container marks each begins with.

        Not `breaks`: what would begin a new line goes on in its own, as in a heading, which has one.
        """
        if _INLINE.search(content) is None or _DEFINITION.match(content):
            return
        changes = inline.edits(content)
        if not changes:
            return
        edited = inline.apply(content, changes)
        for number, (old, new) in enumerate(zip(content.split("\n"), edited, strict=True), start):
            line = self._line(number)
            at = line.rfind(old)
            if old != new and "<" in old:
                new = _untagged(old, new)
            if old != new and at >= 0:  # below 0: a tab that belongs to the container in part
                broken = new.replace("\n", "\n" + self._continued(line[:at]) if breaks else " ")
                self._lines[number] = line[:at] + broken + line[at + len(old) :]

    def _edit_heading(self, content: Token, start: int, *, is_small: bool) -> None:
        self._inline(content.content, start, breaks=False)
        if not is_small:
            return
        line = self._line(start)
        container = _container(line)
        mark = _SMALL_HEADING.match(line, len(container))
        text = unmarked(_HASHES.sub("", line[mark.end() :])) if mark is not None else ""
        if text.strip():
            self._apart(start, start + 1, [container + text])

    def _table(self, rows: Sequence[Sequence[str]], start: int, end: int) -> None:
        if max(sum(_shown_width(cell) + 3 for cell in row) - 3 for row in rows) > TABLE_COLUMNS:
            container = _container(self._line(start))
            rest = self._continued(container)
            lines = _told(rows)
            self._apart(start, end, [f"{rest if n else container}{line}".rstrip() for n, line in enumerate(lines)])
            return
        numbers = [start, *range(start + 2, end)]
        for number, row in zip(numbers, rows, strict=False):
            at = 0
            for cell in row:
                line = self._line(number)
                found = line.find(cell, at)
                if found >= 0:  # below 0: a `|` in it is escaped
                    new = _cell(cell)
                    self._lines[number] = line[:found] + new + line[found + len(cell) :]
                    at = found + len(new)

    def _html(self, content: str, start: int, end: int) -> None:
        text = "\n".join(inline.apply(content, inline.edits(content, plain=True)))
        lines = [" ".join(line.split()) for line in text.split("\n")]
        shown = [line for n, line in enumerate(lines) if line or (n and lines[n - 1])]
        while shown and not shown[-1]:
            shown.pop()
        container = _container(self._line(start))
        rest = self._continued(container)
        self._apart(start, end, [f"{rest if n else container}{line}".rstrip() for n, line in enumerate(shown)])

    def _apart(self, start: int, end: int, lines: list[str]) -> None:
        """Put plain lines into the place of a block, with an empty line where a paragraph would else run into them."""
        while end > start and not self._line(end - 1).strip():
            end -= 1  # a block's map may take in blank lines after it
        rest = self._continued(_container(lines[0] if lines else self._line(start))).rstrip()
        lines = lines or [rest]  # what vanishes leaves a gap, or else what it parted would become one
        if lines != [rest] and start and start == self._paragraph_end:
            lines = [rest, *lines]
        if lines != [rest] and end < len(self._lines) and self._line(end).strip(" \t>" if ">" in rest else None):
            lines = [*lines, rest]
        for number in range(start, end):
            self._lines[number] = None
        self._lines[start] = "\n".join(lines)
        self._ends[start] = self._ends[end - 1]

    def _continued(self, container: str) -> str:
        """What a further line of the same containers begins with."""
        return re.sub(r"[^ \t>]", " ", container)


def _untagged(old: str, new: str) -> str:
    """A line that has lost tags: what stood behind one was no mark of a block, and is none where a line begins now."""
    first, *rest = new.split("\n")
    if old[0] == "<" and new[:1] != "<":
        first = unmarked(first)
    return "\n".join([first, *(line if line.startswith("- ") else unmarked(line) for line in rest)])


def _container(line: str) -> str:
    found = _CONTAINER.match(line)
    return found[0] if found else ""


def _rows(tokens: Iterator[Token]) -> list[list[str]]:
    """The cells of the table that has just begun."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token.content)
        elif token.type == "table_close":
            break
    return rows


def _shown_width(cell: str) -> int:
    """Columns that the cell takes without its marks and the addresses of its links."""
    return width(_MARKS.sub("", cell))


def _cell(cell: str) -> str:
    return " ".join("".join(inline.apply(cell, inline.edits(cell, in_table=True))).split("\n"))


def _told(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A wide table, line by line: each row's cells under their columns' names, rows divided by an empty line."""
    names = [_cell(name).strip() for name in rows[0]]
    if len(rows) == 1:
        yield " ".join(name for name in names if name)
    for number, row in enumerate(rows[1:]):
        if number:
            yield ""
        for name, cell in zip(names, row, strict=False):
            if cell.strip():
                value = _cell(cell).strip()
                yield f"{name}: {value}" if name else value
