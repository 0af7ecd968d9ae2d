"""A line of the log for each request, and the id that joins a push's story."""

import re
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.sandbox.rules.faults import Fault
from tests.support.http import logged, open_site

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]+")
PROXY, STRANGER = "10.0.0.1", "192.0.2.7"


def of(lines: list[Any], event: str) -> list[Any]:
    return [line for line in lines if line["event"] == event]


async def test_a_push_is_followed_from_its_request_to_the_phone(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        site.sandbox.arm(Fault(kind="garbage", endpoint="sendmessage"))
        with logged("debug") as lines:
            answer = await browser.post(f"/{bound.data['send_key']}.send", json={"title": "x", "wait": 0})
            await trio.sleep(30)
    (told,) = of(lines, "http.request")
    push = int(answer.json()["data"]["pushid"])
    assert ID.fullmatch(told["request"])
    assert answer.headers["x-request-id"] == told["request"]
    said = {"route": "/{sendkey}.send", "method": "POST", "status": 200, "outcome": "queued", "push": push}
    assert said.items() <= told.items()
    assert told["channels"] == 1
    assert [line["pushes"] for line in of(lines, "channel.try")] == [[push], [push]]
    (failed,), (sent,) = of(lines, "channel.send_failed"), of(lines, "channel.sent")
    assert failed["pushes"] == sent["pushes"] == [push]
    assert (sent["log_level"], sent["rows"], sent["channel"]) == ("info", 1, bound.data["id"])


async def test_one_line_for_each_request_by_its_route(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        with logged("debug") as lines:
            for path in ("/", "/healthz", "/api/channels/7", "/nothing/SECRET?q=SECRET", "/SECRET.send"):
                answer = await browser.get(path)
                assert ID.fullmatch(answer.headers["x-request-id"])
    told = of(lines, "http.request")
    assert [(line["route"], line["status"], line["log_level"]) for line in told] == [
        ("/", 200, "info"),
        ("/healthz", 200, "debug"),
        ("-", 405, "info"),
        ("-", 404, "info"),
        ("/{sendkey}.send", 200, "info"),
    ]
    assert (told[-1]["outcome"], told[-1]["reason"]) == ("refused", "bad_sendkey")
    assert "SECRET" not in repr(lines)
    assert len({line["request"] for line in told}) == 5


@pytest.mark.parametrize(
    ("peer", "given", "is_taken"),
    [
        (PROXY, "abc-123", True),
        (PROXY, "a" * 64, True),
        (PROXY, "a" * 65, False),
        (PROXY, "a b", False),
        (PROXY, '"x', False),
        (STRANGER, "abc-123", False),
    ],
)
@pytest.mark.parametrize("path", ["/nobody.send", "/healthz"])
async def test_only_a_proxy_names_a_request(
    peer: str, given: str, is_taken: bool, path: str, tmp_path: Path, autojump_clock: object
) -> None:
    async with open_site(tmp_path, settings={"trusted_proxies": (PROXY,)}) as site:
        browser = await site.browser(peer)
        answer = await browser.get(path, headers={"X-Request-Id": given})
        assert (answer.headers["x-request-id"] == given) is is_taken
        assert is_taken or ID.fullmatch(answer.headers["x-request-id"])


async def test_what_never_goes_is_told_with_its_reason(tmp_path: Path, autojump_clock: object) -> None:
    async with open_site(tmp_path) as site:
        browser = await site.browser()
        bound = await site.bind(browser)
        site.sandbox.arm(Fault(kind="status", endpoint="sendmessage", seconds=600.0))
        with logged() as lines:
            for title in ("a", "b", "c"):
                url = f"/{bound.data['send_key']}.send"
                await browser.post(url, json={"title": title, "replace_key": "k", "wait": 0, "delay": 30})
            await trio.sleep(10)
    assert [line["reason"] for line in of(lines, "push.not_sent")] == ["replaced", "replaced"]
