"""One person's channel, and everything that can become of it: scenes to push into and to look at from all sides."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import trio

from bottalk.sandbox.rules.faults import Fault
from bottalk.values import Channel, ChannelId, Closed
from supervisors import ChildState
from tests.actors.picky import Picky
from tests.contract.faults import Disk
from tests.e2e.tampered import Wire
from tests.support.http import Bound, Site, open_site

LONG_S = 10 * 86_400.0


@dataclass(slots=True)
class Stage:
    """A browser whose account has one active channel, and what stands behind them."""

    site: Site
    disk: Disk
    wire: Wire
    picky: Picky
    browser: httpx.AsyncClient
    bound: Bound

    @property
    def url(self) -> str:
        return f"/{self.bound.data['send_key']}.send"

    @property
    def sandbox(self) -> Any:  # noqa: ANN401 - as Site has it
        return self.site.sandbox

    @property
    def channel_id(self) -> ChannelId:
        return ChannelId(int(self.bound.data["id"]))

    def channel(self) -> Channel:
        channel = self.site.world.daemon.pictures.directory.channel(self.channel_id)
        assert channel is not None
        return channel

    def poller(self) -> ChildState | None:
        """The state of the channel's actor."""
        child = self.site.world.daemon.channels.child(self.channel_id)
        return None if child is None else child.state

    async def push(self, title: str = "x", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        """Into this channel alone."""
        form = {"title": title, "channel": str(self.channel_id), **fields}
        answer: dict[str, Any] = (await self.browser.post(self.url, json=form)).json()
        return answer

    async def until(self, condition: Callable[[], object]) -> None:
        await self.site.world.until(condition)

    def fault(self, kind: str, **more: Any) -> None:  # noqa: ANN401
        """Arm it, for this person's bot and for long."""
        self.sandbox.arm(Fault(kind=kind, user=self.bound.user, seconds=LONG_S, **more))  # type: ignore[arg-type]

    async def left(self) -> int:
        """How many messages may still go, as the owner is told."""
        return int((await self.shown())["window"]["left"])

    async def shown(self) -> dict[str, Any]:
        """The channel as its owner sees it."""
        listed = (await self.browser.get("/api/channels", params={"all": 1})).json()["data"]
        return next(channel for channel in listed if channel["id"] == self.channel_id)


@asynccontextmanager
async def set_stage(
    data_dir: Path, *, words: bool = True, settings: Mapping[str, object] | None = None
) -> AsyncIterator[Stage]:
    """`settings` have dotted names. Without `words` the person has not written yet."""
    disk, put = Disk(), list[tuple[Wire, Picky]]()

    def wire(sandbox: httpx.AsyncBaseTransport) -> Wire:
        picky = Picky(sandbox)
        put.append((Wire(picky), picky))
        return put[0][0]

    async with open_site(data_dir, runner=disk, wire=wire, settings=settings) as site:
        browser = await site.browser()
        bound = await site.bind(browser, words=words)
        yield Stage(site, disk, *put[0], browser, bound)
        disk.full = False


Scene = Callable[[Stage], Awaitable[None]]


async def opened(stage: Stage) -> None:
    """Nothing is wrong."""


# --- kept, and its turn comes later -----------------------------------------------------------------------------------


async def scarce(stage: Stage) -> None:
    """Three are left: half a minute between two messages."""
    while await stage.left() > 3:
        await stage.push("占位", wait=20)


async def retried(stage: Stage) -> None:
    """iLink answers, but not that it takes the message; the next try is some way off."""
    stage.fault("wrong_code", endpoint="sendmessage", ret=-1)
    await stage.push("试了又试", wait=0)
    await trio.sleep(9)


async def punished(stage: Stage) -> None:
    stage.sandbox.penalize(stage.bound.user, 600)
    await stage.push("太快了", wait=0)
    await stage.until(lambda: stage.channel().window.penalty_until)


async def host_down(stage: Stage) -> None:
    stage.fault("refuse_connections")
    await stage.until(lambda: any(gate.down_since for gate in stage.site.world.daemon.gates.status()))


async def backing_off(stage: Stage) -> None:
    """Its actor has crashed once and is about to start again."""
    stage.wire.broken.add(stage.channel().bot_token.reveal())
    await stage.push("出错", wait=0)
    await stage.until(lambda: stage.poller() is ChildState.BACKING_OFF)


async def parked(stage: Stage) -> None:
    stage.wire.broken.add(stage.channel().bot_token.reveal())
    await stage.push("出错", wait=0)
    await stage.until(lambda: stage.poller() is ChildState.PARKED)


async def stopped(stage: Stage) -> None:
    """No actor runs, as before its start."""
    await stage.site.world.daemon.channels.supervisor.stop_child(f"channel {stage.channel_id}")


# --- closed -----------------------------------------------------------------------------------------------------------


async def spent(stage: Stage) -> None:
    while await stage.left():
        await stage.push("占位", wait=0)
        await trio.sleep(400)


async def aged(stage: Stage) -> None:
    stage.site.world.clock.offset += 86_401
    await trio.sleep(61)  # who sleeps until a wall time has looked again


async def rejected(stage: Stage) -> None:
    """Every rest was of no use."""
    stage.fault("wrong_code", endpoint="sendmessage", ret=-2)
    await stage.push("太快了", wait=0)
    await trio.sleep(sum(stage.site.config.delivery.penalty) + 60)
    assert stage.channel().window.closed is Closed.REJECTED


async def rebound(stage: Stage) -> None:
    """Scanned anew, and no word since."""
    await stage.site.bind(await stage.site.browser(), stage.bound.user, words=False)


async def half_dead(stage: Stage) -> None:
    stage.sandbox.half_dead(stage.bound.user)
    await stage.push("只收不发", wait=20)


async def overdue(stage: Stage) -> None:
    """No poll has been answered for two minutes."""
    stage.fault("hang", endpoint="getupdates")
    await trio.sleep(200)


async def unconfirmed(stage: Stage) -> None:
    """Three messages in a row were accepted without a number, after one that had it."""
    await stage.push("带编号的", wait=20)
    stage.sandbox.silent_drop(stage.bound.user)
    for _ in range(3):
        await stage.push("没有编号的", wait=20)


# --- dead -------------------------------------------------------------------------------------------------------------


async def expired(stage: Stage) -> None:
    stage.sandbox.expire(stage.bound.user)
    await stage.until(lambda: stage.channel().is_dead)


async def unauthorized(stage: Stage) -> None:
    stage.fault("status", endpoint="getupdates", status=401)
    await stage.until(lambda: stage.channel().is_dead)


# --- nothing is kept --------------------------------------------------------------------------------------------------


async def full_queue(stage: Stage) -> None:
    """The setting `delivery.queue` says how many rows that takes."""
    await spent(stage)
    while (await stage.push("占位", wait=0))["data"]["results"][0]["reason"] != "queue_full":
        pass


async def full_disk(stage: Stage) -> None:
    stage.disk.full = True


def after(*scenes: Scene) -> Scene:
    """One scene after the other."""

    async def run(stage: Stage) -> None:
        for scene in scenes:
            await scene(stage)

    return run
