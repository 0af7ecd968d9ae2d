"""Scans, as the page that shows the code sees them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import trio

from bottalk.sandbox.rules.faults import Fault
from tests.support.http import OWN_CODE, PUBLIC_CODE, Site, open_site

FIRST_NAME = "默认通道"


async def me(browser: httpx.AsyncClient) -> dict[str, object]:
    answer = await browser.get("/api/auth/me")
    assert answer.status_code == 200, answer.text
    data: dict[str, object] = answer.json()["data"]
    return data


async def is_stranger(browser: httpx.AsyncClient) -> bool:
    answer = await browser.get("/api/auth/me")
    return answer.status_code == 401 and answer.json() == {"error": "Unauthorized. Please log in."}


async def channels(browser: httpx.AsyncClient) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = (await browser.get("/api/channels")).json()["data"]
    return listed


async def test_what_a_code_is_told_as(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        data = (await browser.post(PUBLIC_CODE)).json()["data"]
        assert data["qrcode_url"] == data["qr_url"] == data["qrcode_img_content"]
        assert data["qr_image"].startswith("data:image/png;base64,")
        assert data["expire_time"] == 300
        assert data["qrcode"] == site.sandbox.codes[-1].qrcode
        # iLink's own fields pass through
        assert data["ret"] == 0


async def test_a_new_wechat_founds_an_account_and_logs_its_page_in(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        code = await site.ask(browser)
        assert (await site.status(browser, code)).json() == {"success": True, "data": {"status": "waiting"}}
        user = site.sandbox.new_user()
        site.sandbox.scan(code, user)
        await site.state(browser, code, "scanned")
        assert await is_stranger(browser)
        site.sandbox.confirm(code)
        answer = await site.end_of(browser, code)
        data = answer.json()["data"]
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        key = data.pop("send_key")
        assert len(key) == 32
        assert key == key.lower()
        assert data == {"id": 1, "status": "pending", "wechat_openid": user, "is_new": True}
        assert (await me(browser)) == {
            "id": 1, "email": None, "send_key": key, "channel_count": 1, "role": "user", "strict": 0
        }  # fmt: skip
        channel = (await channels(browser))[0]
        assert (channel["name"], channel["is_default"], channel["status"]) == (FIRST_NAME, 1, "pending")
        assert (channel["can_login"], channel["context_token"]) == (1, None)
        token = site.sandbox.session(user).token
        assert channel["bot_token"] == token[:6] + "…"
        activation = "/api/channels/1/activation"
        assert (await browser.get(activation)).json() == {"success": True, "data": {"activated": False}}
        await site.write(user)
        assert (await browser.get(activation)).json() == {"success": True, "data": {"activated": True}}
        # asking again gives the same, until the code expires
        assert (await site.status(browser, code)).json()["data"]["send_key"] == key
        await trio.sleep(300)
        assert (await site.status(browser, code)).json()["data"] == {"status": "expired"}


async def test_a_known_wechat_gets_its_account_back_with_a_new_token(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        first = await site.bind(await site.browser())
        token = site.sandbox.session(first.user).token
        browser = await site.browser()
        again = await site.bind(browser, first.user, words=False)
        assert again.data == {**first.data, "is_new": False}
        assert site.sandbox.session(first.user).token != token
        assert [(c["id"], c["status"], c["name"]) for c in await channels(browser)] == [(1, "pending", FIRST_NAME)]
        assert (await me(browser))["send_key"] == first.data["send_key"]
        # what is pushed before the first word is kept, and drains with it
        answer = await browser.post(f"/{first.data['send_key']}.send", json={"title": "kept"})
        assert answer.json()["data"]["reason"] == "context_expired"
        await site.write(first.user)
        await site.world.until(lambda: site.texts(first.user)[-1:] == ["kept"], within=5)
        site.sandbox.check_invariants()


async def test_a_second_channel_of_ones_own(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        first = await site.bind(browser)
        second = await site.bind(browser, route=OWN_CODE)
        assert second.data == {
            "id": 2, "name": "Channel 2", "status": "pending", "wechat_openid": second.user, "is_default": 0
        }  # fmt: skip
        assert [c["id"] for c in await channels(browser)] == [2, 1]
        assert (await me(browser))["channel_count"] == 2
        again = await site.bind(browser, second.user, route=OWN_CODE)
        assert again.data == {**second.data, "rebind": True}
        assert [c["id"] for c in await channels(browser)] == [2, 1]
        for channel in (first, second):
            text = f"for {channel.data['id']}"
            push = {"title": text, "channel": channel.data["id"]}
            answer = await browser.post(f"/{first.data['send_key']}.send", json=push)
            assert answer.json()["message"] == "success"
            assert site.texts(channel.user)[-1] == text


async def test_a_colleagues_scan_rebinds_and_logs_nobody_in(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        owner = await site.browser()
        await site.bind(owner)
        colleague = await site.bind(owner, route=OWN_CODE)
        browser = await site.browser()
        token = site.sandbox.session(colleague.user).token
        told = await site.bind(browser, colleague.user)
        assert told.data == {"status": "bound", "wechat_openid": colleague.user}
        assert site.sandbox.session(colleague.user).token != token
        assert await is_stranger(browser)
        assert [(c["id"], c["status"]) for c in await channels(owner)] == [(2, "pending"), (1, "active")]


async def test_a_wechat_of_another_account_stays_there(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        owner = await site.browser()
        first = await site.bind(owner)
        other = await site.browser()
        await site.bind(other)
        told = await site.bind(other, first.user, route=OWN_CODE, words=False)
        assert told.status == 200
        assert told.data == {"error": "wechat_already_bound", "message": "该微信已被其他账户绑定"}
        answer = await site.status(other, told.code, public=False)
        assert answer.json()["success"] is False
        assert [c["id"] for c in await channels(other)] == [2]
        # the owner's channel goes on, with the token of this scan
        await site.write(first.user)
        await owner.post(f"/{first.data['send_key']}.send", json={"title": "goes on"})
        assert site.texts(first.user)[-1] == "goes on"
        assert site.sandbox.max_concurrent_polls() == 1


async def test_at_most_ten_channels(tmp_path: Path, autojump_clock: object) -> None:
    full = {"success": False, "data": {"error": "Maximum 10 channels allowed"}}
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        owner = await site.bind(browser)
        for _ in range(8):
            await site.bind(browser, route=OWN_CODE)
        codes = [await site.ask(browser, OWN_CODE) for _ in range(2)]
        users = [site.sandbox.new_user() for _ in range(2)]
        answers = []
        for code, user in zip(codes, users, strict=True):
            site.sandbox.scan(code, user)
            site.sandbox.confirm(code)
            answers.append(await site.end_of(browser, code, public=False))
        assert answers[0].json()["data"]["name"] == "Channel 10"
        assert (answers[1].status_code, answers[1].json()) == (400, full)
        await site.world.until(lambda: released(site, users[1]), within=30)
        answer = await browser.post(OWN_CODE)
        assert (answer.status_code, answer.json()) == (400, full)
        # a rebind is not held back, whether it is said in the query or in the body
        assert (await browser.post(f"{OWN_CODE}?rebind=2")).status_code == 200
        assert (await browser.post(OWN_CODE, json={"rebind": 2})).status_code == 200
        assert (await browser.post(OWN_CODE, json={"rebind": 99})).status_code == 400
        # the founder's own scan logs in as ever
        visitor = await site.browser()
        again = await site.bind(visitor, owner.user)
        assert again.data["send_key"] == owner.data["send_key"]
        assert again.data["is_new"] is False


def released(site: Site, user: str) -> bool:
    """The daemon has given that user's bot back."""
    token = site.sandbox.session(user).token
    return any(call.endpoint == "notifystop" and call.user == user for call in site.sandbox.record.calls) and not any(
        channel.bot_token.reveal() == token for channel in site.world.daemon.pictures.directory.channels()
    )


