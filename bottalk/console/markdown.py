"""A push's Markdown as HTML that can do nothing: sanitised, and without one picture from elsewhere.

A picture tells whoever serves it who reads the text, and when: it is a link, which somebody has to press.
"""

import html
from collections.abc import MutableMapping, Sequence
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from bottalk.delivery.tags import KNOWN, tag_at

MAX_RENDERED = 50_000
"""Characters; a longer text is shown as it was written. So many take less than two seconds, whatever they are."""

PICTURE = "图片"

_SHOWN = (
    "a abbr b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp"
    " small span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var"
)
_TAGS = set(_SHOWN.split())
_ATTRIBUTES = {"a": {"href", "title"}, "th": {"align"}, "td": {"align"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto", "tel"}

Env = MutableMapping[str, Any]


def render(text: str) -> str:
    """CommonMark with tables and strike-through; a line break stays one, as on the phone. Never raises."""
    if len(text) > MAX_RENDERED:
        return f"<pre>{html.escape(text)}</pre>"
    return nh3.clean(
        _MARKDOWN.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes={"a": {"picture"}},
        url_schemes=_SCHEMES,
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )


def _image(renderer: RendererHTML, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env) -> str:
    token = tokens[number]
    depth = sum((one.type == "link_open") - (one.type == "link_close") for one in tokens[:number])
    return _picture(str(token.attrs.get("src", "")), token.content, is_in_link=depth > 0)


def _picture(link: str, alt: str, *, is_in_link: bool = False) -> str:
    shown = html.escape(f"{PICTURE}：{alt}" if alt.strip() else PICTURE)
    return shown if is_in_link else f'<a class="picture" href="{html.escape(link)}">{shown}</a>'


def _html(renderer: RendererHTML, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env) -> str:
    """HTML as it is, for the sanitiser; but a `<word>` that is no tag is text, and a picture a link."""
    text, parts, done = tokens[number].content, list[str](), 0
    at = text.find("<")
    while at >= 0:
        tag = tag_at(text, at)
        end = at + 1 if tag is None else tag.end
        if tag is not None and tag.name not in KNOWN:
            parts += [text[done:at], html.escape(text[at:end])]
            done = end
        elif tag is not None and tag.name == "img":
            parts += [text[done:at], _picture(tag.link, tag.alt)]
            done = end
        at = text.find("<", end)
    return "".join([*parts, text[done:]])


def _cell(renderer: RendererHTML, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env) -> str:
    """A cell's alignment as an attribute: the page's policy allows no style in its HTML."""
    token = tokens[number]
    style = str(token.attrs.pop("style", ""))
    if style:
        token.attrs["align"] = style.rpartition(":")[2]
    return renderer.renderToken(tokens, number, options, env)


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])
    for name, rule in (
        ("image", _image),
        ("html_inline", _html),
        ("html_block", _html),
        ("th_open", _cell),
        ("td_open", _cell),
    ):
        made.add_render_rule(name, rule)
    return made


_MARKDOWN = _markdown()
