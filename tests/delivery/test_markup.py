"""Markdown made fit for WeChat: what it shows stays byte for byte, the rest becomes plain text."""

import html
import re
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bottalk.delivery.markup import markdown

SHOW = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text: str) -> str:
    """What a reader sees of Markdown, spaces left out."""
    return re.sub(r"\s+", "", html.unescape(re.sub(r"<[^>]*>", "", SHOW.render(text))))


def code_in(text: str) -> list[str]:
    found: list[str] = []
    for token in SHOW.parse(text):
        if token.type in ("fence", "code_block"):
            found.append(token.content)
        found += [child.content for child in token.children or () if child.type == "code_inline"]
    return found


def code_lines(text: str) -> list[str]:
    """Without blank ones: where what stood between two blocks of code vanishes, they are one."""
    return [line for code in code_in(text) for line in code.split("\n") if line.strip()]


def is_within(wanted: Iterable[str], all_of: Iterable[str]) -> bool:
    """Whether the one is the other with some left out."""
    rest = iter(all_of)
    return all(one in rest for one in wanted)


KEPT = [
    "磁盘快满了，请处理。\n第二行",
    "# H1\n## H2\n### H3\n#### H4",
    "**bold** and *italic* and _also_ and ~~gone~~",
    "**粗体**，**注意：**磁盘",
    "- a\n- b\n  1. c\n\n> quoted\n> more",
    "a\n\n---\n\n***\n",
    '[text](https://example.com/a_b_c "t_t") and <https://example.com/x_y>',
    "https://example.com/a_b_c?x=_1_ 访问",
    "`inline_code *x* <b>` and ``a`b_c``",
    "```py\nx_1 = y_2 * **z\n<b>![i](u)\n##### no\n```",
    "~~~\n|a_b|c|\n~~~",
    "text\n\n    indented_code *x*\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "5 * 3 = 15, a < b && c > d, 100% _ ok",
    "👨‍👩‍👧‍👦 🇨🇳 שלום مرحبا e\u0301",
    "line one\r\nline two\r\n",
    "C:\\Users\\new",
    "",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_wechat_shows_stays_byte_for_byte(text: str) -> None:
    assert markdown(text) == text


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("disk_full_01 快满了", "`disk_full_01` 快满了"),
        ("磁盘disk_full_01告警", "磁盘`disk_full_01`告警"),
        ("f(a_b), (c_d).", "`f(a_b`), (`c_d`)."),
        ("*.log and *.txt 2**3", "`*.log` and `*.txt` `2**3`"),
        (r"a\_b \*c", "`a_b` `*c`"),
        ("a_b `c_d` e_f", "`a_b` `c_d` `e_f`"),
        ("a ` b c_d", "a ` b ``c_d``"),
        ("**disk_full** ok", "**`disk_full`** ok"),
        ("磁盘**disk_full**告警", "磁盘`disk_full`告警"),
        ("[disk_full](http://a/b_c)", "[`disk_full`](http://a/b_c)"),
        ("# disk_full", "# `disk_full`"),
        ("- disk_full\n  > a_b", "- `disk_full`\n  > `a_b`"),
    ],
)
def test_what_markdown_shows_as_written_survives_in_code(text: str, sent: str) -> None:
    assert markdown(text) == sent


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("*中文* _中文_ ***中文***", "中文 中文 中文"),
        ("*english* 和 *混 mixed*", "*english* 和 混 mixed"),
        ("**粗 *斜* 粗**", "**粗 斜 粗**"),
        ("##### H5 ##\n###### H6\ntext", "H5\n\nH6\n\ntext"),
        ("text\n##### - item", "text\n\n`-` item"),
        ("> ##### H\n> t", "> H\n>\n> t"),
        ("![图](https://i.example/p_1.png)", "[图](https://i.example/p_1.png)"),
        ("![](https://i.example/p.png)", "[图片](https://i.example/p.png)"),
        ("[![badge](https://i/b.svg)](https://l/x)", "[badge](https://l/x)"),
        ("![x](data:image/png;base64,AAAA)", "x"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<b>bold</b> <font color=red>red</font> x", "bold red x"),
        ("x <b>Tom &amp; Jerry</b> &lt;tag&gt;", "x Tom & Jerry &lt;tag>"),
        ("see <a href='https://x.example/a_b'>here</a>", "see [here](https://x.example/a_b)"),
        (
            "see <img src='https://x.example/p.png' alt='graph'> <!-- no --> end",
            "see [graph](https://x.example/p.png)  end",
        ),
        (
            "<div>\n<p>first a_b</p>\n<ul><li>one</li><li>two</li></ul>\n</div>\n\nafter",
            "first `a_b`\n\n- one\n\n- two\n\nafter",
        ),
        ("<script>\nalert(1)\n</script>\n\nafter", "\n\nafter"),
        ("<b>- x</b>\n<i># y</i>", "`-` x\n`#` y"),
        ("ssh <user>@<host_1>", "ssh `<user>@<host_1>`"),
        ("a\0b \ud800", "ab \ufffd"),
    ],
)
def test_what_wechat_shows_badly_becomes_plain_text(text: str, sent: str) -> None:
    assert markdown(text) == sent


LONG_CELL = "这个磁盘已经用了百分之九十五，请尽快清理"