async def test_codes_are_shown_to_those_who_asked(tmp_path: Path, autojump_clock: object) -> None:
    mismatch = {"success": False, "data": {"error": "Session mismatch"}}
    async with open_site(tmp_path) as site:
        browser, other, stranger = await site.browser(), await site.browser(), await site.browser()
        code = await site.ask(browser)
        await site.bind(other)
        for foreign in (other, stranger):
            answer = await site.status(foreign, code)
            assert (answer.status_code, answer.json()) == (403, mismatch)
        own = await site.ask(other, OWN_CODE)
        await site.bind(browser)
        answer = await site.status(browser, own, public=False)
        assert (answer.status_code, answer.json()) == (403, mismatch)
        answer = await site.status(stranger, own, public=False)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized. Please log in."})
        assert (await site.status(stranger, "unknown")).json() == {"success": True, "data": {"status": "expired"}}
        # the account's other browser may follow its code
        key = (await me(other))["send_key"]
        second = await site.browser()
        await second.post("/api/auth/login", json={"send_key": key})
        assert (await site.status(second, own, public=False)).json()["data"] == {"status": "waiting"}


async def test_a_code_that_nobody_scans_expires(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        code = await site.ask(browser)
        await trio.sleep(301)
        assert (await site.status(browser, code)).json() == {"success": True, "data": {"status": "expired"}}


async def test_a_scan_that_is_cancelled_on_the_phone(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        code = await site.ask(browser)
        site.sandbox.scan(code, site.sandbox.new_user())
        await site.state(browser, code, "scanned")
        site.sandbox.cancel(code)
        await site.state(browser, code, "expired")
        assert await is_stranger(browser)


async def test_the_right_digits(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        site.sandbox.set(verify_code=True)
        browser = await site.browser()
        code = await site.ask(browser)
        user = site.sandbox.new_user()
        digits = site.sandbox.scan(code, user).digits
        await site.state(browser, code, "need_verifycode")
        # a link preview enters nothing
        await browser.head(f"/api/channels/bind-status-public/{code}", params={"verify_code": digits})
        await trio.sleep(10)
        assert (await site.status(browser, code)).json()["data"] == {"status": "need_verifycode"}
        answer = await site.status(browser, code, digits="12ab")
        assert (answer.status_code, answer.json()["error"]) == (400, "verify_code 格式错误")
        await site.status(browser, code, digits="0" * len(digits) if set(digits) != {"0"} else "1" * len(digits))
        await trio.sleep(10)
        assert (await site.status(browser, code)).json()["data"] == {"status": "need_verifycode"}
        await site.status(browser, code, digits=digits)
        await site.state(browser, code, "scanned")
        site.sandbox.confirm(code)
        assert (await site.end_of(browser, code)).json()["data"]["wechat_openid"] == user


async def test_wrong_digits_block_the_code(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        site.sandbox.set(verify_code=True)
        browser = await site.browser()
        code = await site.ask(browser)
        digits = site.sandbox.scan(code, site.sandbox.new_user()).digits
        await site.state(browser, code, "need_verifycode")
        wrong = "".join(str((int(digit) + 1) % 10) for digit in digits)
        for _ in range(3):
            await site.status(browser, code, digits=wrong)
            await trio.sleep(10)
        told = {"success": True, "data": {"status": "verify_code_blocked"}}
        assert (await site.status(browser, code)).json() == told
        await site.status(browser, code, digits=digits)
        await trio.sleep(10)
        assert (await site.status(browser, code)).json() == told


async def test_a_scan_is_finished_without_its_page(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        code = await site.ask(browser)
        user = site.sandbox.new_user()
        site.sandbox.scan(code, user)
        site.sandbox.confirm(code)
        directory = site.world.daemon.pictures.directory
        await site.world.until(lambda: directory.channel_of_wechat(user), within=60)
        # the page that comes back is logged in, whether it asks for the code or not
        assert (await me(browser))["channel_count"] == 1
        assert (await site.status(browser, code)).json()["data"]["is_new"] is True


@pytest.mark.parametrize("confirmed_while_down", [True, False])
async def test_a_scan_goes_on_after_a_restart(
    tmp_path: Path, autojump_clock: object, confirmed_while_down: bool
) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        code = await site.ask(browser)
        user = site.sandbox.new_user()
        site.sandbox.scan(code, user)
        await site.state(browser, code, "scanned")
        cookies = dict(browser.cookies)
    if confirmed_while_down:
        site.sandbox.confirm(code)
    async with open_site(tmp_path, before=site) as again:
        browser = await again.browser()
        browser.cookies.update(cookies)
        if not confirmed_while_down:
            again.sandbox.confirm(code)
        data = (await again.end_of(browser, code)).json()["data"]
        assert (data["wechat_openid"], data["is_new"]) == (user, True)
        assert (await me(browser))["send_key"] == data["send_key"]
        await again.write(user)
        answer = await browser.post(f"/{data['send_key']}.send", json={"title": "x"})
        assert answer.json()["message"] == "success"


async def test_scripts_save_cookies_once_and_use_them_for_everything(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        page = await site.browser()
        asked = await page.post(PUBLIC_CODE)
        saved = dict(asked.cookies)
        assert len(saved) == 1
        code = asked.json()["data"]["qrcode"]

        async def call(path: str, method: str = "GET") -> httpx.Response:
            """A script that sends the saved cookies and forgets what it is sent."""
            script = await site.browser()
            script.cookies.update(saved)
            return await script.request(method, path)

        user = site.sandbox.new_user()
        site.sandbox.scan(code, user)
        site.sandbox.confirm(code)
        directory = site.world.daemon.pictures.directory
        await site.world.until(lambda: directory.channel_of_wechat(user), within=60)
        bound = (await call(f"/api/channels/bind-status-public/{code}")).json()["data"]
        assert (await call("/api/auth/me")).json()["data"]["send_key"] == bound["send_key"]
        assert (await call("/api/channels")).json()["data"][0]["id"] == bound["id"]
        assert (await call(f"/api/channels/{bound['id']}/activation")).json()["data"] == {"activated": False}
        assert (await call(OWN_CODE, "POST")).status_code == 200
        # a code asked for with the same cookies belongs to the same session
        assert "set-cookie" not in (await call(PUBLIC_CODE, "POST")).headers


async def test_too_many_open_codes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"codes_per_address": 2, "codes_in_all": 3}) as site:
        browser, elsewhere, third = [await site.browser(f"192.0.2.{n}") for n in range(3)]
        full = {"success": False, "error": "二维码请求过多，请稍后再试"}
        for _ in range(2):
            assert (await browser.post(PUBLIC_CODE)).status_code == 200
        answer = await browser.post(PUBLIC_CODE)
        assert (answer.status_code, answer.json()) == (429, full)
        assert (await elsewhere.post(PUBLIC_CODE)).status_code == 200
        answer = await third.post(PUBLIC_CODE)
        assert (answer.status_code, answer.json()) == (429, full)
        await trio.sleep(301)
        assert (await browser.post(PUBLIC_CODE)).status_code == 200


async def test_who_gets_no_code_leaves_nothing_behind(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"codes_per_address": 1}) as site:
        stranger = await site.browser()
        assert "set-cookie" in (await stranger.post(PUBLIC_CODE)).headers
        site.sandbox.arm(Fault(kind="status", endpoint="get_bot_qrcode", status=503, times=100))
        for status, ip in ((429, "192.0.2.1"), (502, "192.0.2.2")):
            for _ in range(3):
                answer = await (await site.browser(ip)).post(PUBLIC_CODE)
                assert answer.status_code == status
                assert "set-cookie" not in answer.headers
        with closing(sqlite3.connect(tmp_path / "bottalk.db")) as connection:
            assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)


async def test_ilink_gives_no_code(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        site.sandbox.arm(Fault(kind="status", endpoint="get_bot_qrcode", status=503, times=10))
        answer = await browser.post(PUBLIC_CODE)
        assert answer.status_code == 502
        assert answer.json() == {"success": False, "error": "暂时无法从微信获取二维码，请稍后再试"}
        site.sandbox.disarm()
        assert (await browser.post(PUBLIC_CODE)).status_code == 200
