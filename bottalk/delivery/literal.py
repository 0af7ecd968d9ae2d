"""Text that must arrive as written although WeChat takes every message for Markdown: the affected words become code.

`\\_` does not help there; inline code does (field reports). A web address stays as it is, so that it can be opened.
"""

import re
from collections.abc import Collection

from bottalk.delivery.characters import CJK, URL, clean, url_end

_WORD = re.compile(rf"[^\s{CJK}]+")
_BACKTICKS = re.compile("`+")
_OPENING, _CLOSING = "([{'\"", ")]}.,;:!?'\""
"""What stays outside of the code at a word's ends."""

_SUSPECT = re.compile(r"[*_`~\\<&\[|\0\ud800-\udfff]|^[ \t]*[#>+\-=]|^(?: {4}|\t)", re.MULTILINE)
_RISKY = re.compile(
    r"[*_`]"
    r"|~.*~"
    r"|\\(?:[!-/:-@\[-`{-~]|$)"  # an escape, also of a line's end
    r"|<[A-Za-z/!?]"  # a tag
    r"|&#?\w+;"  # an entity
    r"|\]\(|\]\[|!\["  # a link, a picture
    r"|\|:?-|-:?\||^-:?$"  # the line below a table's head
)
_MARKER = re.compile(r"[ \t]*(#{1,6}(?=[ \t]|$)|>+|[-+*](?=[ \t]|$)|[-*_]{2,}(?=[ \t]*$)|=+(?=[ \t]*$)|\[[^\[\]]+\]:)")
"""A heading, a quote, a list item, a rule, an underline or a definition, at the start of a line."""
_OTHER = re.compile(r"[ \t]*(\d{1,9}[.)](?=[ \t]|$)|~{3,}|`{3,}(?=[^`]*$))")
"""An item of a numbered list, which shows its number as written; a fence."""
_DEEP = re.compile(r"(?: {4}|\t)[ \t]*")
"""An indentation that makes code of a line."""


def literal(text: str) -> str:
    """A title or a name, for a place where Markdown is shown: what it would take for a mark is put into inline code."""
    if _SUSPECT.search(text) is None:
        return text
    return "\n".join(_line(line) for line in clean(text).split("\n"))


def unmarked(line: str) -> str:
    """The line, with what would make it more than a paragraph at its start put into inline code."""
    marker = _MARKER.match(line) or _OTHER.match(line)
    return line if marker is None else line[: marker.start(1)] + code(marker[1]) + line[marker.end() :]


def code(word: str, taken: Collection[int] = ()) -> str:
    """The word as inline code. `taken`: lengths of backtick runs elsewhere, with which its own must not pair."""
    runs = {len(run) for run in _BACKTICKS.findall(word)}
    length = 1
    while length in runs or length in taken:
        length += 1
    fence = "`" * length
    space = " " if word[0] == "`" or word[-1] == "`" else ""
    return f"{fence}{space}{word}{space}{fence}"


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span of a word without the punctuation around it."""
    while start < end - 1 and text[start] in _OPENING:
        start += 1
    while end - 1 > start and text[end - 1] in _CLOSING:
        end -= 1
    return start, end


def _line(line: str) -> str:
    line = _DEEP.sub("", line, count=1) if _DEEP.match(line) else line
    tildes = line.count("~") > 1
    parts: list[str] = []
    done = 0
    marker = _MARKER.match(line)
    if marker is not None:
        done = marker.end()
        if (rest := _WORD.match(line, done)) is not None:
            done = rest.end()
        parts += [line[: marker.start(1)], code(line[marker.start(1) : done])]
    while (word := _WORD.search(line, done)) is not None:
        start, end = word.span()
        if (url := URL.search(line, start, end)) is not None:
            end = url.start()
        parts += [line[done:start], _word(line, start, end, tildes)]
        done = end
        if url is not None:
            done = max(url_end(line, end), end + len("http://"))
            parts.append(line[end:done])
    return "".join([*parts, line[done:]])


def _word(line: str, start: int, end: int, tildes: bool) -> str:
    word = line[start:end]
    if not word or not (_RISKY.search(word) or (tildes and "~" in word)):
        return word
    low, high = trimmed(line, start, end)
    if "[" in word or not (_RISKY.search(line, low, high) or (tildes and "~" in word)):
        low, high = start, end  # the punctuation at its ends is part of the mark
    return f"{line[start:low]}{code(line[low:high])}{line[high:end]}"
