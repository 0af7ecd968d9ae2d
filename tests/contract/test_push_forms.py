"""What clients in the field send on the push routes, and what is understood of it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http import Bound, Site, open_site

LONE_FORM = {"content-type": "application/x-www-form-urlencoded"}


async def pushed(site: Site, bound: Bound, answer: httpx.Response) -> str:
    """The text that arrived by that push, which was a success."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json()["message"] == "success", answer.text
    return site.texts(bound.user)[-1]


@pytest.mark.parametrize("path", ["/{key}.send", "/send/{key}.send", "/send/{key}", "/{key}.SEND", "/send/{key}.Send"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_path_form_answers_with_and_without_a_slash(
    tmp_path: Path, autojump_clock: object, path: str, slash: str, method: str
) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = path.format(key=bound.data["send_key"].upper()) + slash
        fields = {"title": "标题", "desp": "正文"}
        if method == "GET":
            answer = await browser.get(url, params=fields)
        else:
            answer = await browser.post(url, data=fields)
        assert await pushed(site, bound, answer) == "标题\n\n正文"


BODIES: dict[str, dict[str, Any]] = {
    "json": {"json": {"title": "标题", "desp": "正文"}},
    "urlencoded": {"data": {"title": "标题", "desp": "正文"}},
    "multipart": {"files": {"title": (None, "标题"), "desp": (None, "正文")}},
    "json said to be a form": {"content": '{"title": "标题", "desp": "正文"}'.encode(), "headers": LONE_FORM},
    "json said to be nothing": {"content": '{"title": "标题", "desp": "正文"}'.encode()},
    "json said to be text": {
        "content": '{"title":"标题","desp":"正文"}'.encode(),
        "headers": {"content-type": "text/plain"},
    },
    "json of another name": {
        "content": '{"title":"标题","desp":"正文"}'.encode(),
        "headers": {"content-type": "application/vnd.x+json; charset=utf-8"},
    },
    "raw utf-8 in a form": {"content": "title=标题&desp=正文".encode(), "headers": LONE_FORM},
    "plain text beside a query": {
        "content": "正文".encode(),
        "headers": {"content-type": "text/plain; charset=utf-8"},
        "params": {"title": "标题"},
    },
    "only a query": {"params": {"title": "标题", "desp": "正文"}},
    "body over query": {"params": {"title": "不是", "desp": "不是"}, "json": {"title": "标题", "desp": "正文"}},
    "query where the body is blank": {"params": {"title": "标题", "desp": "正文"}, "json": {"title": " ", "desp": ""}},
    "query where the body is null": {"params": {"title": "标题"}, "json": {"title": None, "desp": "正文"}},
    "first of a query": {"params": [("title", "标题"), ("title", "二"), ("desp", "正文"), ("desp", "二")]},
    "first of a form": {"content": "title=标题&title=二&desp=正文&desp=二".encode(), "headers": LONE_FORM},
    "first of a json object": {"content": '{"title":"标题","desp":"正文","title" : "二","desp":"二"}'.encode()},
    "nested where nobody looks": {
        "content": b'{"x": ' + b"[" * 300 + b"]" * 300 + ',"title":"标题","desp":"正文"}'.encode()
    },
    "pairs in a text": {"json": {"title": "标题", "tags": '{"title": "二", "desp": "二"}', "desp": "正文"}},
    "first of a multipart": {
        "files": [("title", (None, "标题")), ("title", (None, "二")), ("desp", (None, "正文")), ("desp", (None, "二"))]
    },
    "text for title": {"json": {"text": "标题", "desp": "正文"}},
    "title over text": {"json": {"title": "标题", "text": "不是", "desp": "正文"}},
    "desp before the others": {"json": {"title": "标题", "body": "5", "content": "4", "message": "2", "desp": "正文"}},
    "message": {"json": {"title": "标题", "desp": " ", "message": "正文", "msg": "3"}},
    "msg": {"json": {"title": "标题", "msg": "正文", "content": "4"}},
    "content": {"json": {"title": "标题", "content": "正文", "body": "5"}},
    "body": {"json": {"title": "标题", "body": "正文"}},
    "what has no meaning here": {
        "json": {
            "title": "标题",
            "desp": "正文",
            "short": "s",
            "noip": 1,
            "openid": "o",
            "tags": ["a", "b"],
            "options": {"tags": "x"},
        }
    },
}


@pytest.mark.parametrize("case", BODIES)
async def test_every_kind_of_body_is_understood(tmp_path: Path, autojump_clock: object, case: str) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        answer = await browser.post(f"/{bound.data['send_key']}.send", **BODIES[case])
        assert await pushed(site, bound, answer) == "标题\n\n正文"


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ("5", "5"),
        ("-0", "0"),
        ("1.10", "1.10"),
        ("true", "true"),
        ("false", "false"),
        ("12345678901234567890123", "12345678901234567890123"),
        ('"\\u4f60\\ud83d\\ude00"', "你😀"),
        ('" 前后 "', "前后"),
    ],
)
async def test_json_scalars_become_the_text_that_was_written(
    tmp_path: Path, autojump_clock: object, given: str, arrives: str
) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        answer = await browser.post(f"/{bound.data['send_key']}.send", content=f'{{"title": {given}}}'.encode())
        assert (await pushed(site, bound, answer)).strip() == arrives


