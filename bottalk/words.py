"""What BotTalk itself says on the phone: every word of it, so that an operator can put other words there."""

import string
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bottalk.config import ConfigError

MAX_TEXT = 500
MAX_ENDING = 80
"""Characters of a word that shares its message with a text."""


class Words(Struct, frozen=True):
    """The channel's own words. Names in braces stand for values; each text may use those its default uses."""

    digest: str = "共 {count} 条消息"
    """Heads a message that carries several pushes."""
    more_link: str = "…\n\n全文：{url}"
    """Ends a text that is too long for one message and has a page."""
    more_missing: str = "…\n\n（后面还有 {count} 个字未显示）"
    """Ends the last part of a text that no page can show."""
    blank: str = "（这条消息没有可以显示的内容）"
    """Stands for a text of which nothing is left that WeChat shows."""
    few_left: str = "（还可以收 {left} 条，回复任意内容即可续期）"
    """Ends the message after which only two more may go."""
    last: str = "（这是最后一条：请回复任意内容，才能继续接收）"
    """Ends the last message of a window."""
    welcome: str = (
        "已激活，可以接收推送了。\n\n用网页上的 SendKey 推送：\n{url}/你的SendKey.send?title=标题&desp=正文\n\n"
        "微信限制：每次回复后约可接收 {quota} 条，一天内有效；回复任意内容即可续期。"
        "回复“状态”查看，回复“清空”丢弃等待的消息。"
    )
    """Once, when the user has first written."""
    nudge: str = "（{left} 条额度将于 {time} 到期，回复任意内容，继续接收推送）"
    """Once before a window closes by its age."""
    closed_elsewhere: str = "通道“{channel}”暂时收不到推送，有 {count} 条在等待：请在那个微信里给机器人回复任意内容。"
    """To the account's other channels, when one closes while something waits for it."""
    dead_elsewhere: str = "通道“{channel}”的登录已失效，有 {count} 条在等待：请重新扫码绑定。"
    """To the account's other channels, when one dies while something waits for it."""
    status: str = "还可以收 {left} 条，{time} 到期，{count} 条在等待。"
    """Answers the command of `status_words`."""
    cleared: str = "已清空 {count} 条等待的消息。"
    """Answers the command of `clear_words`."""
    status_words: tuple[str, ...] = ("状态", "status")
    """What the user writes to hear how the channel stands; an empty list: nothing does."""
    clear_words: tuple[str, ...] = ("清空",)
    """What the user writes to drop what waits; an empty list: nothing does."""


DEFAULT = Words()

_NEEDED = ("digest", "more_link", "more_missing", "blank", "status", "cleared")
"""These cannot be left empty; any other that is empty is not said, and `config/words.toml` lists those."""
_ENDINGS = ("digest", "more_link", "more_missing", "blank", "few_left", "last")


def configured(path: str) -> Words:
    """The words that the setting `words` names; the defaults where it is empty. Raises ConfigError."""
    return load_words(Path(path)) if path else DEFAULT


def load_words(path: Path) -> Words:
    """The words of a TOML file, in the places of their defaults; what the file does not name stays as it is.

    Raises ConfigError with everything that is wrong at once, each with what to write instead.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ConfigError(f"{path}: {e}") from e
    problems = [f"{path}: {name}: {problem}" for name, value in given.items() for problem in _problems(name, value)]
    if problems:
        raise ConfigError("\n".join(problems))
    texts = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    words = msgspec.structs.replace(DEFAULT, **texts)
    both = {word.strip().lower() for word in words.status_words} & {word.strip().lower() for word in words.clear_words}
    if both:
        raise ConfigError(f"{path}: status_words and clear_words: both have {', '.join(sorted(both))}")
    return words


def _problems(name: str, value: object) -> Iterator[str]:
    default: Any = getattr(DEFAULT, name, None) if name in Words.__struct_fields__ else None
    if default is None:
        yield f"unknown word{_suggest(name, Words.__struct_fields__)}"
    elif isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            yield 'must be a list of words, such as ["状态", "status"]'
    elif not isinstance(value, str):
        yield f"must be text, not {value!r}"
    else:
        yield from _problems_of_text(name, value, default)


def _problems_of_text(name: str, text: str, default: str) -> Iterator[str]:
    longest = MAX_ENDING if name in _ENDINGS else MAX_TEXT
    if len(text) > longest:
        yield f"must be at most {longest} characters, not {len(text)}"
    if name in _NEEDED and not text.strip():
        yield "must not be empty"
    allowed = [field for _, field, _, _ in string.Formatter().parse(default) if field]
    try:
        used = list(string.Formatter().parse(text))
    except ValueError as e:
        yield f"{e}; write {{{{ for a brace that stands for itself"
        return
    for _, field, form, conversion in used:
        if field is None:
            continue
        if field not in allowed:
            what = ", ".join(f"{{{one}}}" for one in allowed) or "none"
            yield f"unknown value {{{field}}}{_suggest(field, allowed)}; it may use {what}"
        elif form or conversion:
            yield f"write {{{field}}} alone, without a format"
    if name == "more_link" and "url" not in [field for _, field, _, _ in used]:
        yield "must use {url}: else nobody finds the rest"


def _suggest(name: str, known: tuple[str, ...] | list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""
