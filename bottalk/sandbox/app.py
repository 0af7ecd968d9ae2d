"""The sandbox's web app: iLink's paths, the control API and the phone page."""

from quart import Response, redirect, render_template, request
from quart.typing import ResponseReturnValue
from quart_trio import QuartTrio

from bottalk import __version__
from bottalk.sandbox.bridge import Bridge
from bottalk.sandbox.control import control
from bottalk.sandbox.core import Sandbox


def create_app(sandbox: Sandbox, *, base_url: str = "") -> QuartTrio:
    """The app for one sandbox. `base_url` "": links and `baseurl` follow the host that each request came to.

    Faults that reset the connection need `sandbox.server.serve`, which tells the app of its sockets.
    """
    app = QuartTrio(__name__)
    app.register_blueprint(control(sandbox))
    app.asgi_app = Bridge(sandbox, base_url, app.asgi_app)  # type: ignore[method-assign]  # Quart's own way to wrap an app

    @app.get("/")
    async def phone_page() -> str:
        return await render_template("phone.html", version=__version__, code="")

    @app.get("/q/<public_id>")
    async def scanned_link(public_id: str) -> ResponseReturnValue:
        """Where the picture's link leads: the phone, with this code in front of the camera."""
        code = request.args.get("qrcode", public_id)
        return await render_template("phone.html", version=__version__, code=code)

    @app.get("/favicon.ico")
    async def favicon() -> ResponseReturnValue:
        return redirect("/static/icon.svg")

    @app.after_request
    async def harden(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = "default-src 'self'; base-uri 'none'; form-action 'none'"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return app
