"""What becomes of a row and what the caller is told: the whole table, row by row, with and without `strict=1`."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from bottalk.values import ChannelId
from tests.contract import scenes
from tests.contract.scenes import Scene, Stage, after, set_stage
from tests.support.http import OWN_CODE, both, said

HINTS = {
    "channel_dead": "微信登录已失效，请重新扫码绑定。消息已保存，绑定后自动补发。",
    "account_restricted": (
        "该微信暂时只能接收、不能发送，请在微信里给机器人发一条消息；若仍不行，请重新扫码绑定。消息已保存。"
    ),
    "context_expired": "请在微信里给机器人回复任意内容，已保存的消息会立即送达。",
    "transient": "暂时无法发送，请稍后重试。",
}
FAILED = "全部推送失败"
CONSTANTS = {0: "SUCCESS", 40002: "NO_CHANNEL", 50001: "ALL_FAILED", 50301: "BUSY"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller reads: the sum, and of its one row everything but the channel and the window."""

    code: int
    message: str
    strict: int
    reason: str | None = None
    row: dict[str, Any] = field(default_factory=dict)
    plain: int = 200

    def check(self, answer: httpx.Response, status: int) -> None:
        assert said(answer) == (status, self.code, self.message)
        data = answer.json()["data"]
        assert data["error"] == CONSTANTS[self.code]
        assert (data.get("reason"), data.get("hint")) == (self.reason, HINTS[self.reason] if self.reason else None)
        rows = [{name: value for name, value in row.items() if name != "channel_id"} for row in data["results"]]
        for row in rows:
            assert ("window" in row) == (row["status"] == "success")
            row.pop("window", None)
        assert rows == ([self.row] if self.row else [])
        assert ("pushid" in data) == bool(self.row)


def failed(reason: str, *, kept: bool, dead: bool = False, ret: int | None = None) -> dict[str, Any]:
    row = {"status": "failed", "token_invalid": dead, "ret_code": ret, "reason": reason}
    return row | ({"queued": True} if kept else {})


SENT = Told(0, "success", 200, row={"status": "success"})
QUEUED = Told(0, "queued", 202, row={"status": "queued", "queued": True})
CLOSED = Told(50001, FAILED, 202, "context_expired", failed("context_expired", kept=True))
HALF_DEAD = Told(50001, FAILED, 202, "account_restricted", failed("account_restricted", kept=True))
DEAD = Told(50001, FAILED, 202, "channel_dead", failed("channel_dead", kept=True, dead=True))
QUEUE_FULL = Told(50001, FAILED, 503, "transient", failed("queue_full", kept=False))
UNWANTED = Told(50001, FAILED, 503, "transient", failed("ilink_other", kept=False, ret=-5))
NO_CHANNEL = Told(40002, "没有可用的推送通道，请先绑定并激活通道", 409)
BUSY = Told(50301, "服务繁忙或暂时无法保存消息，请稍后重试", 503, plain=503)


@dataclass(frozen=True, slots=True)
class Case:
    scene: Scene
    told: Told
    fields: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    words: bool = True
    waits: bool = False
    """Its caller waits for what comes; the others are answered at once, since waiting cannot help them."""


