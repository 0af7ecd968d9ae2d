"""`GET /m/{pushid}?readkey=…`: the whole text of a push, for whoever has the link that its message ends with."""

from datetime import datetime
from zoneinfo import ZoneInfo

import trio
from markupsafe import Markup
from quart import Blueprint, Response, render_template, request

from bottalk.console.assets import Assets
from bottalk.console.markdown import render
from bottalk.service.texts import Texts, WholeText
from bottalk.values import PushId, Secret

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",  # no script, and no picture but our own
        "style-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",  # the address holds the readkey
    "X-Robots-Tag": "noindex, nofollow",
}

INLINE = 4000
"""Characters that are rendered in the event loop, within some milliseconds; more of them in a thread."""
AT_ONCE = 2
"""Long texts rendered at the same time."""


def add_text_page(pages: Blueprint, texts: Texts, zone: ZoneInfo, assets: Assets) -> None:
    """Add the route. A wrong pair of id and readkey and a text that is no longer kept look the same: a page, 404."""
    few = trio.CapacityLimiter(AT_ONCE)

    async def rendered(text: str) -> str:
        if len(text) <= INLINE:
            return render(text)
        return await trio.to_thread.run_sync(render, text, limiter=few)

    @pages.get("/m/<pushid>")
    async def text_page(pushid: str) -> Response:
        found = await _find(texts, pushid, request.args.get("readkey", ""))
        root = "../../" if request.path.endswith("/") else "../"
        if found is None:
            page = await render_template("no_text.html", stamp=assets.stamp, root=root)
        else:
            page = await render_template(
                "text.html",
                stamp=assets.stamp,
                root=root,
                title=found.title.strip(),
                body=Markup(await rendered(found.text)),
                accepted=_told(found.accepted_at, zone),
                until=None if found.until is None else _told(found.until, zone),
            )
        response = Response(page, 200 if found else 404, content_type="text/html; charset=utf-8")
        response.headers.update(HEADERS)
        return response


async def _find(texts: Texts, pushid: str, readkey: str) -> WholeText | None:
    if not (pushid.isascii() and pushid.isdigit() and len(pushid) <= 18 and readkey):
        return None
    return await texts.of(PushId(int(pushid)), Secret(readkey))


def _told(when: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(when, zone).strftime("%Y-%m-%d %H:%M")
