"""iLink answers nothing for an hour, and something waits for each channel: few calls, and then all of it arrives."""

import random
import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from bottalk.config import DeliverySettings
from bottalk.daemon import Daemon, open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.faults import Fault
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.transport import transport
from bottalk.service.pushes import PushForm
from bottalk.store import channels, users
from bottalk.store.database import connect, transaction
from bottalk.store.migrations import migrate
from bottalk.values import Channel, ChannelId, ChannelStatus, Secret, User, UserId, Window
from tests.actors.test_outage import busiest
from tests.support.world import VirtualClock, World, config_for, inline

HOUR = 3600.0
DOWN_RATE = 5
START_RATE = 200
TEXT = "断线中"


@dataclass(frozen=True, slots=True)
class Outage:
    """What an outage came to. Rates are calls that began within a second."""

    channels: int
    calls: int
    """While the host was known to be down."""
    busiest_second: int
    busiest_tenth_after: int
    """First polls that began within a tenth of a second, once it was back."""
    seconds_until_known: float
    """From its return until the daemon knows."""
    seconds_until_delivered: float
    """From then until all that waited is on the phones."""


class Noting(httpx.AsyncBaseTransport):
    """Notes each call as it begins: trio's clock, endpoint, whose it is."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.calls: list[tuple[float, str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        endpoint, whose = request.url.path.rpartition("/")[2], request.headers["authorization"]
        self.calls.append((trio.current_time(), endpoint, whose))
        return await self._inner.handle_async_request(request)


@dataclass(frozen=True, slots=True)
class One:
    user: str
    send_key: str


def seed(data_dir: Path, sandbox: Sandbox, number: int) -> list[One]:
    """The database of an earlier run: accounts with one channel each, whose persons have just written."""
    found: list[One] = []
    path, now, life = data_dir / "bottalk.db", sandbox.now, DeliverySettings().life
    with closing(connect(path)) as connection:
        migrate(connection, path, now)
        with transaction(connection):
            for _ in range(number):
                one = One(sandbox.new_user(), secrets.token_hex(16))
                bot = sandbox.takeover(one.user)
                owner = users.insert(connection, User(UserId(0), Secret(one.send_key), now, wechat_openid=one.user))
                channel = Channel(
                    id=ChannelId(0),
                    user_id=owner,
                    name="默认通道",
                    wechat_openid=one.user,
                    bot_id=bot.bot_id,
                    bot_token=Secret(bot.token),
                    base_url="http://ilink.test",
                    status=ChannelStatus.ACTIVE,
                    window=Window(life=life, epoch=1, opened_at=now),
                    created_at=now,
                    bound_at=now,
                    is_default=True,
                    activated_at=now,
                )
                channels.insert(connection, channel)
                sandbox.write(one.user)
                found.append(one)
    return found


async def suffer(data_dir: Path, number: int, seconds: float) -> Outage:
    """Let iLink be silent for so long."""
    clock, rng = VirtualClock(), random.Random(1)
    sandbox = Sandbox(now=clock.now, rng=random.Random(1), parameters=DEMO)
    ones = seed(data_dir, sandbox, number)
    wire = Noting(transport(sandbox))
    config = config_for(data_dir)
    async with open_daemon(
        config, clock=clock, rng=rng, runner=inline(rng), ilink_transport=wire, sockets=False
    ) as daemon:
        world = World(daemon, sandbox, clock)
        await trio.sleep(number / START_RATE + 10)
        began = trio.current_time()
        sandbox.arm(Fault(kind="dead_ip", seconds=seconds))
        for one in ones:
            await daemon.services.pushes.push(PushForm(Secret(one.send_key), TEXT, "", wait=0.0))
        await world.until(lambda: is_down(daemon), within=100)
        known = trio.current_time()
        await trio.sleep_until(began + seconds)
        await world.until(lambda: not is_down(daemon), within=100)
        back = trio.current_time()
        phones = [one.user for one in ones]
        await world.until(lambda: not daemon.pictures.outboxes.depths(), within=600)
        delivered = trio.current_time()
        await trio.sleep(100)
        assert [[message.text for message in sandbox.read(user)] for user in phones] == [[TEXT]] * number
        assert sandbox.max_concurrent_polls() == 1
        sandbox.check_invariants()
    during = [at for at, _, _ in wire.calls if known < at < began + seconds]
    first = {whose: at for at, endpoint, whose in reversed(wire.calls) if endpoint == "getupdates" and at >= back}
    return Outage(
        channels=number,
        calls=len(during),
        busiest_second=busiest(during, within=1.0),
        busiest_tenth_after=busiest(first.values(), within=0.1),
        seconds_until_known=back - began - seconds,
        seconds_until_delivered=delivered - back,
    )


def is_down(daemon: Daemon) -> bool:
    (host,) = daemon.status().hosts
    return host.down_since is not None


CHANNELS = 150
"""A thousand take three times as long: `make bench ARGS=outage` has them."""


async def test_an_hour_without_any_answer(tmp_path: Path, autojump_clock: object) -> None:
    outage = await suffer(tmp_path, CHANNELS, HOUR)
    assert outage.busiest_second <= DOWN_RATE
    assert outage.calls > HOUR, "it goes on trying"
    assert outage.busiest_tenth_after <= START_RATE / 10 + 1
    assert outage.seconds_until_known < 80, "a poll that hangs, and the pause after it"
    assert outage.seconds_until_delivered < 60