DELAYED = {"delay": 3600}
CASES: dict[str, Case] = {
    "open, sent within the wait": Case(scenes.opened, SENT, waits=True),
    "open, its turn lies beyond the wait": Case(scenes.scarce, QUEUED),
    "open, its turn lies beyond a long wait": Case(scenes.scarce, QUEUED, {"wait": 20}),
    "open, its turn lies within the wait": Case(scenes.scarce, QUEUED, {"wait": 0}),
    "open, low: it waits for company": Case(scenes.opened, QUEUED, {"priority": "low"}),
    "open, low, and a long wait": Case(scenes.opened, QUEUED, {"priority": "low", "wait": 20}),
    "open, tried again": Case(scenes.retried, QUEUED),
    "open, resting after a burst": Case(scenes.punished, QUEUED),
    "open, resting after a burst, urgent": Case(scenes.punished, QUEUED, {"priority": "urgent"}),
    "open, the host is down": Case(scenes.host_down, QUEUED),
    "open, parked": Case(scenes.parked, QUEUED),
    "open, its actor starts again": Case(scenes.backing_off, QUEUED),
    "open, its actor does not run": Case(scenes.stopped, QUEUED),
    "open, a delay runs": Case(scenes.opened, QUEUED, DELAYED),
    "spent, a delay runs": Case(scenes.spent, QUEUED, DELAYED),
    "never opened since a rebind, a delay runs": Case(scenes.rebound, QUEUED, DELAYED),
    "half-dead, a delay runs": Case(scenes.half_dead, QUEUED, DELAYED),
    "closed by quota": Case(scenes.spent, CLOSED),
    "closed by quota, urgent": Case(scenes.spent, CLOSED, {"priority": "urgent"}),
    "closed by quota, low": Case(scenes.spent, CLOSED, {"priority": "low"}),
    "closed by age": Case(scenes.aged, CLOSED),
    "closed as rejected": Case(scenes.rejected, CLOSED),
    "never opened since a rebind": Case(scenes.rebound, CLOSED),
    "closed, the host is down": Case(after(scenes.spent, scenes.host_down), CLOSED),
    "closed, its actor does not run": Case(after(scenes.spent, scenes.stopped), CLOSED),
    "half-dead": Case(scenes.half_dead, HALF_DEAD),
    "dead, the session expired": Case(scenes.expired, DEAD),
    "dead, not authorized": Case(scenes.unauthorized, DEAD),
    "dead, a delay runs": Case(scenes.expired, DEAD, DELAYED),
    "dead, closed before": Case(after(scenes.spent, scenes.expired), DEAD),
    "its queue is full": Case(scenes.full_queue, QUEUE_FULL, settings={"delivery.queue": 2}),
    "its queue is full, a delay runs": Case(scenes.full_queue, QUEUE_FULL, DELAYED, {"delivery.queue": 2}),
    "never activated": Case(scenes.opened, NO_CHANNEL, words=False),
    "never activated, a delay runs": Case(scenes.opened, NO_CHANNEL, DELAYED, words=False),
    "the journal cannot write": Case(scenes.full_disk, BUSY),
}


@pytest.mark.parametrize("name", CASES)
async def test_one_channel(tmp_path: Path, autojump_clock: object, name: str) -> None:
    case = CASES[name]
    async with set_stage(tmp_path, words=case.words, settings=case.settings) as stage:
        await case.scene(stage)
        before = trio.current_time()
        plain, strict = await both(stage.browser, stage.url, title="问", **case.fields)
        assert case.waits or trio.current_time() == before, "where waiting cannot help, nobody waits"
        case.told.check(plain, case.told.plain)
        case.told.check(strict, case.told.strict)
        for answer in (plain, strict):
            await the_story_is_the_same(stage, answer)


@pytest.mark.parametrize(("strict", "status"), [(0, 200), (1, 503)])
async def test_a_text_that_ilink_will_not_take(
    tmp_path: Path, autojump_clock: object, strict: int, status: int
) -> None:
    """Its caller waits, and is told as soon as others have passed and this one has not."""
    async with set_stage(tmp_path, settings={"delivery.retry": (0.1,)}) as stage:
        stage.picky.refused, stage.picky.ret = {"坏"}, -5
        answers: list[httpx.Response] = []

        async def push() -> None:
            form = {"title": "坏", "wait": 20, "strict": strict}
            answers.append(await stage.browser.post(stage.url, json=form))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(push)
            await stage.until(lambda: stage.picky.tried)
            await stage.push("好", wait=0)
        assert stage.site.texts(stage.bound.user) == ["好"]
        UNWANTED.check(answers[0], status)
        await the_story_is_the_same(stage, answers[0])


async def the_story_is_the_same(stage: Stage, answer: httpx.Response) -> None:
    """`/push` on each row: kept is what waits, and what is not kept is settled."""
    data = answer.json()["data"]
    if "pushid" not in data:
        return
    told = (await stage.browser.get("/push", params={"id": data["pushid"], "readkey": data["readkey"]})).json()
    for row, later in zip(data["results"], told["data"]["results"], strict=True):
        assert later["channel_id"] == row["channel_id"]
        assert later["status"] == ("queued" if row.get("queued") else row["status"])
        assert (later["settled_at"] is None) == row.get("queued", False)
    settled = next((row for row in data["results"] if not row.get("queued")), None)
    assert told["data"]["wxstatus"] == ("" if settled is None else wxstatus(settled))


