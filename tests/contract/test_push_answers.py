"""What a push is answered that is not kept, or was before. What becomes of a kept one: `test_outcome_table`."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.http import both, open_site, said


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
