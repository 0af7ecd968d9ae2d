"""Browsers and scripts against the real app of a world in virtual time: no sockets, everything else as in life."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import httpx
import structlog
import trio
from structlog.testing import capture_logs

from bottalk.config import Config
from bottalk.http.app import create_app
from bottalk.service.services import Services
from bottalk.values import Secret
from tests.support.world import World, config_for, open_world

SESSION_SECRET = Secret("signs the cookies of tests")
PUBLIC_CODE = "/api/channels/qrcode-public"
OWN_CODE = "/api/channels/qrcode"
COOKIE = "bottalk.sid"


@dataclass(slots=True)
class Bound:
    """What the page that asked for a code was told at the end, and who scanned it."""

    user: str
    code: str
    data: dict[str, Any]
    status: int


PIECE = 65_536
"""Bytes of a body that the app is handed at a time."""


class InProcess(httpx.AsyncBaseTransport):
    """Hands requests to an ASGI app, bodies in pieces. httpx's own leaves a body's stream open that the app refuses."""

    def __init__(self, app: Any, ip: str) -> None:  # noqa: ANN401 - Quart's annotation of an app is its own
        self._app = app
        self._ip = ip

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)] or [b""]
        answered = trio.Event()
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await trio.lowlevel.checkpoint()
            if pieces:
                return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(event: dict[str, Any]) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(event)
            if event["type"] == "http.response.body" and not event.get("more_body", False):
                answered.set()

        await self._app(_scope(request, self._ip), receive, send)
        content = b"".join(event.get("body", b"") for event in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=content, request=request)


def _scope(request: httpx.Request, ip: str) -> dict[str, Any]:
    path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": "http",
        "path": unquote(path.decode("ascii")),  # as hypercorn does
        "raw_path": path,
        "query_string": query,
        "server": ("127.0.0.1", 3000),
        "client": (ip, 50_000),
        "root_path": "",
        "state": {},
        "extensions": {},
    }


class Site:
    """A world with its HTTP side. Browsers are `httpx.AsyncClient`s with a cookie jar of their own each."""

    def __init__(self, world: World, config: Config, stack: AsyncExitStack) -> None:
        self.world = world
        self.config = config
        self.app = create_app(world.daemon.services, config, SESSION_SECRET)
        self._stack = stack

    @property
    def sandbox(self) -> Any:  # noqa: ANN401 - tests reach for every switch of it
        return self.world.sandbox

    async def browser(self, ip: str = "192.0.2.1", *, services: Services | None = None) -> httpx.AsyncClient:
        """A new browser without cookies. `services` replaces those of the world, to plant a bug."""
        app = self.app if services is None else create_app(services, self.config, SESSION_SECRET)
        transport = InProcess(app, ip)
        scheme = self.config.public_url.partition(":")[0]
        client = httpx.AsyncClient(transport=transport, base_url=f"{scheme}://bottalk.test")
        return await self._stack.enter_async_context(client)

    async def ask(self, browser: httpx.AsyncClient, route: str = PUBLIC_CODE) -> str:
        """The page asks for a code; its handle."""
        answer = await browser.post(route)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["qrcode"])

    async def bind(
        self, browser: httpx.AsyncClient, user: str | None = None, *, route: str = PUBLIC_CODE, words: bool = True
    ) -> Bound:
        """Ask, scan, confirm, and poll as a page does to the end; with `words` the user writes one if a channel is new.

        The browser is logged in by it when the scan says so.
        """
        user = user or str(self.sandbox.new_user())
        code = await self.ask(browser, route)
        self.sandbox.scan(code, user)
        self.sandbox.confirm(code)
        answer = await self.end_of(browser, code, public=route == PUBLIC_CODE)
        data = answer.json()["data"]
        if words and data.get("status") == "pending":
            await self.write(user)
        return Bound(user, code, data, answer.status_code)

    async def end_of(self, browser: httpx.AsyncClient, code: str, *, public: bool = True) -> httpx.Response:
        """Poll until the scan is over."""
        for _ in range(400):
            answer = await self.status(browser, code, public=public)
            if answer.json()["data"].get("status") not in ("waiting", "scanned", "need_verifycode"):
                return answer
            await trio.sleep(1)  # virtual
        raise AssertionError("the scan did not end")

    async def state(self, browser: httpx.AsyncClient, code: str, wanted: str, *, public: bool = True) -> None:
        """Poll until the page is told `wanted`."""
        for _ in range(400):
            answer = await self.status(browser, code, public=public)
            if answer.json()["data"].get("status") == wanted:
                return
            await trio.sleep(1)  # virtual
        raise AssertionError(f"the scan did not become {wanted}")

    async def status(
        self, browser: httpx.AsyncClient, code: str, *, public: bool = True, digits: str = ""
    ) -> httpx.Response:
        route = "bind-status-public" if public else "bind-status"
        return await browser.get(f"/api/channels/{route}/{code}", params={"verify_code": digits} if digits else None)

    async def write(self, user: str, text: str = "hi") -> None:
        """The user writes, and the daemon has noticed."""
        directory = self.world.daemon.pictures.directory
        before = directory.channel_of_wechat(user)
        assert before is not None
        self.sandbox.write(user, text)

        def noticed() -> bool:
            channel = directory.channel_of_wechat(user)
            return channel is not None and channel.window.epoch > before.window.epoch

        await self.world.until(noticed)

    def texts(self, user: str) -> list[str]:
        """What the phone shows, in order."""
        return [message.text for message in self.sandbox.read(user)]

    def with_services(self, **changes: Any) -> Services:  # noqa: ANN401
        """The world's services, some replaced."""
        return replace(self.world.daemon.services, **changes)


def said(answer: httpx.Response) -> tuple[int, int, str]:
    """HTTP status, code, message of an answer that is whole: `data` an object, `results` a list, errno repeated."""
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    body = answer.json()
    assert set(body) == {"code", "message", "data"}
    assert isinstance(body["data"]["results"], list)
    assert body["data"]["errno"] == body["code"]
    assert body["data"]["error"].replace("_", "").isupper()
    return answer.status_code, body["code"], body["message"]


async def both(browser: httpx.AsyncClient, url: str, **fields: Any) -> tuple[httpx.Response, httpx.Response]:  # noqa: ANN401
    """The same push plain and with `strict=1`."""
    return await browser.post(url, json=fields), await browser.post(url, json={**fields, "strict": 1})


@asynccontextmanager
async def open_site(
    data_dir: Path,
    *,
    before: Site | None = None,
    settings: Mapping[str, object] | None = None,
    **more: Any,  # noqa: ANN401
) -> AsyncIterator[Site]:
    """A world with its app. `before`: the site that ran on the same data, to restart it. `settings` have dotted names;
    `more` as for `open_world`.
    """
    if before is not None:
        more |= {"sandbox": before.world.sandbox, "clock": before.world.clock}
    overrides: dict[str, Any] = {"rate_limit": 100_000, **(settings or {})}
    async with open_world(data_dir, **more, **overrides) as world, AsyncExitStack() as stack:
        yield Site(world, config_for(data_dir, **overrides), stack)


@contextmanager
def logged(level: Literal["debug", "info"] = "info") -> Iterator[list[Any]]:
    """What the daemon logs meanwhile, from `level` up: one dict a line, there when the context is left."""
    structlog.reset_defaults()
    lines: list[Any] = []
    with capture_logs() as caught:
        yield lines
        lines += [line for line in caught if level == "debug" or line["log_level"] != "debug"]