def wxstatus(row: dict[str, Any]) -> str:
    """JSON text, as Server酱's polling clients read it."""
    number, words = (0, "ok") if row["status"] == "success" else (row.get("ret_code") or -1, row["reason"])
    return f'{{"errcode":{number},"errmsg":"{words}"}}'


# --- a push to several channels ---------------------------------------------------------------------------------------

TRANSIENT, RESTRICTED, EXPIRED, INVALID = "transient", "account_restricted", "context_expired", "channel_dead"
ROWS = {
    "open": SENT.row,
    "later": QUEUED.row,
    "closed": CLOSED.row,
    "half": HALF_DEAD.row,
    "dead": DEAD.row,
    "full": QUEUE_FULL.row,
    "mute": {"status": "skipped", "reason": "no_context_token"},
}
"""Channels in every state, and the row of each."""

SUMS: list[tuple[str, int, str, str | None, int]] = [
    ("open later closed half dead full mute", 0, "success", None, 200),
    ("dead open", 0, "success", None, 200),
    ("open later", 0, "success", None, 200),
    ("mute open", 0, "success", None, 200),
    ("full open", 0, "success", None, 200),
    ("later dead", 0, "queued", None, 202),
    ("full later", 0, "queued", None, 202),
    ("closed half later", 0, "queued", None, 202),
    ("mute later", 0, "queued", None, 202),
    ("closed half dead full mute", 50001, FAILED, INVALID, 202),
    ("full dead", 50001, FAILED, INVALID, 202),
    ("mute dead", 50001, FAILED, INVALID, 202),
    ("closed half full mute", 50001, FAILED, RESTRICTED, 202),
    ("half full", 50001, FAILED, RESTRICTED, 202),
    ("full closed mute", 50001, FAILED, EXPIRED, 202),
    ("closed mute", 50001, FAILED, EXPIRED, 202),
    ("mute full", 50001, FAILED, TRANSIENT, 503),
    ("full", 50001, FAILED, TRANSIENT, 503),
]


async def test_several_channels(tmp_path: Path, autojump_clock: object) -> None:
    """One row for each, in the order asked for; one success outweighs all, and the strictest reason wins the sum."""
    async with set_stage(tmp_path, settings={"delivery.queue": 60}) as stage:
        ids = await channels_in_every_state(stage)
        for names, code, message, reason, status in SUMS:
            await stage.site.write(stage.bound.user)
            await trio.sleep(5)
            wanted = names.split()
            form = {"title": "群发", "channel": ",".join(str(ids[name]) for name in wanted)}
            plain, strict = await both(stage.browser, stage.url, **form)
            assert (said(plain), said(strict)) == ((200, code, message), (status, code, message)), names
            for answer in (plain, strict):
                data = answer.json()["data"]
                assert (data.get("reason"), data.get("hint")) == (reason, HINTS[reason] if reason else None)
                rows = [{key: value for key, value in row.items() if key != "window"} for row in data["results"]]
                assert rows == [{"channel_id": ids[name], **ROWS[name]} for name in wanted], names
                await the_story_is_the_same(stage, answer)


async def channels_in_every_state(stage: Stage) -> dict[str, ChannelId]:
    """The account's channels by what has become of them; the first is open."""
    made: dict[str, Scene] = {
        "closed": scenes.spent,
        "full": scenes.full_queue,
        "half": scenes.half_dead,
        "dead": scenes.expired,
        "later": scenes.stopped,
        "mute": scenes.opened,
    }
    ids = {"open": stage.channel_id}
    for name, scene in made.items():
        bound = await stage.site.bind(stage.browser, route=OWN_CODE, words=name != "mute")
        bound.data["send_key"] = stage.bound.data["send_key"]
        one = replace(stage, bound=bound)
        await scene(one)
        ids[name] = one.channel_id
    return ids