async def test_notify_takes_its_key_from_query_body_or_bearer(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        key = bound.data["send_key"]
        answers = [
            await browser.get("/notify", params={"key": key, "msg": "甲"}),
            await browser.post("/notify/", json={"key": key.upper(), "msg": "甲"}),
            await browser.post("/notify", data={"msg": "甲"}, headers={"Authorization": f"Bearer {key}"}),
            await browser.post("/notify", data={"msg": "甲"}, headers={"authorization": f"bearer {key.upper()}"}),
            # a key that is given wins over the header, right or wrong
            await browser.post(
                "/notify", data={"key": "wrong", "msg": "甲"}, headers={"Authorization": f"Bearer {key}"}
            ),
            await browser.post("/notify", data={"msg": "甲"}, headers={"Authorization": f"Basic {key}"}),
        ]
        assert [answer.json()["code"] for answer in answers] == [0, 0, 0, 0, 40001, 40001]
        assert answers[-2].json()["message"] == "SendKey 无效"
        assert answers[-1].json()["message"] == "缺少 key 参数"


async def test_notify_reads_message_first_and_plain_text_as_the_message(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        key = bound.data["send_key"]
        answer = await browser.post("/notify", json={"key": key, "desp": "三", "msg": "二", "message": "一"})
        assert await pushed(site, bound, answer) == "一"
        plain = {"content-type": "text/plain", "authorization": f"Bearer {key}"}
        answer = await browser.post("/notify", content="纯文本".encode(), headers=plain)
        assert await pushed(site, bound, answer) == "纯文本"


async def test_wait_delay_priority_and_channel_are_read(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        url = f"/{bound.data['send_key']}.send"
        answer = (await browser.get(url, params={"title": "x", "delay": "60"})).json()
        assert (answer["code"], answer["message"]) == (0, "queued")
        assert answer["data"]["results"] == [{"channel_id": bound.data["id"], "status": "queued", "queued": True}]
        every = f"999,{bound.data['id']}|{bound.data['id']},x"
        answer = (
            await browser.post(url, json={"title": "x", "channel": every, "wait": 0, "priority": "URGENT"})
        ).json()
        assert [row["channel_id"] for row in answer["data"]["results"]] == [bound.data["id"]]
        answer = (await browser.post(url, json={"title": "x", "channel": "999"})).json()
        assert answer["code"] == 40002


async def test_what_a_success_says(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        answer = await browser.post(f"/{bound.data['send_key']}.send", json={"title": "x", "strict": 1})
        data = answer.json()["data"]
        assert (answer.status_code, answer.json()["code"]) == (200, 0)
        assert (data["errno"], data["error"]) == (0, "SUCCESS")
        assert data["pushid"].isdigit()
        row = data["results"][0]
        assert (row["channel_id"], row["status"], row["window"]["left"]) == (bound.data["id"], "success", 9)
        story = await browser.get("/push/", params={"id": data["pushid"], "readkey": data["readkey"]})
        told = story.json()
        assert (told["code"], told["message"]) == (0, "")
        assert told["data"]["wxstatus"] == '{"errcode":0,"errmsg":"ok"}'
        assert told["data"]["results"][0]["status"] == "success"
