"""The Quart-Trio app: routes bound to the services of an open daemon, and what is done with every error."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import structlog
import trio
from quart import Response, g, request
from quart.sessions import SessionInterface
from quart.typing import ResponseTypes
from quart.wrappers import BaseRequestWebsocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from bottalk.config import Config
from bottalk.console.pages import blueprint as console_pages
from bottalk.errors import CannotWrite, Invalid, NoAccount, Refusal, Refused
from bottalk.http import (
    accounts,
    admin,
    answers,
    channels,
    codes,
    logs,
    old,
    operator,
    operator_channels,
    operator_imports,
    operator_status,
    push_answers,
    pushes,
    reminders,
    status,
)
from bottalk.http.access import HEADER, Access, route_of
from bottalk.http.address import Addresses
from bottalk.http.description import Description
from bottalk.http.direct import BreakOff
from bottalk.http.endpoints import Endpoint
from bottalk.http.guard import Guard, is_operator
from bottalk.http.push_door import PushDoor
from bottalk.http.router import register
from bottalk.service.services import Services
from bottalk.tracing import request_id
from bottalk.values import Secret
from supervisors import OutcomeUnknown, SupervisionError

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


class App(QuartTrio):
    """`door` answers the push routes."""

    door: PushDoor

    async def handle_exception(self, error: Exception) -> ResponseTypes:
        """A request of which nothing true can be said gets no answer, not even a 500: the server hangs up."""
        if isinstance(error, BreakOff):
            raise error
        return await super().handle_exception(error)


def create_app(services: Services, config: Config, session_secret: Secret) -> App:
    """The app. It starts no work of its own: what must happen runs in the tree."""
    app = App("bottalk.http", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_body
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    app.session_interface = _NoSessions()  # type: ignore[assignment]  # Quart's annotation is narrower than its use
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    addresses = Addresses(config)
    access = Access(services.figures.measures, addresses)
    _watch(app, access)
    found = endpoints(services, config, addresses)
    described = Description((*pushes.described(), *found), config.public_url)
    guard = Guard(services.sessions, config, session_secret)
    register(app, (*found, described.endpoint), guard, addresses)
    app.register_blueprint(console_pages(described.document, services.texts, ZoneInfo(config.tz)))
    _handle_errors(app)
    app.after_request(_open_to_other_origins)
    # Quart's own way to wrap an app
    app.door = PushDoor(app.asgi_app, services.pushes, addresses, access, config.max_body)
    app.asgi_app = app.door  # type: ignore[method-assign]
    return app


def endpoints(services: Services, config: Config, addresses: Addresses) -> Sequence[Endpoint[Any]]:
    """Every route but the push routes, which `push_door` serves, the description, and the console's pages."""
    binding = codes.endpoints(services.channels)
    return (
        *pushes.endpoints(services.pushes),
        *accounts.endpoints(services.accounts),
        *binding,
        *channels.endpoints(services.channels),
        *logs.endpoints(services.logs),
        *reminders.endpoints(services.reminders),
        *status.endpoints(services.status, services.figures, config),
        *admin.endpoints(services),
        *old.endpoints(services, binding),
        *operator.endpoints(services.users),
        *operator_channels.endpoints(services),
        *operator_imports.endpoints(services.imports),
        *operator_status.endpoints(services.status, addresses),
    )


def _watch(app: QuartTrio, access: Access) -> None:
    """Every answer that the app gives, those of its error handlers too."""

    @app.before_request
    async def begin() -> None:
        g.began = trio.current_time()
        request_id.set(access.request_id(request.scope["client"], dict(request.scope["headers"])))

    @app.after_request
    async def end(response: Response) -> Response:
        response.headers[HEADER] = request_id.get()
        why = {"why": g.why} if "why" in g else {}
        access.ended(g.began, request_id.get(), route_of(request), request.method, response.status_code, **why)
        return response


async def _open_to_other_origins(response: Response) -> Response:
    """CORS for the API, not for the console's pages."""
    if request.blueprint != "console":
        response.headers.extend(answers.CORS)
        if request.method == "OPTIONS" and response.status_code == 200:
            response.headers.extend(answers.PREFLIGHT)
    return response


def _handle_errors(app: QuartTrio) -> None:
    @app.errorhandler(Invalid)
    async def invalid(error: Invalid) -> Response:
        g.why = error.text
        return _error(error.text, error.status)

    @app.errorhandler(Refused)
    async def refused(error: Refused) -> Response:
        return answers.respond(answers.failed(error.text, error.status))

    @app.errorhandler(NoAccount)
    async def no_account(error: NoAccount) -> Response:
        return answers.respond(answers.denied(401))

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        answer = _error(_STATUS_TEXTS.get(status, "请求无效"), status)
        if status == 405:
            answer.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        return answer

    @app.errorhandler(OutcomeUnknown)
    async def unknown(error: OutcomeUnknown) -> Response:
        # the journal died with it in hand, and the process ends: whether it was saved, nobody can say
        raise BreakOff from error

    @app.errorhandler(CannotWrite)
    @app.errorhandler(SupervisionError)
    async def busy(error: Exception) -> Response:
        log.warning("http.busy", route=route_of(request), why=str(error))
        if _is_management():
            return answers.respond(answers.cannot_save())
        return answers.respond(push_answers.refusal(Refusal.BUSY, strict=False))

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        log.error("http.bug", route=route_of(request), exc_info=error)
        return _error(Refusal.BUG.text, 500)


def _is_management() -> bool:
    # from outside there is no /operator: it is answered as any path that is not there
    is_operators = request.path.startswith("/operator/") and is_operator(request)
    return is_operators or request.path.startswith("/api/")


def _error(text: str, status: int) -> Response:
    if _is_management():
        return answers.respond(answers.failed(text, status))
    what = Refusal.BUG if status >= 500 else Refusal.BAD_INPUT
    return answers.respond(push_answers.refusal(what, strict=True, text=text, status=status))
