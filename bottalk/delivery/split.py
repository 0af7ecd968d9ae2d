"""Where a text that is too long for one message may be cut, so that each part reads as if it were meant to end there.

In this order: between paragraphs, lines, sentences, words; never inside a grapheme, and never inside a web address, a
link or inline code that would fit the next part whole. A cut inside a fence closes it and opens it again.
"""

import re

import regex
from msgspec import Struct

_FENCE = re.compile(
    r"^(?P<container>(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t])){0,32})"
    r"(?P<mark>`{3,16}(?=[^`\n]*$)|~{3,16}(?!~))(?P<rest>[^\n]*)$",
    re.MULTILINE,
)
_INFO = 20
"""Characters of a fence's info string (the language) that are repeated where it is opened again."""
_CLOSING = 1 + 32 + 16
"""Characters that closing a fence may take: a line break, its containers, its mark."""
_WHOLE = re.compile(r"https?://\S+|(`+)(?!`)[^\n]*?(?<!`)\1(?!`)|!?\[[^\[\]\n]*\]\([^()\s]*\)|\*\*[^*\n]+\*\*")
"""What a cut spoils."""
_SENTENCE = re.compile(r"[。！？；…]['\"”’）」』】]*|[.!?;](?=\s)")
_GRAPHEME = regex.compile(r"\X")
_SPACES = re.compile(r"\s")


class Room(Struct, frozen=True):
    """What fits: characters (code points) and UTF-8 bytes."""

    characters: int
    size: int

    def less(self, *texts: str) -> "Room":
        """What is left of it beside these."""
        characters = sum(len(text) for text in texts)
        return Room(self.characters - characters, self.size - sum(len(text.encode()) for text in texts))

    def holds(self, text: str) -> bool:
        if len(text) > self.characters:
            return False
        return 4 * len(text) <= self.size or len(text.encode()) <= self.size


class Part(Struct, frozen=True):
    """A part as it is shown, and where in the text the next one begins. `fence`: the line that opens it again there."""

    shown: str
    end: int
    fence: str = ""


def part(text: str, start: int, room: Room, fence: str = "") -> Part:
    """What of `text` from `start` on goes into one message, always something. `fence`: as the part before gave it."""
    head = f"{fence}\n" if fence and room.characters > 4 * _CLOSING else ""
    inside = room.less(head)
    rest = text[start : start + inside.characters + 1]
    if start + len(rest) == len(text) and inside.holds(whole := closed(rest, fence)):
        return Part(head + whole, len(text))
    if (fence or _has_fence(rest)) and room.characters > 4 * _CLOSING:
        inside = inside.less(" " * _CLOSING)
    else:
        fence = ""
    end = _cut(text, start, _reach(text, start, inside), fence)
    shown = text[start:end]
    opening = open_fence(shown, fence) if room.characters > 4 * _CLOSING else ""
    if opening:  # every line break of code counts
        following = end + (2 if text.startswith("\r\n", end) else 1 if text.startswith("\n", end) else 0)
        return Part(f"{head}{shown}\n{_mark(opening)}", following, _again(opening))
    return Part(head + shown.rstrip(), _next(text, end))


def closed(text: str, fence: str = "") -> str:
    """The text with the fence closed that is open at its end, so that what follows is not taken for code."""
    opening = open_fence(text, fence)
    if not opening:
        return text
    line_break = "" if text.endswith("\n") else "\n"
    return f"{text}{line_break}{_mark(opening)}"


def open_fence(text: str, fence: str = "") -> str:
    """What opened the fence in which `text` ends, "" when it ends in none. `fence`: in which it begins."""
    if not fence and not _has_fence(text):
        return ""
    for line in _FENCE.finditer(text):
        if not fence:
            container = re.sub(r"[^ \t>]", " ", line["container"])
            fence = f"{container}{line['mark']}{line['rest'].strip()[:_INFO]}"
        elif line["mark"].startswith(_mark(fence).lstrip(" \t>")) and not line["rest"].strip():
            fence = ""
    return fence


def _has_fence(text: str) -> bool:
    return "```" in text or "~~~" in text


def _mark(opening: str) -> str:
    """What closes the fence: its mark, in the same containers."""
    found = _FENCE.match(opening)
    return found["container"] + found["mark"] if found else ""


def _again(opening: str) -> str:
    """What opens the fence again in a message of its own, where only a quote is still one."""
    return opening if ">" in opening[:32].split("`")[0] else opening.lstrip(" \t")


def _next(text: str, end: int) -> int:
    """Where the next part begins: the spaces or line breaks at a cut belong to neither."""
    blanks = "\r\n" if text[end : end + 1] in ("\r", "\n") else " \t"
    while end < len(text) and text[end] in blanks:
        end += 1
    return end


def _reach(text: str, start: int, room: Room) -> int:
    """The last place that still fits, at least one character on."""
    end = min(len(text), start + max(1, room.characters))
    chunk = text[start:end]
    if 4 * len(chunk) > room.size and len(chunk.encode()) > room.size:
        end = start + max(1, len(chunk.encode()[: max(0, room.size)].decode(errors="ignore")))
    return end


def _cut(text: str, start: int, reach: int, fence: str) -> int:
    """The best place from `start` to `reach`; in the second half, unless only a word must be kept whole."""
    half = start + (reach - start) // 2
    if text[reach : reach + 1] == "\n":
        return reach
    for ending in ("\n\n", "\n"):
        at = text.rfind(ending, half, reach)
        if at > start:
            return at
    if not open_fence(text[start:reach], fence):
        for place in (_sentence(text, half, reach), _word(text, half, reach)):
            if place > start:
                whole = _spoiled(text, start, place)
                if whole == place:
                    return place
        whole = _spoiled(text, start, reach)
        if start < whole < reach:
            return whole
    return _grapheme(text, start, reach)


def _sentence(text: str, half: int, reach: int) -> int:
    return max((found.end() for found in _SENTENCE.finditer(text, half, reach)), default=0)


def _word(text: str, half: int, reach: int) -> int:
    return max((found.start() for found in _SPACES.finditer(text, half, reach + 1)), default=0)


def _spoiled(text: str, start: int, place: int) -> int:
    """Where what a cut at `place` would spoil begins; `place` when it spoils nothing."""
    line = max(start, text.rfind("\n", start, place) + 1)
    until = text.find("\n", place)
    limit = 2 * place - line + 1  # what is longer than a whole part is not kept whole anyway
    for found in _WHOLE.finditer(text, line, min(limit, len(text) if until < 0 else until)):
        if found.start() >= place:
            break
        if found.end() > place:
            return found.start()
    return place


def _grapheme(text: str, start: int, reach: int) -> int:
    """The last place up to `reach` that is not inside a grapheme; `reach` itself when one grapheme fills all."""
    from_here = max((found.start() for found in _SPACES.finditer(text, start, reach)), default=start)
    at = from_here
    for found in _GRAPHEME.finditer(text, from_here, min(len(text), reach + 1)):
        if found.end() > reach:
            break
        at = found.end()
    return at if at > start else reach
