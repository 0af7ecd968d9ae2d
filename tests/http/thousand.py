"""A daemon with a thousand live channels in virtual time, some of them in every state of health that there is."""

import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import trio

from bottalk.config import DeliverySettings
from bottalk.daemon import open_daemon
from bottalk.health import Cause
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.transport import transport
from bottalk.service.pushes import PushForm
from bottalk.store import channels, users
from bottalk.store.database import connect, transaction
from bottalk.store.migrations import migrate
from bottalk.values import Channel, ChannelId, ChannelStatus, Secret, User, UserId, Window
from tests.e2e.tampered import Wire
from tests.support.http import Site
from tests.support.world import VirtualClock, World, config_for, inline

MONITOR = "monitor-token-of-the-tests"
OTHER_HOST = "http://other.test"


@dataclass(frozen=True, slots=True)
class One:
    """A channel, and whose it is."""

    channel_id: ChannelId
    user: str
    send_key: str
    bot_token: str


@dataclass(slots=True)
class Thousand:
    site: Site
    wire: Wire
    of: dict[Cause | None, list[One]] = field(default_factory=dict)
    """The channels by what is to become of them; None: they stay green."""

    @property
    def sandbox(self) -> Sandbox:
        return self.site.world.sandbox

    def expected(self) -> dict[int, Cause | None]:
        return {one.channel_id: cause for cause, ones in self.of.items() for one in ones}

    async def push(self, *causes: Cause, title: str) -> None:
        for cause in causes:
            for one in self.of[cause]:
                form = PushForm(Secret(one.send_key), title, "", wait=0.0)
                assert (await self.site.world.daemon.services.pushes.push(form)).refusal is None


@asynccontextmanager
async def open_thousand(data_dir: Path, *, number: int = 1000, each: int = 5) -> AsyncIterator[Thousand]:
    """`number` channels, all green or on their way to it; `each` of them are meant for each cause of illness."""
    clock, rng = VirtualClock(), random.Random(1)
    sandbox = Sandbox(now=clock.now, rng=random.Random(1))
    wire = Wire(transport(sandbox))
    found = _seed(data_dir, sandbox, number, each)
    for one in found[Cause.NO_POLL]:
        sandbox.arm(Fault(kind="hang", endpoint="getupdates", user=one.user, seconds=3600.0))
    settings = {"monitor_token": MONITOR, "ilink.allowed_hosts": ("other.test",), "rate_limit": 100_000}
    config = config_for(data_dir, **settings)
    async with (
        open_daemon(config, clock=clock, rng=rng, runner=inline(rng), ilink_transport=wire, sockets=False) as daemon,
        AsyncExitStack() as stack,
    ):
        yield Thousand(Site(World(daemon, sandbox, clock), config, stack), wire, found)


def _seed(data_dir: Path, sandbox: Sandbox, number: int, each: int) -> dict[Cause | None, list[One]]:
    """The database of an earlier run: an account for each channel. The phones of most have just written."""
    causes: list[Cause | None] = [cause for cause in Cause for _ in range(each)]
    causes += [None] * (number - len(causes))
    random.Random(1).shuffle(causes)
    data_dir.mkdir(mode=0o700, exist_ok=True)
    path = data_dir / "bottalk.db"
    found: dict[Cause | None, list[One]] = {}
    with closing(connect(path)) as connection:
        migrate(connection, path, sandbox.now)
        with transaction(connection):
            for cause in causes:
                user, key = sandbox.new_user(), secrets.token_hex(16)
                token = sandbox.takeover(user).token
                owner = users.insert(connection, User(UserId(0), Secret(key), sandbox.now, wechat_openid=user))
                channel = _channel(owner, user, token, cause, sandbox.now)
                one = One(channels.insert(connection, channel), user, key, token)
                found.setdefault(cause, []).append(one)
                if channel.status is ChannelStatus.ACTIVE and cause is not None:
                    sandbox.write(user)
    return found


def _channel(owner: UserId, user: str, token: str, cause: Cause | None, now: float) -> Channel:
    waits = cause in (Cause.PENDING, Cause.WAITING_FOR_REPLY)
    life = DeliverySettings().life
    return Channel(
        id=ChannelId(0),
        user_id=owner,
        name="默认通道",
        wechat_openid=user,
        bot_id=token.split(":", 1)[0],
        bot_token=Secret(token),
        base_url=OTHER_HOST if cause is Cause.ILINK_DOWN else "http://ilink.test",
        status=ChannelStatus.PENDING if waits else ChannelStatus.ACTIVE,
        window=Window(life=life) if waits else Window(life=life, epoch=1, opened_at=now),
        created_at=now,
        bound_at=now,
        is_default=True,
        can_login=True,
        activated_at=None if cause is Cause.PENDING else now,  # the one that waits was active, and is bound anew
    )


async def fall_ill(the: Thousand) -> None:
    """Let become of each channel what it is meant for; about two minutes of virtual time."""
    sandbox, world = the.sandbox, the.site.world
    await trio.sleep(10)  # all poll, and the words have come
    await the.push(Cause.SILENT_DROP_SUSPECTED, title="带编号的")
    for one in the.of[Cause.SESSION_EXPIRED]:
        sandbox.expire(one.user)
    for one in the.of[Cause.AUTH]:
        sandbox.arm(Fault(kind="status", status=401, endpoint="getupdates", user=one.user, seconds=3600.0))
    for one in the.of[Cause.HALF_DEAD]:
        sandbox.half_dead(one.user)
    the.wire.broken |= {one.bot_token for one in the.of[Cause.PARKED]}
    await the.push(Cause.HALF_DEAD, Cause.PARKED, title="发不出去")
    await trio.sleep(5)
    for one in the.of[Cause.SILENT_DROP_SUSPECTED]:
        sandbox.silent_drop(one.user)
    for n in range(3):
        await the.push(Cause.SILENT_DROP_SUSPECTED, title=f"没有编号的 {n}")
        await trio.sleep(5)
    await trio.sleep(95)
    for one in the.of[Cause.ILINK_DOWN]:
        sandbox.arm(Fault(kind="refuse_connections", user=one.user, seconds=3600.0))
    for one in the.of[Cause.PENALTY]:
        sandbox.penalize(one.user, 600.0)
    for one in the.of[Cause.RETRYING]:
        sandbox.arm(Fault(kind="wrong_code", endpoint="sendmessage", user=one.user, seconds=3600.0))
    await the.push(Cause.PENALTY, Cause.RETRYING, Cause.WAITING_FOR_REPLY, title="等一等")
    wanted = {cause.value: len(the.of[cause]) for cause in Cause}
    await world.until(lambda: world.daemon.services.status.view().channel_counts.reasons == wanted, within=15)
