"""Sessions: the cookie, logging in, and who is let in."""

from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from itsdangerous import Signer

from tests.support.http import COOKIE, OWN_CODE, PUBLIC_CODE, SESSION_SECRET, open_site

UNAUTHORIZED = {"error": "Unauthorized. Please log in."}
DAY = 86400.0
LOCKED = (
    ("GET", "/api/auth/me"),
    ("POST", OWN_CODE),
    ("GET", "/api/channels"),
    ("GET", "/api/channels/1/activation"),
    ("GET", "/api/channels/bind-status/x"),
)


def morsel(answer: httpx.Response) -> dict[str, str]:
    """The attributes of the one cookie that was set, in small letters."""
    [text] = answer.headers.get_list("set-cookie")
    [(name, cookie)] = SimpleCookie(text).items()
    assert name == COOKIE
    return {key: str(value) for key, value in cookie.items() if value}


async def test_the_cookies_attributes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        answer = await (await site.browser()).post(PUBLIC_CODE)
        attributes = morsel(answer)
        expires = attributes.pop("expires", None)
        assert expires is None or expires.endswith("GMT")
        assert attributes == {"path": "/", "httponly": "True", "samesite": "Lax", "max-age": str(30 * 86400)}


async def test_the_cookie_is_secure_behind_https(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"base_url": "https://push.example/"}) as site:
        browser = await site.browser()
        assert morsel(await browser.post(PUBLIC_CODE))["secure"] == "True"
        assert (await browser.get("/api/config")).json() == {"base_url": "https://push.example"}
        assert (await browser.get("/api/config/")).json() == {"base_url": "https://push.example"}


