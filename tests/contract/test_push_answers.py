"""Every code, text and status that a push can be answered with now."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.http import OWN_CODE, Bound, Site, both, open_site, said

HINTS = {
    "channel_dead": "微信登录已失效，请重新扫码绑定。消息已保存，绑定后自动补发。",
    "account_restricted": (
        "该微信暂时只能接收、不能发送，请在微信里给机器人发一条消息；若仍不行，请重新扫码绑定。消息已保存。"
    ),
    "context_expired": "请在微信里给机器人回复任意内容，已保存的消息会立即送达。",
    "transient": "暂时无法发送，请稍后重试。",
}


async def closed_channel(site: Site) -> tuple[httpx.AsyncClient, Bound, str]:
    """A person whose window is spent."""
    browser = await site.browser()
    bound = await site.bind(browser)
    url = f"/{bound.data['send_key']}.send"
    for n in range(10):
        await browser.post(url, json={"title": f"{n}", "wait": 0})
        await trio.sleep(400)
    assert len(site.texts(bound.user)) == 10
    return browser, bound, url


async def test_unknown_and_missing_keys(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for url in ("/nobody.send", f"/{'0' * 32}.send", f"/send/{'0' * 32}", f"/send/{'0' * 32}.send", "/%20.send"):
            plain, strict = await both(browser, url, title="x")
            assert said(plain) == (200, 40001, "SendKey 无效")
            assert said(strict) == (401, 40001, "SendKey 无效")
        plain, strict = await both(browser, "/notify", msg="x")
        assert said(plain) == (200, 40001, "缺少 key 参数")
        assert said(strict) == (401, 40001, "缺少 key 参数")


async def test_nothing_activated(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser, words=False)
        plain, strict = await both(browser, f"/{bound.data['send_key']}.send", title="x")
        assert said(plain) == (200, 40002, "没有可用的推送通道，请先绑定并激活通道")
        assert said(strict) == (409, 40002, "没有可用的推送通道，请先绑定并激活通道")


async def test_both_empty_comes_before_the_channels(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser, words=False)
        plain, strict = await both(browser, f"/{bound.data['send_key']}.send", title=" ", desp="\n")
        assert said(plain) == (200, 40003, "title 和消息内容不能同时为空")
        assert said(strict) == (400, 40003, "title 和消息内容不能同时为空")


async def test_a_push_that_is_not_there(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for query in ({}, {"id": "1", "readkey": "x"}, {"id": "٣", "readkey": "x"}, {"id": "9" * 40, "readkey": "x"}):
            answer = await browser.get("/push", params=query)
            assert said(answer) == (200, 40004, "推送记录不存在")
            answer = await browser.get("/push", params={**query, "strict": "1"})
            assert said(answer) == (404, 40004, "推送记录不存在")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"wait": "abc"}, "wait 必须是 0 到 20 之间的数字"),
        ({"wait": "nan"}, "wait 必须是 0 到 20 之间的数字"),
        ({"wait": 21}, "wait 必须是 0 到 20 之间的数字"),
        ({"wait": -1}, "wait 必须是 0 到 20 之间的数字"),
        ({"ttl": 59}, "ttl 必须是 60 到 604800 之间的数字"),
        ({"delay": "1e400"}, "delay 必须是 0 到 2592000 之间的数字"),
        ({"strict": "yes"}, "strict 必须是 0 或 1"),
        ({"priority": "high"}, "priority 必须是 urgent、normal、low 之一"),
        ({"title": "x" * 10_001}, "title 过长（最多 10000 个字符）"),
        ({"replace_key": "x" * 101}, "replace_key 过长（最多 100 个字符）"),
        ({"desp": {"a": 1}}, "desp 必须是文本"),
        ({"title": ["x"]}, "title 必须是文本"),
        ({"desp": "a\0b"}, "desp 含有 NUL 字符"),
    ],
)
async def test_bad_input_names_the_field(
    tmp_path: Path, autojump_clock: object, fields: dict[str, Any], message: str
) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        answer = await browser.post(f"/{bound.data['send_key']}.send", json={"title": "x", **fields})
        assert said(answer) == (400, 40000, message)
        assert site.texts(bound.user) == []


async def test_wrong_methods_and_unknown_routes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        key = bound.data["send_key"]
        for url in (f"/{key}.send", f"/send/{key}.send", f"/send/{key}", f"/notify?key={key}"):
            head = await browser.head(url, params={"title": "x", "key": key})
            assert (head.status_code, head.headers["allow"]) == (405, "GET, POST, OPTIONS")
            for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
                answer = await browser.request(method, url, params={"title": "x", "key": key})
                assert said(answer) == (405, 40000, "不支持的请求方法")
                assert answer.headers["allow"] == "GET, POST, OPTIONS"
        for url in ("/nothing", "/send", "/send/", "/.send", "/send/a/b", f"/x/{key}.send"):
            assert said(await browser.get(url)) == (404, 40000, "接口不存在")
        assert said(await browser.post("/push")) == (405, 40000, "不支持的请求方法")
        assert site.texts(bound.user) == []


async def test_a_page_of_another_origin_may_push(tmp_path: Path, autojump_clock: object) -> None:
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        for url in ("/x.send", "/send/x", "/notify", "/push", "/api/auth/login", "/api/channels/qrcode-public"):
            answer = await browser.options(url, headers=asked)
            assert answer.status_code in (200, 204)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "POST" in answer.headers["access-control-allow-methods"]
            assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type, Idempotency-Key"
            assert "access-control-allow-credentials" not in answer.headers
        for url in ("/x.send", "/healthz", "/api/auth/me", "/api/nothing", "/push"):
            answer = await browser.get(url, headers=asked)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "Retry-After" in answer.headers["access-control-expose-headers"]
            assert "X-RateLimit-Remaining" in answer.headers["access-control-expose-headers"]


# --- the limits of an account ----------------------------------------------------------------------------------------


async def test_over_the_hourly_limit(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"rate_limit": 2}) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        for left in (1, 0):
            answer = await browser.post(url, json={"title": "x"})
            assert answer.headers["x-ratelimit-limit"] == "2"
            assert answer.headers["x-ratelimit-remaining"] == str(left)
        plain, strict = await both(browser, url, title="x")
        assert said(plain) == (200, 42901, "发送频率超限（每小时最多2条）")
        assert said(strict) == (429, 42901, "发送频率超限（每小时最多2条）")
        assert 0 < int(plain.headers["retry-after"]) <= 3600
        assert plain.headers["x-ratelimit-reset"] == plain.headers["retry-after"]
        # the limit comes before what else is wrong, after the key
        assert said(await browser.post(url))[1] == 42901
        assert said(await browser.post("/no.send"))[1] == 40001
        await trio.sleep(3601)
        assert said(await browser.post(url, json={"title": "x"})) == (200, 0, "success")


async def test_an_idempotency_key(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        headers = {"idempotency-key": "order 66"}
        first = (await browser.post(url, json={"title": "x"}, headers=headers)).json()
        again = (await browser.get(url, params={"title": "x"}, headers=headers)).json()
        assert again["data"]["pushid"] == first["data"]["pushid"]
        assert site.texts(bound.user) == ["x"]
        other = await browser.post(url, json={"title": "y"}, headers=headers)
        assert said(other) == (200, 40005, "Idempotency-Key 已用于另一条消息")
        other = await browser.post(url, json={"title": "y", "strict": 1}, headers=headers)
        assert said(other) == (409, 40005, "Idempotency-Key 已用于另一条消息")
        for bad in (b"", b"k" * 256, "键".encode(), b"a\tb"):
            answer = await browser.post(url, json={"title": "z"}, headers={b"idempotency-key": bad})
            assert said(answer) == (400, 40000, "Idempotency-Key 必须是 1 到 255 个可见 ASCII 字符")
        assert site.texts(bound.user) == ["x"]


# --- 50001, by its reasons -------------------------------------------------------------------------------------------


def failed(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """The one row of an answer that says 50001 for that reason."""
    assert said(answer) == (status, 50001, "全部推送失败")
    data = answer.json()["data"]
    assert (data["error"], data["reason"], data["hint"]) == ("ALL_FAILED", reason, HINTS[reason])
    assert data["pushid"].isdigit()
    row: dict[str, Any] = data["results"][0]
    assert row["status"] == "failed"
    return row


async def test_a_closed_window(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, bound, url = await closed_channel(site)
        plain, strict = await both(browser, url, title="later")
        row = failed(plain, 200, "context_expired")
        assert (row["reason"], row["queued"], row["token_invalid"]) == ("context_expired", True, False)
        failed(strict, 202, "context_expired")
        await site.write(bound.user)
        await site.world.until(lambda: "later" in site.texts(bound.user)[-1], within=5)
        story = await browser.get(
            "/push",
            params={k: plain.json()["data"][f"{k}"] for k in ("readkey",)} | {"id": plain.json()["data"]["pushid"]},
        )
        assert story.json()["data"]["results"][0]["status"] == "success"


async def test_a_dead_session(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        site.sandbox.expire(bound.user)
        directory = site.world.daemon.pictures.directory
        await site.world.until(lambda: directory.channel(bound.data["id"]).is_dead)  # type: ignore[union-attr]
        plain, strict = await both(browser, url, title="x")
        row = failed(plain, 200, "channel_dead")
        assert (row["reason"], row["queued"], row["token_invalid"]) == ("channel_dead", True, True)
        failed(strict, 202, "channel_dead")
        listed = (await browser.get("/api/channels")).json()["data"]
        assert listed == []
        dead = (await browser.get("/api/channels", params={"all": 1})).json()["data"]
        assert [(c["status"], c["inactive_reason"]) for c in dead] == [("inactive", "session_expired")]


async def test_a_half_dead_session(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        site.sandbox.half_dead(bound.user)
        await browser.post(url, json={"title": "finds out", "wait": 20})
        plain, strict = await both(browser, url, title="x")
        row = failed(plain, 200, "account_restricted")
        assert (row["reason"], row["queued"], row["token_invalid"]) == ("account_restricted", True, False)
        failed(strict, 202, "account_restricted")


async def test_a_full_queue(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path, settings={"delivery.queue": 2}) as site:
        browser, _, url = await closed_channel(site)
        kept = [await browser.post(url, json={"title": f"kept {n}"}) for n in range(2)]
        assert [failed(answer, 200, "context_expired")["queued"] for answer in kept] == [True, True]
        plain, strict = await both(browser, url, title="one too many")
        row = failed(plain, 200, "transient")
        assert row["reason"] == "queue_full"
        assert "queued" not in row
        failed(strict, 503, "transient")
        data = plain.json()["data"]
        story = (await browser.get("/push", params={"id": data["pushid"], "readkey": data["readkey"]})).json()
        assert story["data"]["wxstatus"] == '{"errcode":-1,"errmsg":"queue_full"}'


async def test_the_strictest_reason_wins_and_one_success_outweighs_all(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser, first, url = await closed_channel(site)
        second = await site.bind(browser, route=OWN_CODE)
        both_channels = f"{first.data['id']},{second.data['id']}"
        answer = await browser.post(url, json={"title": "x", "channel": both_channels})
        assert said(answer) == (200, 0, "success")
        assert [row["status"] for row in answer.json()["data"]["results"]] == ["failed", "success"]
        site.sandbox.expire(second.user)
        directory = site.world.daemon.pictures.directory
        await site.world.until(lambda: directory.channel(second.data["id"]).is_dead)  # type: ignore[union-attr]
        answer = await browser.post(url, json={"title": "x", "channel": both_channels})
        assert failed(answer, 200, "channel_dead")["reason"] == "context_expired"


async def test_a_channel_that_was_never_activated_is_skipped_beside_a_kept_one(
    tmp_path: Path, autojump_clock: object
) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        first = await site.bind(browser)
        second = await site.bind(browser, route=OWN_CODE, words=False)
        wanted = f"{second.data['id']},{first.data['id']}"
        answer = await browser.post(f"/{first.data['send_key']}.send", json={"title": "x", "channel": wanted})
        rows = answer.json()["data"]["results"]
        assert rows[0] == {"channel_id": second.data["id"], "status": "skipped", "reason": "no_context_token"}
        assert rows[1]["status"] == "success"