def test_a_wide_table_is_told_row_by_row() -> None:
    head = "before\n\n| 名称 | 说明 | |\n|---|:-:|---|\n"
    text = f"{head}| disk_full | {LONG_CELL} | x |\n| b | | *y* |\n\nafter"
    sent = f"before\n\n名称: `disk_full`\n说明: {LONG_CELL}\nx\n\n名称: b\n*y*\n\nafter"
    assert markdown(text) == sent
    quoted = "\n".join(f"> {line}" for line in text.split("\n"))
    assert [line.removeprefix(">").strip() for line in markdown(quoted).split("\n")] == sent.split("\n")


def test_a_narrow_table_keeps_its_shape() -> None:
    text = "| a | b_c |\n| --- | --- |\n| d_e | `f|g_h` |\n| ![p](u) | *中* |\n"
    assert markdown(text) == "| a | `b_c` |\n| --- | --- |\n| `d_e` | `f|g_h` |\n| [p](u) | 中 |\n"


WORDS = st.text(alphabet="ab_*_* x\n", max_size=24)


@given(
    st.lists(
        st.sampled_from(["a_b", "*x*", "**y z**", "__w__", "c", "d*e", "f_", "_g h_", "**", "`", "i\n"]), max_size=8
    )
)
def test_nothing_that_is_shown_gets_lost(words: list[str]) -> None:
    text = " ".join(words)
    assert shown(markdown(text)) == shown(text)


PIECES = [
    "[a_b](http://x/y_z)", "![p](u)", "[![p](u)](v)", "`", "``", "`x_y`", "中文", "**", "*", "_", "\n", "\n\n",
    "\n\n| a | b_c |\n|---|---|\n| c_d | `e` |\n", "# ", "##### ", "\n##### h_h\n", "\n```\nq_q\n```\n",
    "\n    code_x\n", "- ", "> ", "1. ", "x", "x_y", " ", "\\", "\\*", "[", "]", "](", "![", "https://a.b/c_d", "~~", "<https://u.v/w_x>",
    "&amp;", "<host>", "\t", "\r\n", "a*b*c", "<b>", "</b>", "<br>", "<!--", "<div>", "\0", "\ud800", "|", "👨‍👩‍👧",
]  # fmt: skip
UNSTABLE = ("<!--", "<div>", "<b>", "</b>", "<br>", "~~", "\0", "\ud800", "|")
"""What vanishes at a line's start, or makes a table of any line, may make a block of what stands behind it."""
TEXTS = st.lists(st.sampled_from(PIECES), max_size=16).map("".join)


@given(
    st.lists(
        st.sampled_from([piece for piece in PIECES if piece not in UNSTABLE]),
        max_size=14,
    ).map("".join)
)
def test_code_is_untouched(text: str) -> None:
    assert is_within(code_lines(text), code_lines(markdown(text)))


@given(TEXTS)
def test_any_text_is_taken_and_grows_by_a_sane_factor(text: str) -> None:
    sent = markdown(text)
    sent.encode()
    assert len(sent) <= 6 * len(text) + 16


@given(st.text(max_size=100))
def test_any_characters_are_taken(text: str) -> None:
    markdown(text).encode()


@given(st.text(alphabet=st.characters(exclude_characters="*_\\<![]#|\0", exclude_categories=["Cs"]), max_size=200))
def test_plain_text_is_unchanged(text: str) -> None:
    assert markdown(text) == text


@given(
    st.lists(
        st.sampled_from(
            ["a_b", "*中*", "![p](u)", "<b>x</b>", "\n##### h\n", "**b**", "`c_d`", "\n\n", "- ", "字", " "]
        ),
        max_size=12,
    ).map("".join)
)
def test_what_was_made_fit_stays_so(text: str) -> None:
    once = markdown(text)
    assert shown(markdown(once)) == shown(once)


ADVERSARIAL = {
    "stars": "*a ", "lines of marks": "_a", "brackets": "[", "pictures": "![", "half links": "[a](", "targets": "](a (",
    "ticks": "`` ` ", "angles": "<", "comments": "<!-- ", "half tags": '<a x="', "attributes": "<b a a", "quotes": ">",
    "lists": "- ", "cells": "|a_b", "escapes": "\\_", "addresses": "https://a.b/(((", "bold": "**a *b ", "mixed": "*_",
    "cjk": "中*文_", "instructions": "<?a", "sections": "<![CDATA[", "declarations": "<!A", "scripts": "<script>",
    "anchors": "<a href='http://x'>", "tildes": "~~", "underlined": "a_b\n===\n", "definitions": "[a]: b\n",
    "entities": "<b>&nbsp;",
}  # fmt: skip


def cpu(text: str) -> float:
    """The least CPU seconds of three tries."""

    def once() -> float:
        start = time.process_time()
        markdown(text)
        return time.process_time() - start

    return min(once() for _ in range(3))


@pytest.mark.parametrize("unit", ADVERSARIAL.values(), ids=ADVERSARIAL)
def test_the_time_is_linear(unit: str) -> None:
    """Sixteen times the text costs about sixteen times as much; a quadratic step would cost 256 times."""
    small, large = (f"x_ {unit * (size // len(unit))}" for size in (2_000, 32_000))
    assert cpu(large) < 80 * max(cpu(small), 0.0005)
