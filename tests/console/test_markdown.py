"""A push's Markdown as HTML: what is shown, and what can do nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottalk.console.markdown import MAX_RENDERED, render


@pytest.mark.parametrize(
    ("text", "page"),
    [
        (
            "# H\n\n**b** *i* ~~s~~ `c_d`",
            "<h1>H</h1>\n<p><strong>b</strong> <em>i</em> <s>s</s> <code>c_d</code></p>\n",
        ),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("```py\na < b\n```", "<pre><code>a &lt; b\n</code></pre>\n"),
        ("3. x\n4. y", '<ol start="3">\n<li>x</li>\n<li>y</li>\n</ol>\n'),
        (
            "| a | b |\n|---|--:|\n| 1 | 2 |",
            '<table>\n<thead>\n<tr>\n<th>a</th>\n<th align="right">b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n'
            '<td align="right">2</td>\n</tr>\n</tbody>\n</table>\n',
        ),
        (
            "[text](https://x.example/a?b=1&c=2)",
            '<p><a href="https://x.example/a?b=1&amp;c=2" rel="noopener noreferrer nofollow">text</a></p>\n',
        ),
        ("a <b>bold</b><br>b", "<p>a <b>bold</b><br>b</p>\n"),
        ("ssh <user>@<host>", "<p>ssh &lt;user&gt;@&lt;host&gt;</p>\n"),
        ("<div>\n<host> & <b>x</b>\n</div>", "<div>\n&lt;host&gt; &amp; <b>x</b>\n</div>"),
    ],
)
def test_what_is_shown(text: str, page: str) -> None:
    assert render(text) == page


PICTURE = '<a class="picture" href="https://i.example/p.png" rel="noopener noreferrer nofollow">图片'


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("![graph](https://i.example/p.png)", f"<p>{PICTURE}：graph</a></p>\n"),
        ("![](https://i.example/p.png)", f"<p>{PICTURE}</a></p>\n"),
        ("x <img src='https://i.example/p.png' onerror='x()'>", f"<p>x {PICTURE}</a></p>\n"),
        ('![a"><script>](https://i.example/p.png)', f'<p>{PICTURE}：a"&gt;&lt;script&gt;</a></p>\n'),
        (
            "[![b](https://i.example/p.png)](https://l.example)",
            '<p><a href="https://l.example" rel="noopener noreferrer nofollow">图片：b</a></p>\n',
        ),
    ],
)
def test_a_picture_is_a_link_that_somebody_has_to_press(text: str, page: str) -> None:
    assert render(text) == page


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "<iframe src='https://x.example'></iframe>",
    "<style>body{display:none}</style>",
    "<p style='position:fixed'>x</p>",
    "<form action='https://x.example'><input name=q></form>",
    "<link rel=stylesheet href='https://x.example'>",
    "<meta http-equiv=refresh content='0;url=https://x.example'>",
    "<base href='https://x.example'>",
    "<p id=x class=y onclick=z>x</p>",
    "<video src='https://x.example/v'></video><audio src='https://x.example/a'>",
    "<math><mtext></table><mglyph><style><img src=x onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<x onclick=alert(1)>",
    '<host a="<img src=x onerror=alert(1)>">',
]


def assert_harmless(page: str) -> None:
    lowered = page.lower()
    for tag in (
        "script",
        "img",
        "svg",
        "iframe",
        "style",
        "form",
        "input",
        "link",
        "meta",
        "base",
        "video",
        "audio",
        "math",
    ):
        assert f"<{tag}" not in lowered
    for found in lowered.split("<")[1:]:
        inside = found.partition(">")[0]
        assert " on" not in inside.replace(" noopener", "")
        assert " style=" not in inside
        assert "javascript:" not in inside
        assert "data:" not in inside


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_in_it_acts_or_loads(text: str) -> None:
    assert_harmless(render(text))
    assert_harmless(render(f"> - {text}\n\n| a |\n|---|\n| {text} |"))


@given(
    st.lists(
        st.sampled_from([*ATTACKS, "<", ">", '"', "'", "`", "\n", "[", "](", ")", "&lt;", "<a href=", "x"]), max_size=10
    ).map("".join)
)
def test_no_mixture_of_them_does(text: str) -> None:
    assert_harmless(render(text))


def test_a_very_long_text_is_shown_as_it_was_written() -> None:
    text = "**a** <b>\n" * (MAX_RENDERED // 8)
    assert render(text) == "<pre>" + "**a** &lt;b&gt;\n" * (MAX_RENDERED // 8) + "</pre>"


@pytest.mark.parametrize("unit", ["*a ", "[", "![", "<", "> - ", "|a", "`` ` ", "[a]: b\n", "<a x='"])
def test_no_text_keeps_a_processor_busy(unit: str) -> None:
    """Sixteen times the text costs about sixteen times as much; a quadratic step would cost 256 times."""

    def cpu(size: int) -> float:
        start = time.process_time()
        render(unit * (size // len(unit)))
        return time.process_time() - start

    assert min(cpu(MAX_RENDERED) for _ in range(2)) < 100 * max(min(cpu(MAX_RENDERED // 16) for _ in range(3)), 0.001)
