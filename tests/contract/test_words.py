"""Every text of the contract is met in an answer of the running app, with each status that it may have.

`CONTRACT` is the contract's list, written down by hand; `SCENARIOS` are little stories that make the app say them. The
four hints of a failed push are in test_push_answers.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.contract.faults import Broken, Disk
from tests.contract.stage import Stage, set_stage
from tests.support.http import OWN_CODE, PUBLIC_CODE, Site, both, logged, open_site

CONTRACT: dict[str, set[int]] = {
    # 1. the push API: plain, and with strict=1
    "success": {200},
    "queued": {200, 202},
    "SendKey 无效": {200, 401},
    "缺少 key 参数": {200, 401},
    "没有可用的推送通道，请先绑定并激活通道": {200, 409},
    "title 和消息内容不能同时为空": {200, 400},
    "发送频率超限（每小时最多100条）": {200, 429},
    "全部推送失败": {200, 202, 503},
    "推送记录不存在": {200, 404},
    "Idempotency-Key 已用于另一条消息": {200, 409},
    "服务繁忙或暂时无法保存消息，请稍后重试": {503},
    "服务器内部错误": {500},
    # general rules, 2. sessions, 3. accounts
    "服务繁忙或暂时无法保存，请稍后重试": {503},
    "Unauthorized. Please log in.": {401},
    "Forbidden": {403},
    "请输入邮箱地址": {200},
    "邮箱格式无效": {200},
    "该邮箱已注册": {200},
    "请输入 SendKey": {200},
    "注册未开放": {403},
    "注册过于频繁，请稍后再试": {429},
    # 5. channels
    "二维码请求过多，请稍后再试": {429},
    "Session mismatch": {403},
    "Maximum 10 channels allowed": {400},
    "Channel not found": {404},
    "Channel deleted": {200},
    "默认通道": {200},
    "Channel 2": {200},
    "wechat_already_bound": {200},
    "该微信已被其他账户绑定": {200},
    # 6. the log, 7. reminders
    "该消息已发出": {409},
    "提醒不存在": {200},
    # 9. administrators
    "不能修改自己的账户": {400},
    "User not found": {404},
    "没有可更新的字段": {400},
}


@dataclass
class Ear:
    """Browsers whose answers are all kept."""

    site: Site
    heard: set[tuple[str, int]] = field(default_factory=set)

    async def browser(self, ip: str = "192.0.2.1", **more: Any) -> httpx.AsyncClient:  # noqa: ANN401
        browser = await self.site.browser(ip, **more)
        self.listen(browser)
        return browser

    def listen(self, browser: httpx.AsyncClient) -> None:
        async def keep(response: httpx.Response) -> None:
            await response.aread()
            self.heard |= {(text, response.status_code) for text in texts(response.json())}

        browser.event_hooks["response"].append(keep)

    async def stage(self, *, admin: bool = False) -> Stage:
        stage = await set_stage(self.site, admin=admin)
        for browser in (stage.owner, stage.other):
            self.listen(browser)
        return stage


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


async def pushes(ear: Ear) -> None:
    stage = await ear.stage()
    owner, url = stage.owner, stage.filled("/{key}.send")
    await both(owner, "/nobody.send", title="x")
    await both(owner, "/notify", title="x")
    await both(owner, url, title=" ")
    await both(owner, url, title="x", channel="77")
    await owner.post(url, json={"title": "x", "wait": 20})
    await both(owner, url, title="x", delay=60)
    for strict in (0, 1):
        await owner.get("/push", params={"id": "1", "readkey": "wrong", "strict": strict})
        for title in ("x", "y"):
            body = {"title": title, "strict": strict}
            await owner.post(url, json=body, headers={"idempotency-key": f"same {strict}"})


async def too_many_pushes(ear: Ear) -> None:
    stage = await ear.stage()
    url = stage.filled("/{key}.send")
    for _ in range(98):  # the stage took two
        assert (await stage.owner.post(url, json={"title": "x", "wait": 0})).json()["code"] != 42901
    await both(stage.owner, url, title="x")


async def a_closed_window(ear: Ear) -> None:
    browser = await ear.browser()
    bound = await ear.site.bind(browser)
    url = f"/{bound.data['send_key']}.send"
    for n in range(10):
        await browser.post(url, json={"title": f"{n}", "wait": 0})
        await trio.sleep(400)
    await browser.post(url, json={"title": "kept", "strict": 1})
    await both(browser, url, title="one too many")


async def a_full_disk(ear: Ear) -> None:
    stage = await ear.stage()
    DISK.full = True
    await stage.owner.post(stage.filled("/{key}.send"), json={"title": "x"})
    for method, path, body in (
        ("POST", "/api/auth/login", {"send_key": stage.names["key"]}),
        ("POST", "/api/auth/register", {"email": "a@example.org"}),
        ("PATCH", "/api/auth/me", {"strict": 1}),
        ("POST", "/api/key/reset", {}),
        ("POST", PUBLIC_CODE, {}),
        ("POST", OWN_CODE, {}),
        ("PATCH", stage.filled("/api/channels/{channel}"), {"name": "x"}),
        ("DELETE", stage.filled("/api/channels/{channel}/queue"), {}),
        ("DELETE", stage.filled("/api/push-logs/{waiting}"), {}),
        ("POST", "/api/reminders", {"title": "x", "time": "09:30"}),
        ("PATCH", stage.filled("/api/reminders/{reminder}"), {"title": "x"}),
        ("PATCH", stage.filled("/api/reminders/{reminder}/enable"), {"enabled": 0}),
        ("DELETE", stage.filled("/api/reminders/{reminder}"), {}),
        ("POST", "/api/login/reset-key", {"user_id": stage.names["wechat"]}),
        ("GET", "/api/login/qrcode", None),
        ("POST", "/api/auth/logout", {}),
    ):
        answer = await stage.owner.request(method, path, json=body)
        assert (answer.status_code, answer.json()) == (
            503,
            {"success": False, "error": "服务繁忙或暂时无法保存，请稍后重试"},
        ), f"{method} {path}"
        assert answer.headers["retry-after"].isdigit()
    DISK.full = False
    await trio.sleep(10)


async def a_bug(ear: Ear) -> None:
    browser = await ear.browser(services=ear.site.with_services(pushes=Broken()))
    await browser.post("/x.send", json={"title": "x"})


async def joining(ear: Ear) -> None:
    browser = await ear.browser()
    for email in ("", "no address", "a@example.org", " A@Example.ORG "):
        await browser.post("/api/auth/register", json={"email": email})
    for key in ("", "x"):
        await browser.post("/api/auth/login", json={"send_key": key})
    await (await ear.browser()).get("/api/auth/me")
    for n in range(10):
        await browser.post("/api/auth/register", json={"email": f"{n}@example.org"})
    assert await refused_scan(ear.site, browser) == (429, "注册过于频繁，请稍后再试")


async def refused_scan(site: Site, browser: httpx.AsyncClient) -> tuple[int, str]:
    """A newcomer scans, and what the page is told at the end."""
    code = await site.ask(browser)
    site.sandbox.scan(code, site.sandbox.new_user())
    site.sandbox.confirm(code)
    await trio.sleep(60)
    answer = await site.status(browser, code)
    assert answer.json()["success"] is False
    return answer.status_code, answer.json()["error"]


async def joining_where_it_is_closed(ear: Ear) -> None:
    browser = await ear.browser()
    answer = await browser.post("/api/auth/register", json={"email": "a@example.org"})
    assert (answer.status_code, answer.json()) == (403, {"success": False, "error": "注册未开放"})
    assert await refused_scan(ear.site, browser) == (403, "注册未开放")


async def codes(ear: Ear) -> None:
    browser = await ear.browser()
    for _ in range(6):
        answer = await browser.post(PUBLIC_CODE)
    assert answer.status_code == 429
    assert (await (await ear.browser("192.0.2.7")).post(PUBLIC_CODE)).status_code == 200


async def channels(ear: Ear) -> None:
    stage = await ear.stage()
    owner = stage.owner
    await stage.other.get(stage.filled("/api/channels/bind-status-public/{code}"))
    for method, path in (
        ("GET", "/api/channels/2/activation"),
        ("PATCH", "/api/channels/2"),
        ("POST", "/api/channels/2/check"),
        ("DELETE", "/api/channels/2/queue"),
        ("DELETE", "/api/channels/2"),
    ):
        answer = await owner.request(method, path, json={"name": "x"} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()) == (404, {"success": False, "data": {"error": "Channel not found"}})
    foreign = await ear.site.bind(owner, stage.names["other_wechat"], route=OWN_CODE)
    assert foreign.status == 200
    await ear.site.bind(owner, route=OWN_CODE)
    assert [c["name"] for c in (await owner.get("/api/channels")).json()["data"]] == ["Channel 2", "默认通道"]
    late = await ear.site.ask(owner, OWN_CODE)
    for _ in range(8):
        await ear.site.bind(owner, route=OWN_CODE, words=False)
    full = {"success": False, "data": {"error": "Maximum 10 channels allowed"}}
    answer = await owner.post(OWN_CODE)
    assert (answer.status_code, answer.json()) == (400, full)
    ear.site.sandbox.scan(late, ear.site.sandbox.new_user())
    ear.site.sandbox.confirm(late)
    answer = await ear.site.end_of(owner, late, public=False)
    assert (answer.status_code, answer.json()) == (400, full)
    await owner.delete(stage.filled("/api/channels/{channel}"))


async def logs_and_reminders(ear: Ear) -> None:
    stage = await ear.stage()
    await stage.owner.delete(stage.filled("/api/push-logs/{settled}"))
    await stage.owner.get("/api/push-logs/77")
    for method, path in (
        ("PATCH", "/api/reminders/77"),
        ("DELETE", "/api/reminders/77"),
        ("PATCH", "/api/reminders/77/enable"),
    ):
        answer = await stage.owner.request(method, path, json={"enabled": 1})
        assert (answer.status_code, answer.json()) == (200, {"success": False, "error": "提醒不存在"})


async def administrators(ear: Ear) -> None:
    stage = await ear.stage(admin=True)
    await stage.other.get("/api/admin/users")
    oneself = {"success": False, "error": "不能修改自己的账户"}
    for answer in (
        await stage.owner.patch("/api/admin/users/1", json={"role": "user"}),
        await stage.owner.delete("/api/admin/users/1"),
    ):
        assert (answer.status_code, answer.json()) == (400, oneself)
    for answer in (
        await stage.owner.patch("/api/admin/users/77", json={"role": "user"}),
        await stage.owner.delete("/api/admin/users/77"),
    ):
        assert (answer.status_code, answer.json()) == (404, {"success": False, "error": "User not found"})
    await stage.owner.patch("/api/admin/users/2", json={})


DISK = Disk()
SCENARIOS: Mapping[Callable[[Ear], Awaitable[None]], dict[str, Any]] = {
    pushes: {},
    too_many_pushes: {"settings": {"rate_limit": 100}},
    a_closed_window: {"settings": {"delivery.queue": 1}},
    a_full_disk: {"runner": DISK},
    a_bug: {},
    joining: {},
    joining_where_it_is_closed: {"settings": {"registration": "closed"}},
    codes: {"settings": {"codes_per_address": 5}},
    channels: {},
    logs_and_reminders: {},
    administrators: {},
}


async def test_every_text_is_met_with_each_of_its_statuses(tmp_path: Path, autojump_clock: object) -> None:
    met: set[tuple[str, int]] = set()
    for scenario, how in SCENARIOS.items():
        async with open_site(tmp_path / scenario.__name__, **how) as site:
            ear = Ear(site)
            with logged():
                await scenario(ear)
            met |= ear.heard
    wanted = {(text, status) for text, statuses in CONTRACT.items() for status in statuses}
    assert wanted - met == set()
    # and with no other
    known = {(text, status) for text, status in met if text in CONTRACT}
    assert known - wanted == set()
