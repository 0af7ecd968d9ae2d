"""The alarms of a whole daemon in virtual time: what the operator's address hears, and that nothing waits for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import trio

from bottalk.actors.alarms import MOST
from bottalk.actors.alert import Alert, NotTold, is_push_address
from bottalk.alarms import Alarm, Trouble
from bottalk.health import Level
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.troubles import MB
from bottalk.values import Secret
from tests.e2e.tampered import Wire
from tests.support.http import logged
from tests.support.world import World, open_world

HOOK = "https://ops.test/hook?token=hush-hush-token"
PUSH = "https://ops.test/hush-hush-sendkey.send"
ALARM = Alarm(Trouble.DISK_FULL, Level.YELLOW, "BotTalk：磁盘空间不足", "请腾出空间。", 1_790_000_000.0, False)


class Ears(httpx.AsyncBaseTransport):
    """The operator's end: hears, or answers with what it is set to."""

    def __init__(self, answer: Callable[[], httpx.Response] = lambda: httpx.Response(200)) -> None:
        self.answer = answer
        self.heard: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        await request.aread()
        self.heard.append(request)
        return self.answer()

    def told(self) -> list[tuple[str, bool]]:
        bodies = [json.loads(request.content) for request in self.heard]
        return [(body["cause"], body["over"]) for body in bodies]


async def told(world: World, ears: Ears, count: int) -> list[tuple[str, bool]]:
    await world.until(lambda: len(ears.heard) >= count)
    await trio.sleep(120)
    return ears.told()


async def test_a_dead_channel_is_told_and_its_new_scan_too(tmp_path: Path, autojump_clock: object) -> None:
    ears = Ears()
    async with open_world(tmp_path, alert_transport=ears, alert_url=HOOK) as world:
        person = await world.active()
        await trio.sleep(60)
        assert ears.heard == []
        world.sandbox.expire(person.user)
        assert await told(world, ears, 1) == [("channel_dead", False)]
        body = json.loads(ears.heard[0].content)
        assert set(body) == {"title", "text", "cause", "level", "since", "over"}
        assert (body["level"], body["title"]) == ("red", "BotTalk：通道登录失效（通道 1）")
        await world.bind(person.user)
        assert await told(world, ears, 2) == [("channel_dead", False), ("channel_dead", True)]
        world.sandbox.expire(person.user)
        await told(world, ears, 3)
        sandbox, clock = world.sandbox, world.clock
    async with open_world(tmp_path, sandbox=sandbox, clock=clock, alert_transport=ears, alert_url=HOOK) as world:
        await trio.sleep(300)
        assert len(ears.heard) == 3, "it was told before the restart"


async def test_an_outage_is_told_after_ten_minutes(tmp_path: Path, autojump_clock: object) -> None:
    ears = Ears()
    wires: list[Wire] = []

    def wired(sandbox: httpx.AsyncBaseTransport) -> Wire:
        wires.append(Wire(sandbox))
        return wires[0]

    async with open_world(tmp_path, alert_transport=ears, alert_url=HOOK, wire=wired) as world:
        await world.active()
        world.sandbox.arm(Fault(kind="status", seconds=1200.0))
        await trio.sleep(580)
        assert ears.heard == []
        assert await told(world, ears, 1) == [("ilink_down", False)]
        assert await told(world, ears, 2) == [("ilink_down", False), ("ilink_down", True)]


