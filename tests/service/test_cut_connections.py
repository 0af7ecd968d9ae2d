"""Clients that hang up at any moment of a key reset, a registration, a log-in or a delete, over real connections.

Whatever was done by then is done whole: memory and database agree, a key works or does not.
"""

import random
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from bottalk.values import User, UserId
from tests.service.test_hangups import ORPHANS
from tests.support.agreement import assert_memory_is_database, count
from tests.support.http import COOKIE
from tests.support.sockets import Live, open_live, until

ROUNDS = 12
CUTS = 4
"""Connections cut at the same time."""


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    body: Mapping[str, object]
    cookie: str = ""

    def raw(self) -> bytes:
        body = msgspec.json.encode(self.body)
        cookie = f"Cookie: {COOKIE}={self.cookie}\r\n" if self.cookie else ""
        return (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: x\r\n{cookie}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


class Crowd:
    """Accounts with sessions, by e-mail and by scan, and what is cut next."""

    def __init__(self, live: Live, rng: random.Random) -> None:
        self.live = live
        self.rng = rng
        self.cookies: dict[UserId, str] = {}
        self.keys: set[str] = set()
        """Every SendKey that ever was."""
        self.joined = 0
        self.longest_s = 0.0
        """Seconds after the request that a client hangs up, at most: twice as long as one alone took."""
        self.answered = 0
        """How many were hung up on after their answer had begun."""

    def users(self) -> list[User]:
        found = list(self.live.daemon.pictures.directory.users())
        self.keys |= {user.send_key.reveal() for user in found}
        return found

    async def join(self, *, by_scan: bool) -> None:
        async with self.live.browser() as browser:
            if by_scan:
                _, key = await self.live.bind(browser)
            else:
                self.joined += 1
                body = {"email": f"{self.joined}@example.org"}
                began = trio.current_time()
                key = (await browser.post("/api/auth/register", json=body)).json()["data"]["send_key"]
                self.longest_s = 2 * (trio.current_time() - began)
            user = self.live.daemon.pictures.directory.user_of_key(key)
            assert user is not None
            self.cookies[user.id] = browser.cookies[COOKIE]

    def call(self) -> Call:
        users = [user for user in self.users() if user.id in self.cookies]
        register = Call("POST", "/api/auth/register", {"email": f"{self.rng.randrange(8)}@example.com"})
        if len(users) < 2:
            return register
        user = self.rng.choice(users)
        cookie = self.cookies[user.id]
        channels = self.live.daemon.pictures.directory.channels_of(user.id)
        calls = [
            (5, Call("POST", "/api/key/reset", {}, cookie)),
            (4, register),
            (2, Call("POST", "/api/auth/login", {"send_key": user.send_key.reveal()})),
            (2, Call("DELETE", "/api/auth/me", {"confirm": user.send_key.reveal()}, cookie)),
        ]
        if channels:
            calls.append((2, Call("DELETE", f"/api/channels/{channels[0].id}", {}, cookie)))
        weights, found = zip(*calls, strict=True)
        (call,) = self.rng.choices(found, weights=weights)
        assert isinstance(call, Call)
        return call

    async def cut_some(self) -> None:
        """Several requests at once, each sent whole and hung up on some time later."""
        async with trio.open_nursery() as nursery:
            for _ in range(CUTS):
                nursery.start_soon(self._cut, self.call(), self.rng.random() * self.longest_s, self.rng.random() < 0.5)

    async def _cut(self, call: Call, after_s: float, hard: bool) -> None:
        """`hard`: by RST; else by FIN."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.live.port)
        if hard:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.send_all(call.raw())
        with trio.move_on_after(after_s):
            await stream.receive_some()
            self.answered += 1
        await stream.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_memory_equals_database_whenever_a_connection_is_cut(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with trio.fail_after(30):
        async with open_live(tmp_path / "data") as live:
            crowd = Crowd(live, rng)
            for n in range(4):
                await crowd.join(by_scan=n % 2 == 0)
            for n in range(ROUNDS):
                await crowd.cut_some()
                await agree(live)
                if n % 3 == 2:
                    await crowd.join(by_scan=n % 2 == 0)
            assert 0 < crowd.answered < ROUNDS * CUTS, "they are cut before and after"
            await keys_are_right(crowd)
            for query in ORPHANS:
                assert count(live.data_dir, query) == 0, query


async def agree(live: Live) -> None:
    """Once nothing is under way any more: every order has been carried out, every verb committed and told."""
    daemon = live.daemon

    def idle() -> bool:
        boxes = (daemon.journal.mailbox.status(), daemon.channels.mailbox.status())
        return all(box.depth == box.in_hand == 0 for box in boxes)

    quiet = 0

    def quiet_for_a_while() -> bool:
        nonlocal quiet
        quiet = quiet + 1 if idle() else 0
        return quiet >= 3

    await until(quiet_for_a_while)
    await assert_memory_is_database(live, live.data_dir)


async def keys_are_right(crowd: Crowd) -> None:
    """Each living key logs in, each other one does not, by the wire."""
    living = {user.send_key.reveal(): user.id for user in crowd.users()}
    assert crowd.keys - living.keys(), "some keys were reset or their accounts deleted"
    async with crowd.live.browser() as browser:
        for key in crowd.keys:
            answer: httpx.Response = await browser.post("/api/auth/login", json={"send_key": key})
            assert answer.json()["success"] == (key in living)
            if key in living:
                assert answer.json()["data"]["id"] == living[key]
