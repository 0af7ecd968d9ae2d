"""The first page: bind a WeChat by one scan, get the SendKey and a ready `curl` line. And `/docs`,
and the page of a text that is too long for one message (`texts`)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from quart import Blueprint, Response, abort, render_template, request

from bottalk.console import docs
from bottalk.console.assets import load
from bottalk.console.texts import add_text_page
from bottalk.service.texts import Texts

_HERE = Path(__file__).parent

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the QR picture comes as a data URI in a JSON answer
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",  # forms are sent by the script; a key never goes into an address
        "frame-ancestors 'none'",
    )
)

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
"""May be kept, but not used without asking: a new version of the daemon is seen at once."""


def blueprint(description: Callable[[], Mapping[str, Any]], texts: Texts, zone: ZoneInfo) -> Blueprint:
    """`GET /`, `GET /docs` (which shows the OpenAPI document `description`), `GET /m/<pushid>` (with times in `zone`)
    and `GET /console/static/<stamp>/<name>`.

    Raises OSError when the package's files cannot be read.
    """
    pages = Blueprint("console", __name__, template_folder="templates")
    assets = load(_HERE / "static")

    described: dict[str, str] = {}
    """The page of the description, once it was asked for, by the way from it to the root."""

    def html(text: str) -> Response:
        response = Response(text, content_type="text/html; charset=utf-8")
        response.headers["Cache-Control"] = ASK_AGAIN
        return response

    @pages.get("/")
    async def first_page() -> Response:
        return html(await render_template("first_page.html", stamp=assets.stamp, root=""))

    @pages.get("/docs")
    async def docs_page() -> Response:
        root = "../" if request.path.endswith("/") else ""
        if root not in described:
            page = docs.page(description())
            described[root] = await render_template("docs.html", stamp=assets.stamp, page=page, root=root)
        return html(described[root])

    @pages.get("/console/static/<stamp>/<name>")
    async def static_file(stamp: str, name: str) -> Response:
        """A file of any stamp: a page from before an upgrade gets the present one, which it must not keep."""
        asset = assets.files.get(name)
        if asset is None:
            abort(404)
        response = Response(asset.body, content_type=asset.content_type)
        response.headers["Cache-Control"] = FOR_EVER if stamp == assets.stamp else ASK_AGAIN
        response.set_etag(asset.etag)
        await response.make_conditional(request)
        return response

    add_text_page(pages, texts, zone, assets)

    @pages.after_request
    async def harden(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return pages