async def test_the_disk_and_backups_are_told(
    tmp_path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 10_000 * MB
    monkeypatch.setattr("bottalk.ops.data_dir.free_bytes", lambda directory: free)
    ears, shelf = Ears(), tmp_path / "a file"
    shelf.write_text("no directory")
    settings: dict[str, Any] = {"alert_url": HOOK, "alert_disk_free": 500, "backup_every": 24, "backup_dir": str(shelf)}
    async with open_world(tmp_path / "data", alert_transport=ears, **settings) as world:
        free = 499 * MB
        assert await told(world, ears, 1) == [("disk_full", False)]
        assert "499 MB" in json.loads(ears.heard[0].content)["text"]
        free = 510 * MB
        await trio.sleep(300)
        assert len(ears.heard) == 1, "well again from a tenth above it"
        free = 550 * MB
        await world.until(lambda: len(ears.heard) == 3, within=7200)
        assert sorted(ears.told()[1:]) == [("backup_failed", False), ("disk_full", True)]
        shelf.unlink()
        await world.until(lambda: len(ears.heard) == 4, within=7200)
        assert ears.told()[3] == ("backup_failed", True)


async def test_it_is_told_until_it_was_taken_and_pushes_go_on(tmp_path: Path, autojump_clock: object) -> None:
    ears = Ears(lambda: httpx.Response(503))
    async with open_world(tmp_path, alert_transport=ears, alert_url=HOOK) as world:
        dead, living = await world.active(), await world.active()
        world.sandbox.expire(dead.user)
        with logged() as lines:
            await world.until(lambda: len(ears.heard) >= 5)
            assert (await world.push(living, "x")).rows[0].outcome.status == "success"
        assert next(line["error"] for line in lines if line["event"] == "alarm.not_told") == "HTTP 503"
        assert "hush" not in repr(lines)
        ears.answer = lambda: httpx.Response(204)
        count = len(ears.heard)
        await trio.sleep(3600)
        assert len(ears.heard) == count + 1
        keys = {request.headers["Idempotency-Key"] for request in ears.heard}
        assert len(keys) == 1, "who knows the header shows it once"


async def test_without_an_address_it_is_only_logged(tmp_path: Path, autojump_clock: object) -> None:
    ears = Ears()
    with logged() as lines:
        async with open_world(tmp_path, alert_transport=ears) as world:
            person = await world.active()
            world.sandbox.expire(person.user)
            await trio.sleep(300)
    assert [line["cause"] for line in lines if line["event"] == "alarm.raised"] == ["channel_dead"]
    assert ears.heard == []
    assert MOST > 10


# --- the two kinds of address ---


async def test_a_push_address_gets_a_title_and_a_text() -> None:
    ears = Ears(lambda: httpx.Response(200, json={"code": 0}))
    await Alert(ears).tell(Secret(PUSH), ALARM)
    (request,) = ears.heard
    assert parse_qs(request.content.decode()) == {"title": [ALARM.title], "desp": [ALARM.text]}


@pytest.mark.parametrize(
    ("content", "is_taken"),
    [
        (b'{"code":0}', True),
        (b"ok", True),
        (b"[]", True),
        (b'{"code":50001,"data":{"results":[{"queued":true}]}}', True),
        (b'{"code":50001,"data":{"results":[{"status":"failed"}]}}', False),
        (b'{"code":40001,"data":{}}', False),
        (b'{"code":40001}', False),
    ],
)
async def test_what_a_push_service_says_counts(content: bytes, is_taken: bool) -> None:
    alert = Alert(Ears(lambda: httpx.Response(200, content=content)))
    if is_taken:
        await alert.tell(Secret(PUSH), ALARM)
    else:
        with pytest.raises(NotTold):
            await alert.tell(Secret(PUSH), ALARM)


@pytest.mark.parametrize("error", [httpx.ConnectError(HOOK), httpx.ReadTimeout(HOOK), httpx.InvalidURL(HOOK)])
async def test_no_error_repeats_the_address(error: Exception) -> None:
    def broken() -> httpx.Response:
        raise error

    with pytest.raises(NotTold) as caught:
        await Alert(Ears(broken)).tell(Secret(HOOK), ALARM)
    assert str(caught.value) == type(error).__name__
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "is_push"),
    [
        (PUSH, True),
        ("https://x.test/send/KEY.SEND/?a=1", True),
        (HOOK, False),
        ("https://x.test/hook?to=a.send", False),
    ],
)
def test_a_push_address_is_known_by_its_end(url: str, is_push: bool) -> None:
    assert is_push_address(url) is is_push
