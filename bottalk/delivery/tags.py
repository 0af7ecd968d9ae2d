"""HTML inside a text: WeChat shows none, so a tag becomes what it means as plain text. Unknown tags are no HTML."""

import re

from msgspec import Struct

_OF_BLOCKS = (
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form h1"
    " h2 h3 h4 h5 h6 header html li main nav ol p pre section summary table tbody tfoot thead tr ul"
)
_OF_LINES = (
    "a abbr audio b base basefont bdi bdo big br button caption cite code col colgroup data del dfn em font head hr i"
    " iframe img input ins kbd label legend link mark meta object option param picture q rp rt ruby s samp script"
    " select small source span strike strong style sub sup svg td template textarea th time title track tt u var video"
    " wbr"
)
_BLOCKS = frozenset(_OF_BLOCKS.split())
KNOWN = _BLOCKS | frozenset(_OF_LINES.split())
HIDDEN = frozenset(("script", "style"))
"""What stands in them is not for people."""

MAX_TAG = 4096
"""Characters of one tag; a longer one is text. It keeps the search for its end from costing more and more."""

_TAG = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*+)"
    r"(?P<rest>(?:\s++[A-Za-z_:][\w.:-]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'=<>`]++))?+)*+)\s*+/?>"
)
_ATTRIBUTE = re.compile(r"([A-Za-z_:][\w.:-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'=<>`]++))")
_AUTOLINK = re.compile(
    r"<(?:[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]{0,4000}|[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255})>"
)
_SCHEME = re.compile(r"(?:https?|mailto|tel):[^\s()<>]+", re.IGNORECASE)
_ENTITY = re.compile(r"&(nbsp|amp|quot|apos|#39|lt|gt);")
_MEANS = {"nbsp": " ", "amp": "&", "quot": '"', "apos": "'", "#39": "'", "lt": "<", "gt": ">"}


class Tag(Struct, frozen=True):
    """A tag from `start` to `end`. `name` is lower-case; `link` is where it leads to, as far as it may be shown."""

    start: int
    end: int
    name: str
    closes: bool = False
    link: str = ""
    alt: str = ""

    @property
    def is_known(self) -> bool:
        return self.name in KNOWN

    @property
    def breaks(self) -> bool:
        """Whether what follows begins a line of its own."""
        return self.name in _BLOCKS or self.name in ("br", "hr")


def tag_at(text: str, start: int) -> Tag | None:
    """The tag that begins at the `<` at `start`."""
    found = _TAG.match(text, start, min(len(text), start + MAX_TAG))
    if found is None:
        return None
    name = found["name"].lower()
    values = {"a": "href", "img": "src"}
    if name not in values or not found["rest"]:
        return Tag(start, found.end(), name, bool(found["close"]))
    given = {m[1].lower(): m[2] or m[3] or m[4] or "" for m in _ATTRIBUTE.finditer(found["rest"])}
    link = given.get(values[name], "").strip()
    shown = link if _SCHEME.fullmatch(link) else ""
    alt = re.sub(r"[\[\]\s]+", " ", given.get("alt", "")).strip()
    return Tag(start, found.end(), name, bool(found["close"]), shown, alt)


def autolink_end(text: str, start: int) -> int:
    """Where the `<https://…>` that begins at `start` ends; `start` when there is none."""
    found = _AUTOLINK.match(text, start)
    return found.end() if found is not None else start


class Remarks:
    """Finds the ends of comments and the like. Each kind that has no end is looked for once only."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._endless: set[str] = set()

    def end(self, start: int) -> int:
        """Where the comment, instruction, declaration or CDATA section at `start` ends; `start` when it is none."""
        text = self._text
        for begin, ending in (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>")):
            if text.startswith(begin, start):
                return self.after(ending, start + len(begin), start)
        if text.startswith("<!", start) and text[start + 2 : start + 3].isalpha():
            return self.after(">", start + 2, start)
        return start

    def after(self, ending: str, at: int, otherwise: int) -> int:
        """The place after the next `ending`, whatever its case; `otherwise` when there is none."""
        if ending in self._endless:
            return otherwise
        found = re.compile(re.escape(ending), re.IGNORECASE).search(self._text, at)
        if found is None:
            self._endless.add(ending)
            return otherwise
        return found.end()


def entities(text: str, start: int, end: int) -> list[tuple[int, int, str]]:
    """The entities between, each with the character that it stands for; not a `<` that would begin a tag."""
    found = []
    for entity in _ENTITY.finditer(text, start, end):
        after = text[entity.end() : entity.end() + 1]
        if entity[1] != "lt" or not (after.isalpha() or after in ("/", "!", "?")):
            found.append((entity.start(), entity.end(), _MEANS[entity[1]]))
    return found
