"""Who may call what: every route without a session, with another account's, with the owner's and with an admin's.

The table must name every route of the app: a new one that is missing here fails the first test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.stage import Stage, every_route, is_open_to_other_origins, set_stage
from tests.support.http import COOKIE, OWN_CODE, PUBLIC_CODE, open_site

NESTED = {"success": False, "data": {"error": "Channel not found"}}


@dataclass(frozen=True)
class Told:
    """An answer: its status and its whole body, or (`holds`) what its body must hold."""

    status: int
    body: dict[str, Any] | None = None
    holds: dict[str, Any] = field(default_factory=dict)

    def check(self, answer: httpx.Response, what: str) -> None:
        told = f"{what}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code == self.status, told
        if self.body is not None:
            assert answer.json() == self.body, told
        if self.holds:
            assert answer.json().items() >= self.holds.items(), told


OK = Told(200, holds={"success": True})
UNAUTHORIZED = Told(401, {"error": "Unauthorized. Please log in."})
FORBIDDEN = Told(403, {"success": False, "error": "Forbidden"})
NO_CHANNEL = Told(404, NESTED)
NO_LOG = Told(404, {"success": False, "error": "推送记录不存在"})
NO_REMINDER = Told(200, {"success": False, "error": "提醒不存在"})
MISMATCH = Told(403, {"success": False, "data": {"error": "Session mismatch"}})
NOT_CONFIRMED = Told(400, {"success": False, "error": "confirm 必须是本账户的 SendKey"})
PUSHED = Told(200, holds={"code": 0})
PAGE = Told(200)
NO_ROUTE = Told(404, holds={"code": 40000, "message": "接口不存在"})
OPERATORS = (
    "GET /operator/status",
    "GET /operator/admins",
    "POST /operator/admins/grant",
    "POST /operator/admins/revoke",
    "GET /operator/users",
    "POST /operator/users/disable",
    "POST /operator/users/enable",
    "POST /operator/users/reset-key",
    "GET /operator/channels",
    "POST /operator/channels/restart",
    "POST /operator/channels/move",
    "POST /operator/channels/drop",
    "POST /operator/import/accounts",
    "POST /operator/import/logs",
)
"""Whoever does not come through the Unix socket finds no such routes."""


@dataclass(frozen=True)
class Row:
    """One route and what each caller is told; `body` is sent as JSON where the method takes one, else as the query."""

    path: str
    stranger: Told
    other: Told
    admin: Told
    owner: Told
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def locked(self) -> bool:
        """It asks for a session."""
        return self.stranger is UNAUTHORIZED


def public(path: str, told: Told, **body: Any) -> Row:  # noqa: ANN401
    """Everybody is told the same."""
    return Row(path, told, told, told, told, body)


def own(path: str, foreign: Told = OK, mine: Told = OK, **body: Any) -> Row:  # noqa: ANN401
    """Of an account: others, administrators too, are told `foreign`. OK: they see or change their own things."""
    return Row(path, UNAUTHORIZED, foreign, foreign, mine, body)


def admins(path: str, told: Told = OK, **body: Any) -> Row:  # noqa: ANN401
    return Row(path, UNAUTHORIZED, FORBIDDEN, told, FORBIDDEN, body)


def asker(path: str) -> Row:
    """Of the session that asked for a code."""
    return Row(path, MISMATCH, MISMATCH, MISMATCH, OK)


ROUTES: dict[str, Row] = {
    "GET /{sendkey}.send": public("/{key}.send", PUSHED, title="x", delay="60"),
    "POST /{sendkey}.send": public("/{key}.send", PUSHED, title="x", delay=60),
    "GET /send/{sendkey}.send": public("/send/{key}.send", PUSHED, title="x", delay="60"),
    "POST /send/{sendkey}.send": public("/send/{key}.send", PUSHED, title="x", delay=60),
    "GET /send/{sendkey}": public("/send/{key}", PUSHED, title="x", delay="60"),
    "POST /send/{sendkey}": public("/send/{key}", PUSHED, title="x", delay=60),
    "GET /notify": public("/notify", PUSHED, key="{key}", msg="x", delay="60"),
    "POST /notify": public("/notify", PUSHED, key="{key}", msg="x", delay=60),
    "GET /push": public("/push", PUSHED, id="{pushid}", readkey="{readkey}"),
    "POST /api/auth/register": public("/api/auth/register", Told(200, {"success": False, "error": "请输入邮箱地址"})),
    "POST /api/auth/login": public("/api/auth/login", Told(200, {"success": False, "error": "请输入 SendKey"})),
    "POST /api/auth/logout": own("/api/auth/logout"),
    "GET /api/auth/me": own("/api/auth/me"),
    "PATCH /api/auth/me": own("/api/auth/me", strict=1),
    "DELETE /api/auth/me": own("/api/auth/me", NOT_CONFIRMED, confirm="{key}"),
    "GET /api/auth/me/export": own("/api/auth/me/export"),
    "GET /api/key": own("/api/key"),
    "POST /api/key/reset": own("/api/key/reset"),
    "POST /api/channels/qrcode-public": public(PUBLIC_CODE, OK),
    "GET /api/channels/bind-status-public/{qrcode}": asker("/api/channels/bind-status-public/{code}"),
    "POST /api/channels/qrcode": own(OWN_CODE),
    "GET /api/channels/bind-status/{qrcode}": own("/api/channels/bind-status/{own_code}", MISMATCH),
    "GET /api/channels": own("/api/channels"),
    "GET /api/channels/{id}/activation": own("/api/channels/{channel}/activation", NO_CHANNEL),
    "PATCH /api/channels/{id}": own("/api/channels/{channel}", NO_CHANNEL, name="改名"),
    "POST /api/channels/{id}/check": own("/api/channels/{channel}/check", NO_CHANNEL),
    "DELETE /api/channels/{id}/queue": own(
        "/api/channels/{channel}/queue", NO_CHANNEL, Told(200, {"success": True, "data": {"deleted": 1}})
    ),
    "DELETE /api/channels/{id}": own(
        "/api/channels/{channel}", NO_CHANNEL, Told(200, {"success": True, "data": {"message": "Channel deleted"}})
    ),
    "GET /api/push-logs": own("/api/push-logs"),
    "GET /api/push-logs/{id}": own("/api/push-logs/{settled}", NO_LOG),
    "DELETE /api/push-logs/{id}": own("/api/push-logs/{waiting}", NO_LOG),
    "GET /api/reminders": own("/api/reminders"),
    "POST /api/reminders": own("/api/reminders", title="x", time="09:30", type="daily"),
    "PATCH /api/reminders/{id}": own("/api/reminders/{reminder}", NO_REMINDER, title="y"),
    "DELETE /api/reminders/{id}": own("/api/reminders/{reminder}", NO_REMINDER),
    "PATCH /api/reminders/{id}/enable": own("/api/reminders/{reminder}/enable", NO_REMINDER, enabled=False),
    "GET /api/config": public("/api/config", Told(200, {"base_url": "http://localhost:3000"})),
    "GET /api/admin/status": admins("/api/admin/status"),
    "GET /api/admin/users": admins("/api/admin/users"),
    "PATCH /api/admin/users/{id}": admins("/api/admin/users/{other}", nickname="阿二"),
    "DELETE /api/admin/users/{id}": admins(
        "/api/admin/users/{other}", Told(200, {"success": True, "data": {"deleted": 2}})
    ),
    "GET /api/admin/stats": admins("/api/admin/stats"),
    "GET /api/admin/channels": admins("/api/admin/channels"),
    "POST /api/admin/channels/{id}/restart": admins("/api/admin/channels/{channel}/restart"),
    "GET /api/admin/push-logs": admins("/api/admin/push-logs"),
    "GET /api/login/qrcode": public("/api/login/qrcode", OK),
    "GET /api/login/status/{qrcode}": asker("/api/login/status/{code}"),
    "POST /api/login/reset-key": own("/api/login/reset-key", FORBIDDEN, user_id="{wechat}"),
    "GET /api/login/bind-status": own("/api/login/bind-status", FORBIDDEN, user_id="{wechat}"),
    "GET /api/login/push-logs": own("/api/login/push-logs", FORBIDDEN, user_id="{wechat}"),
    "GET /healthz": public("/healthz", PAGE),
    "GET /readyz": public("/readyz", Told(200, {"ready": True, "not_ready": []})),
    "GET /metrics": admins("/metrics", PAGE),
    "GET /openapi.json": public("/openapi.json", Told(200, holds={"openapi": "3.1.0"})),
    "GET /": public("/", PAGE),
    "GET /docs": public("/docs", PAGE),
    "GET /m/<pushid>": public("/m/{pushid}", PAGE, readkey="{readkey}"),
    "GET /console/static/<stamp>/<name>": public("/console/static/x/docs.css", PAGE),
    **{name: public(name.partition(" ")[2], NO_ROUTE) for name in OPERATORS},
}
PAGES = ("/", "/docs", "/m/{pushid}", "/console/static/x/docs.css")
SLASHED = ("stranger", "admin")
LOCKED = [name for name, row in ROUTES.items() if row.locked]
CHANGING = [name for name in LOCKED if not name.startswith("GET")]


async def call(
    stage: Stage,
    browser: httpx.AsyncClient,
    name: str,
    headers: Mapping[str, str] | None = None,
    *,
    slash: bool = False,
) -> httpx.Response:
    row, method = ROUTES[name], name.partition(" ")[0]
    body = {key: stage.filled(value) if isinstance(value, str) else value for key, value in row.body.items()}
    fields: dict[str, Any] = {} if not body else {"params": body} if method == "GET" else {"json": body}
    path = stage.filled(row.path)
    return await browser.request(method, path.rstrip("/") + "/" if slash else path, headers=headers, **fields)


async def an_admin(stage: Stage) -> httpx.AsyncClient:
    """Somebody else, account 3."""
    browser = await stage.site.browser("192.0.2.3")
    await browser.post("/api/auth/register", json={"email": "admin@example.org"})
    await stage.site.world.daemon.services.users.grant("3")
    return browser


async def test_the_table_names_every_route(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        assert every_route(site) == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
async def test_who_is_told_what(tmp_path: Path, autojump_clock: object, name: str) -> None:
    row = ROUTES[name]
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        admin, stranger = await an_admin(stage), await site.browser()
        callers = {"stranger": stranger, "other": stage.other, "admin": admin, "owner": stage.owner}
        for who, browser in callers.items():
            # a trailing slash changes nothing: it is met on the way
            answer = await call(stage, browser, name, slash=who in SLASHED and "/console/" not in row.path)
            getattr(row, who).check(answer, f"{name}, {who}")
            assert not answer.history
            assert row.path in PAGES or is_open_to_other_origins(answer)
            if answer.headers["content-type"].startswith("text/"):
                assert row.path in (*PAGES, "/healthz", "/metrics")
            else:
                assert answer.headers["content-type"] == "application/json; charset=utf-8"
                assert "\\u" not in answer.text, "not ASCII-escaped"
            if who != "owner":
                assert stage.names["key"] not in answer.text
            if who == "other" and not row.path.startswith("/api/admin"):
                assert stage.names["wechat"] not in answer.text


@pytest.mark.parametrize("name", CHANGING)
async def test_another_sites_page_changes_nothing(tmp_path: Path, autojump_clock: object, name: str) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        browser = await an_admin(stage) if "/admin/" in name else stage.owner
        before = (await browser.get("/api/auth/me/export")).json()["data"]
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            FORBIDDEN.check(await call(stage, browser, name, headers), f"{name}, {headers}")
        after = (await browser.get("/api/auth/me/export")).json()["data"]
        assert {**after, "exported_at": ""} == {**before, "exported_at": ""}
        row = ROUTES[name]
        allowed = await call(stage, browser, name, {"sec-fetch-site": "same-origin", "origin": "http://bottalk.test"})
        (row.admin if "/admin/" in name else row.owner).check(allowed, name)


@pytest.mark.parametrize("how", ["disabled", "logged out", "logged out everywhere", "deleted", "deleted by an admin"])
async def test_a_session_that_is_over(tmp_path: Path, autojump_clock: object, how: str) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site, admin=True)
        admin = await an_admin(stage)
        thief = await site.browser()
        thief.cookies.set(COOKIE, stage.owner.cookies[COOKIE])
        if how == "disabled":
            OK.check(await admin.patch("/api/admin/users/1", json={"is_disabled": 1}), how)
        elif how == "deleted":
            OK.check(await stage.owner.request("DELETE", "/api/auth/me", json={"confirm": stage.names["key"]}), how)
        elif how == "deleted by an admin":
            OK.check(await admin.delete("/api/admin/users/1"), how)
        elif how == "logged out":
            OK.check(await stage.owner.post("/api/auth/logout"), how)
        else:
            second = await site.browser()
            await second.post("/api/auth/login", json={"send_key": stage.names["key"]})
            OK.check(await second.post("/api/auth/logout", json={"everywhere": 1}), how)
        for name in LOCKED:
            UNAUTHORIZED.check(await call(stage, thief, name), f"{name}, {how}")
        if how in ("disabled", "deleted", "deleted by an admin"):
            answer = await thief.post(f"/{stage.names['key']}.send", json={"title": "x"})
            assert answer.json()["code"] == 40001


async def test_logging_out_takes_the_cookie_back(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stage = await set_stage(site)
        answer = await stage.owner.post("/api/auth/logout/")
        assert answer.json() == {"success": True}
        assert COOKIE not in stage.owner.cookies
        # the others of the account stay
        OK.check(await stage.other.get("/api/auth/me"), "another account")


async def test_the_monitor_token(tmp_path: Path, autojump_clock: object) -> None:
    token = "watches all night"
    async with open_site(tmp_path, settings={"monitor_token": token}) as site:
        stage = await set_stage(site)
        stranger, admin = await site.browser(), await an_admin(stage)
        for path in ("/api/admin/status", "/metrics", "/api/admin/status/", "/metrics/"):
            for kind in ("Bearer", "bearer"):
                assert (await stranger.get(path, headers={"authorization": f"{kind} {token}"})).status_code == 200
            for wrong in (
                f"Bearer {token}x",
                "Bearer ",
                f"Basic {token}",
                token,
                f"Bearer {stage.names['key']}",
                "Bearer 键",
            ):
                sent = {b"authorization": wrong.encode()}
                UNAUTHORIZED.check(await stranger.get(path, headers=sent), f"{path}, {wrong}")
            assert (await admin.get(path, headers={"authorization": "Bearer wrong"})).status_code == 200
        for name in LOCKED:
            if ROUTES[name].path not in ("/api/admin/status", "/metrics"):
                answer = await call(stage, stranger, name, {"authorization": f"Bearer {token}"})
                UNAUTHORIZED.check(answer, name)


async def test_without_a_monitor_token_none_is_right(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stranger = await site.browser()
        for header in ("Bearer ", "Bearer", "Bearer None", ""):
            answer = await stranger.get("/metrics", headers={"authorization": header})
            UNAUTHORIZED.check(answer, header)