async def test_without_a_session_nothing_is_shown(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        stranger, visitor = await site.browser(), await site.browser()
        await visitor.post(PUBLIC_CODE)  # a session, not logged in
        for method, path in LOCKED:
            for browser in (stranger, visitor):
                for target in (path, path + "/"):
                    answer = await browser.request(method, target)
                    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
                    assert "set-cookie" not in answer.headers


async def test_forged_cookies(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        await site.bind(browser)
        real = browser.cookies[COOKIE]
        session_id, _, signature = real.rpartition(".")
        forged = [
            session_id,
            session_id + ".",
            real[:-2],
            # its first letter: the last one of a base64 text has bits that nobody reads
            f"{session_id}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
            "x" + real,
            Signer("another secret", salt=COOKIE).sign(session_id).decode(),
            Signer(SESSION_SECRET.reveal(), salt="another use").sign(session_id).decode(),
            Signer(SESSION_SECRET.reveal(), salt=COOKIE).sign("never minted").decode(),
            "." * 4000,
            "\u00e9\u00ff.\u00e9",
            "",
        ]
        for value in forged:
            thief = await site.browser()
            answer = await thief.get("/api/auth/me", headers={b"cookie": f"{COOKIE}={value}".encode("latin-1")})
            assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED), value
            # a fresh session is minted, never the one that was named
            answer = await thief.post(PUBLIC_CODE, headers={b"cookie": f"{COOKIE}={value}".encode("latin-1")})
            assert answer.status_code == 200
            assert session_id not in answer.headers["set-cookie"]
        assert (await browser.get("/api/auth/me")).status_code == 200


async def test_log_in_with_a_sendkey(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        owner = await site.browser()
        bound = await site.bind(owner)
        key = bound.data["send_key"]
        account = {"id": 1, "email": None, "send_key": key, "channel_count": 1}
        bodies: tuple[dict[str, Any], ...] = (
            {"json": {"send_key": key}},
            {"data": {"send_key": f" {key.upper()} "}},
            {"files": {"send_key": (None, key)}},
            {"params": {"send_key": key}},
        )
        for body in bodies:
            browser = await site.browser()
            answer = await browser.post("/api/auth/login/", **body)
            assert answer.json() == {"success": True, "data": account}
            assert (await browser.get("/api/auth/me")).json()["data"] == {**account, "role": "user", "strict": 0}
        for nothing in ({}, {"send_key": " "}, {"send_key": None}):
            answer = await browser.post("/api/auth/login", json=nothing)
            assert (answer.status_code, answer.json()) == (200, {"success": False, "error": "请输入 SendKey"})
        answer = await browser.post("/api/auth/login", json={"send_key": "0" * 32})
        assert (answer.status_code, answer.json()) == (200, {"success": False, "error": "SendKey 无效"})


async def test_log_in_rotates_the_session(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        bound = await site.bind(await site.browser())
        browser = await site.browser()
        await browser.post(PUBLIC_CODE)
        before = browser.cookies[COOKIE]
        await browser.post("/api/auth/login", json={"send_key": bound.data["send_key"]})
        assert browser.cookies[COOKIE] != before
        old = await site.browser()
        old.cookies.set(COOKIE, before)
        # the old id is over: it is not logged in, and asks for a code under a new one
        assert (await old.get("/api/auth/me")).status_code == 401
        assert COOKIE in (await old.post(PUBLIC_CODE)).cookies


async def test_a_session_in_use_is_rolled_once_a_day_and_an_unused_one_ends(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_site(tmp_path) as site:
        browser, idle = await site.browser(), await site.browser()
        bound = await site.bind(browser)
        await idle.post("/api/auth/login", json={"send_key": bound.data["send_key"]})
        before = browser.cookies[COOKIE]
        assert "set-cookie" not in (await browser.get("/api/auth/me")).headers
        for _ in range(4):
            site.world.clock.offset += 9 * DAY
            answer = await browser.get("/api/channels")
            assert (answer.status_code, morsel(answer)["max-age"]) == (200, str(30 * 86400))
            assert answer.cookies[COOKIE] == before
            assert "set-cookie" not in (await browser.get("/api/auth/me")).headers
        assert (await browser.get("/api/auth/me")).status_code == 200
        assert (await idle.get("/api/auth/me")).status_code == 401
        # a log in that rolls and rotates sends the new id alone
        site.world.clock.offset += 2 * DAY
        answer = await browser.post("/api/auth/login", json={"send_key": bound.data["send_key"]})
        assert morsel(answer)
        assert answer.cookies[COOKIE] != before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://bottalk.test"}, 403),
        ({"origin": "http://bottalk.test"}, 200),
        ({"origin": "https://push.example"}, 200),
        ({"origin": "https://PUSH.example"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://push.example.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[broken"}, 403),
    ],
)
async def test_another_sites_page_changes_nothing(
    tmp_path: Path, autojump_clock: object, headers: dict[str, str], status: int
) -> None:
    async with open_site(tmp_path, settings={"base_url": "https://push.example"}) as site:
        browser = await site.browser()
        bound = await site.bind(await site.browser())
        login = await browser.post("/api/auth/login", json={"send_key": bound.data["send_key"]})
        cookie = {"cookie": f"{COOKIE}={login.cookies[COOKIE]}"}
        answer = await browser.post(OWN_CODE, headers={**cookie, **headers})
        assert answer.status_code == status
        if status == 403:
            assert answer.json() == {"success": False, "error": "Forbidden"}


async def test_a_foreign_channel_is_not_there(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, other = await site.browser(), await site.browser()
        await site.bind(browser)
        bound = await site.bind(other)
        answer = await browser.get(f"/api/channels/{bound.data['id']}/activation")
        assert (answer.status_code, answer.json()) == (
            404,
            {"success": False, "data": {"error": "Channel not found"}},
        )


async def test_wrong_methods_and_unknown_routes_of_the_management_api(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for path in (
            "/api",
            "/api/",
            "/api/nothing",
            "/api/auth",
            "/api/channels/1/nothing",
            "/api/channels/qrcode-public/x",
        ):
            answer = await browser.get(path)
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
        answer = await browser.get("/api/nothing")
        assert answer.json() == {"success": False, "error": "接口不存在"}
        for method, path in (
            ("GET", "/api/auth/login"),
            ("POST", "/api/auth/me"),
            ("PUT", PUBLIC_CODE),
            ("PUT", OWN_CODE),
        ):
            answer = await browser.request(method, path)
            assert (answer.status_code, answer.json()) == (405, {"success": False, "error": "不支持的请求方法"})
            assert answer.headers["allow"]


async def test_health_says_ok(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for path in ("/healthz", "/healthz/"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.text) == (200, "ok")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
