"""The Quart-Trio app: routes bound to the services of an open daemon, and what is done with every error."""

from typing import Any

import structlog
from quart import Blueprint, Response, request
from quart.sessions import SessionInterface
from quart.wrappers import BaseRequestWebsocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from bottalk.config import Config
from bottalk.console.pages import blueprint as console_pages
from bottalk.errors import CannotWrite, Invalid, Refusal
from bottalk.http import accounts, answers, channels, public, pushes
from bottalk.http.guard import Guard
from bottalk.http.pushes import PushDoor
from bottalk.service.services import Services
from bottalk.values import Secret
from supervisors import SupervisionError

log = structlog.get_logger()

BODY_TIMEOUT_S = 30
"""Seconds a client may take to send its body."""

_STATUS_TEXTS = {404: "接口不存在", 405: "不支持的请求方法", 408: "请求超时", 413: "请求体过大"}


class _NoSessions(SessionInterface):
    """Quart's own sessions are not used: ours live in the store (`guard`)."""

    async def open_session(self, app: Any, request: BaseRequestWebsocket) -> None:  # noqa: ANN401 - Quart's signature
        return None

    async def save_session(self, app: Any, session: Any, response: Any) -> None:  # noqa: ANN401
        return None


def create_app(services: Services, config: Config, session_secret: Secret) -> QuartTrio:
    """The app. It starts no work of its own: what must happen runs in the tree."""
    app = QuartTrio("bottalk.http", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_body
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    app.session_interface = _NoSessions()  # type: ignore[assignment]  # Quart's annotation is narrower than its use
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    guard = Guard(services.sessions, config, session_secret)
    for routes in _blueprints(services, config, guard):
        app.register_blueprint(routes)
    _handle_errors(app)
    # Quart's own way to wrap an app
    app.asgi_app = PushDoor(app.asgi_app, services.pushes, config.max_body)  # type: ignore[method-assign]
    return app


def _blueprints(services: Services, config: Config, guard: Guard) -> tuple[Blueprint, ...]:
    return (
        pushes.blueprint(services.pushes),
        accounts.blueprint(services.accounts, guard),
        channels.blueprint(services.channels, guard, config.max_channels),
        public.blueprint(config),
        console_pages(),
    )


def _handle_errors(app: QuartTrio) -> None:
    @app.errorhandler(Invalid)
    async def invalid(error: Invalid) -> Response:
        log.info("http.bad_input", route=_route(), why=error.text)
        return _error(error.text, error.status)

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        answer = _error(_STATUS_TEXTS.get(status, "请求无效"), status)
        if status == 405:
            answer.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return answer

    @app.errorhandler(CannotWrite)
    @app.errorhandler(SupervisionError)
    async def busy(error: Exception) -> Response:
        log.warning("http.busy", route=_route(), why=str(error))
        if _is_management():
            return answers.cannot_save()
        return answers.respond(answers.refusal(Refusal.BUSY, strict=False))

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        log.error("http.bug", route=_route(), exc_info=error)
        return _error(Refusal.BUG.text, 500)


def _route() -> str:
    """The route's rule, never the path: paths hold SendKeys."""
    return request.url_rule.rule if request.url_rule is not None else "-"


def _is_management() -> bool:
    return request.path.startswith("/api/")


def _error(text: str, status: int) -> Response:
    if _is_management():
        return answers.error(text, status)
    what = Refusal.BUG if status >= 500 else Refusal.BAD_INPUT
    return answers.respond(answers.refusal(what, strict=True, text=text, status=status))
