"""The daemon under test and its surroundings: a seeded database, the upstream stand-in, and both running."""

import http.client
import json
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bottalk.config import DeliverySettings
from bottalk.store import channels, users
from bottalk.store.database import connect, transaction
from bottalk.store.migrations import migrate
from bottalk.values import Channel, ChannelId, ChannelStatus, Secret, User, UserId, Window
from tests.benchmarks.loadgen import Target
from tests.benchmarks.process import Child, ChildFailed, child

READY_TIMEOUT = 120.0
MONITOR = "bench"
TEXT = "title=disk_full_01&desp=The+disk+of+web-3+is+at+97+percent+since+08%3A00%2C+please+have+a+look."


@dataclass(frozen=True)
class Seeded:
    """One account with one channel, bound and active, its window open."""

    send_key: str
    bot_token: str
    wechat_openid: str

    @property
    def push(self) -> Target:
        return self.pushing(TEXT)

    def pushing(self, text: str) -> Target:
        """A push of this form."""
        return Target(f"/{self.send_key}.send", text)


BARE_PUSH = Target("/x", TEXT)


def seed_database(path: Path, number: int, base_url: str, spent: int = 0) -> list[Seeded]:
    """Create the database at `path` with `number` accounts of one active channel each, polled at `base_url`.

    The rate limit of the accounts is out of the way. `spent` texts have been sent in each window.
    """
    now = time.time()
    seeded = []
    connection = connect(path)
    try:
        migrate(connection, path, now)
        with transaction(connection):
            for _ in range(number):
                one = Seeded(
                    send_key=secrets.token_hex(16),
                    bot_token=f"{secrets.token_hex(6)}@im.bot:{secrets.token_hex(16)}",
                    wechat_openid=f"o9cq80{secrets.token_hex(11)}@im.wechat",
                )
                user = User(UserId(0), Secret(one.send_key), now, wechat_openid=one.wechat_openid, rate_limit=100_000)
                channels.insert(connection, _channel(users.insert(connection, user), one, base_url, now, spent))
                seeded.append(one)
    finally:
        connection.close()
    return seeded


def _channel(user_id: UserId, one: Seeded, base_url: str, now: float, spent: int) -> Channel:
    return Channel(
        id=ChannelId(0),
        user_id=user_id,
        name="默认通道",
        wechat_openid=one.wechat_openid,
        bot_id=one.bot_token.split(":", 1)[0],
        bot_token=Secret(one.bot_token),
        base_url=base_url,
        status=ChannelStatus.ACTIVE,
        window=Window(
            life=DeliverySettings().life,
            epoch=1,
            opened_at=now,
            spent=spent,
            last_send_at=now if spent else None,
            gives_ids=True,
        ),
        created_at=now,
        bound_at=now,
        is_default=True,
        can_login=True,
        context_token=Secret(f"AARzJW{secrets.token_urlsafe(96)}"),
        cursor="cursor-0",
        activated_at=now,
        last_inbound_at=now,
    )


@dataclass(frozen=True)
class Bench:
    """The daemon, running and ready, and the upstream that it polls. `started` is on the monotonic clock."""

    daemon: Child
    port: int
    upstream_port: int
    seeded: Sequence[Seeded]
    started: float

    def upstream(self) -> dict[str, Any]:
        """What the upstream has counted."""
        found: dict[str, Any] = json.loads(get(self.upstream_port, "/control/stats")[1])
        return found

    def write(self, *whom: Seeded) -> None:
        """Each of these users writes a word to his bot."""
        words = {one.bot_token: one.wechat_openid for one in whom}
        get(self.upstream_port, "/control/inbound", body=json.dumps(words))

    def status(self) -> dict[str, Any]:
        """The daemon's account of itself."""
        found = json.loads(get(self.port, "/api/admin/status", {"Authorization": f"Bearer {MONITOR}"})[1])
        data: dict[str, Any] = found["data"]
        return data

    def wait_for_delivery(self, timeout: float) -> None:
        """Wait until nothing waits to be sent. Raises ChildFailed if it takes longer."""
        until = time.monotonic() + timeout
        while (queued := self.status()["totals"]["queued"]) > 0:
            self.daemon.check()
            if time.monotonic() > until:
                raise ChildFailed(f"{queued} rows wait after {timeout:.0f} s")
            time.sleep(0.05)

    def wait_for_polls(self, timeout: float) -> float:
        """Wait until every channel has a poll open; seconds since the start. Raises ChildFailed if it takes longer."""
        while self.upstream()["open_polls"] < len(self.seeded):
            self.daemon.check()
            if time.monotonic() - self.started > timeout:
                raise ChildFailed(f"{self.upstream()['open_polls']} of {len(self.seeded)} poll after {timeout:.0f} s")
            time.sleep(0.02)
        return time.monotonic() - self.started


@contextmanager
def bench(
    number: int, *, run: Sequence[str] = ("bottalk",), spent: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[Bench]:
    """Run the daemon with `number` seeded channels until the block ends. `spent`: texts sent in each of their windows.

    `run`: the module that runs it, and that module's own arguments.
    """
    with tempfile.TemporaryDirectory(prefix="bottalk-bench-") as directory, child("tests.benchmarks.upstream") as up:
        upstream_port = up.first_line()["port"]
        base_url = f"http://127.0.0.1:{upstream_port}"
        seeded = seed_database(Path(directory) / "bottalk.db", number, base_url, spent)
        port = _free_port()
        env = {
            "BOTTALK_HOST": "127.0.0.1",
            "BOTTALK_PORT": str(port),
            "BOTTALK_DATA_DIR": directory,
            "BOTTALK_ILINK_BASE_URL": base_url,
            "BOTTALK_DEMO": "1",
            "BOTTALK_MONITOR_TOKEN": MONITOR,
            **(settings or {}),
        }
        started = time.monotonic()
        log = Path(directory) / "log"
        try:
            with log.open("w") as output, child(*run, "serve", env=env, output=output) as daemon:
                _wait_until_ready(daemon, port)
                yield Bench(daemon, port, upstream_port, seeded, started)
        except ChildFailed as error:
            raise ChildFailed(f"{error}; its last words:\n{log.read_text()[-2000:]}") from error


def _wait_until_ready(daemon: Child, port: int) -> None:
    until = time.monotonic() + READY_TIMEOUT
    while True:
        daemon.check()
        try:
            if get(port, "/healthz")[0] == 200:
                return
        except ConnectionRefusedError:
            pass  # not listening yet
        if time.monotonic() > until:
            raise ChildFailed(f"the daemon is not ready after {READY_TIMEOUT:.0f} s")
        time.sleep(0.05)


def get(port: int, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> tuple[int, bytes]:
    """GET from 127.0.0.1, POST with a `body`: status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST" if body else "GET", path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
