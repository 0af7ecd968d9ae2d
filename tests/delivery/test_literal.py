"""Titles and names arrive as written, although WeChat takes them for Markdown."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bottalk.delivery.literal import code, literal

SHOW = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(markdown: str) -> str:
    """What a reader sees, spaces left out."""
    return re.sub(r"\s+", "", html.unescape(re.sub(r"<[^>]*>", "", SHOW.render(markdown))))


@pytest.mark.parametrize(
    ("title", "sent"),
    [
        ("disk_full_01", "`disk_full_01`"),
        ("磁盘 disk_full_01 快满了", "磁盘 `disk_full_01` 快满了"),
        ("服务器disk_full已满", "服务器`disk_full`已满"),
        ("*.log, *.txt", "`*.log`, `*.txt`"),
        ("(a_b)", "(`a_b`)"),
        ("2 * 3 * 4", "2 `*` 3 `*` 4"),
        ("~old~ new", "`~old~` new"),
        ("约 ~100", "约 ~100"),
        ("run `ls` now", "run `` `ls` `` now"),
        ("[x](http://a/b)", "`[x](`http://a/b)"),
        ("<b>bold</b>", "`<b>bold</b>`"),
        ("a &lt; b", "a `&lt;` b"),
        (r"C:\_tmp", r"`C:\_tmp`"),
        ("# 5 errors", "`#` 5 errors"),
        ("- a", "`-` a"),
        ("> a_b c", "`>` `a_b` c"),
        ("---", "`---`"),
        ("    indented", "indented"),
        ("first\n===", "first\n`===`"),
    ],
)
def test_only_the_affected_word_becomes_code(title: str, sent: str) -> None:
    assert literal(title) == sent


@pytest.mark.parametrize(
    "title",
    [
        "磁盘快满了",
        "Backup done (3 min)!",
        "a + b = c - d",
        "1. 第一",
        "50% [ok] #7",
        "👨‍👩‍👧 שלום مرحبا",
        "a & b < c > d",
        "C:\\temp",
    ],
)
def test_what_markdown_leaves_alone_stays(title: str) -> None:
    assert literal(title) == title


@pytest.mark.parametrize("url", ["https://example.com/a_b_c?x=1&y=*2", "http://h/~me/_x"])
def test_a_web_address_can_still_be_opened(url: str) -> None:
    assert url.partition("*")[0] in literal(f"see {url} now")
    assert f"`{url}" not in literal(f"see {url} now")


def test_what_cannot_be_sent_is_replaced() -> None:
    assert literal("a\0b\ud800c") == "ab\ufffdc"


def test_code_keeps_clear_of_other_backticks() -> None:
    assert code("x") == "`x`"
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("x", {1, 2}) == "```x```"


TITLES = st.text(alphabet="ab1 _*~`\\<>#&;[]()!|-+=.,:\n中文", max_size=30)


@given(TITLES)
def test_every_title_is_shown_as_written(title: str) -> None:
    stripped = "\n".join(line.strip() for line in title.split("\n"))
    if re.search(r"^\s*\d{1,9}[.)](\s|$)", stripped, re.MULTILINE):
        return  # a list shows its numbers beside its text
    assert shown(literal(stripped)) == re.sub(r"\s+", "", stripped)


@given(st.text(max_size=200))
def test_any_title_is_taken(title: str) -> None:
    sent = literal(title)
    sent.encode()
    assert len(sent) <= 8 * len(title) + 8
