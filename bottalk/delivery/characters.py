"""Kinds of characters that matter to Markdown beside Chinese, and texts made safe to send."""

import re
import unicodedata

CJK = (
    "\u1100-\u11ff\u2e80-\u31ff\u3200-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff00-\uffef\U00020000-\U0003ffff"
)
"""Chinese, Japanese and Korean letters and punctuation, full-width forms; for a character class."""

URL = re.compile(r"https?://[^\s<>\"`*|\\\[\]\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+", re.IGNORECASE)
_URL_END = "?!.,:;_~'"
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
_CJK = re.compile(f"[{CJK}]")


def clean(text: str) -> str:
    """Without NUL, and with U+FFFD for each lone surrogate: UTF-8 has no form for those."""
    if _UNSENDABLE.search(text) is None:
        return text
    return _UNSENDABLE.sub(lambda found: "" if found[0] == "\0" else "\ufffd", text)


def has_cjk(text: str) -> bool:
    return _CJK.search(text) is not None


def is_cjk(character: str) -> bool:
    return character >= "\u1100" and _CJK.match(character) is not None


def is_space(character: str) -> bool:
    """Also for the edge of a text, which is given as ""."""
    return not character or character.isspace()


def is_punctuation(character: str) -> bool:
    """In the sense of CommonMark 0.31: punctuation and symbols."""
    return bool(character) and unicodedata.category(character)[0] in "PS"


def width(text: str) -> int:
    """Columns on a screen: a wide character takes two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def url_end(text: str, start: int) -> int:
    """Where the web address that begins at `start` ends; `start` when there is none.

    As in GFM, punctuation at its end belongs to the sentence, and so does a `)` that nothing in it opened.
    """
    found = URL.match(text, start)
    if found is None:
        return start
    url = found[0].rstrip(_URL_END)
    surplus = url.count(")") - url.count("(")
    while surplus > 0 and url.endswith(")"):
        url, surplus = url[:-1].rstrip(_URL_END), surplus - 1
    return start + len(url) if len(url) > len("https://") else start
