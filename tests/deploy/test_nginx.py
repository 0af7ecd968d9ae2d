"""deploy/nginx.conf in a real nginx, in front of a real daemon."""

import re
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trio

from bottalk.config import Config
from bottalk.http.server import ServerSettings
from bottalk.sandbox.rules.faults import Fault
from tests.deploy.install import nginx
from tests.deploy.units import DEPLOY
from tests.e2e.processes import process_of
from tests.support.sockets import Live, open_live, until

CONF = DEPLOY / "nginx.conf"
AROUND = """
daemon off;
master_process off;
pid {place}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 200; }}
http {{
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    include {place}/site.conf;
}}
"""

needs_nginx = pytest.mark.skipif(nginx() is None, reason="no nginx: the package archive was out of reach")


def setting(name: str) -> str:
    """What the file sets `name` to, once."""
    (found,) = re.findall(rf"^\s*{name} ([^;{{\n]+);", CONF.read_text(encoding="utf-8"), flags=re.M)
    return str(found)


@dataclass(slots=True)
class Front:
    """A daemon, and nginx before it."""

    live: Live
    url: str

    @asynccontextmanager
    async def client(self, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
        """One that comes from that address of this machine."""
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(base_url=self.url, transport=transport, timeout=60.0) as client:
            yield client


@asynccontextmanager
async def open_front(tmp_path: Path) -> AsyncIterator[Front]:
    program, place = nginx(), tmp_path / "nginx"
    assert program is not None
    place.mkdir()
    async with open_live(tmp_path / "data", trusted_proxies=("127.0.0.1",)) as live:
        port = free_port()
        site = CONF.read_text(encoding="utf-8")
        ours = {"server 127.0.0.1:3000;": f"server 127.0.0.1:{live.port};", "listen 80;": f"listen 127.0.0.1:{port};"}
        for theirs, changed in ours.items():
            assert site.count(theirs) == 1
            site = site.replace(theirs, changed)
        (place / "site.conf").write_text(site, encoding="utf-8")
        (place / "nginx.conf").write_text(AROUND.format(place=place), encoding="utf-8")
        command = [program, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"]
        with process_of(command, errors=tmp_path / "nginx.log"):
            await until(lambda: answers(port))
            yield Front(live, f"http://127.0.0.1:{port}")


async def active(front: Front, client: httpx.AsyncClient) -> str:
    """The SendKey of somebody who has scanned and written a word."""
    user, key = await front.live.bind(client)
    front.live.sandbox.write(user, "hi")
    await until(lambda: all(c.window.epoch for c in front.live.daemon.pictures.directory.channels()))
    return key


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def connections_to(port: int) -> int:
    """Established ones whose server side is that port, as the kernel counts them."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return sum(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "01" for line in lines)


# --- what it says ---


def test_its_limits_are_those_of_the_daemon() -> None:
    assert setting("client_max_body_size") == "1m"
    assert Config().max_body == 1024 * 1024
    assert setting("large_client_header_buffers") == "4 64k"
    server = ServerSettings()
    assert server.h11_max_incomplete_size == 64 * 1024
    assert float(setting("proxy_read_timeout").removesuffix("s")) > server.graceful_timeout, "the longest wait and more"
    assert f"BotTalk keeps them for {server.keep_alive_timeout:.0f} s" in CONF.read_text(encoding="utf-8")


def test_it_leads_to_where_the_daemon_listens() -> None:
    config = Config()
    assert setting("server") == f"{config.host}:{config.port}"
    assert f"TRUSTED_PROXIES={config.host}\n" in CONF.read_text(encoding="utf-8")


# --- what it does ---


@needs_nginx
async def test_the_clients_address_is_seen_and_not_what_it_says_of_itself(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front, front.client("127.0.0.2") as client:
        key = await active(front, client)
        for headers in ({}, {"x-forwarded-for": "203.0.113.7"}, {"x-real-ip": "203.0.113.7"}):
            assert (await client.post(f"/{key}.send", data={"title": "哪里来的"}, headers=headers)).status_code == 200
        connection = sqlite3.connect(front.live.data_dir / "bottalk.db")
        try:
            ips = [row[0] for row in connection.execute("SELECT ip FROM push_logs")]
        finally:
            connection.close()
        assert ips == ["127.0.0.2"] * 3


@needs_nginx
async def test_a_body_may_be_as_large_as_the_daemon_takes_and_no_larger(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front, front.client() as client:
        for size, status in ((Config().max_body, 200), (Config().max_body + 1, 413)):
            body = b'{"title": "x", "desp": "' + b"y" * (size - 26) + b'"}'
            assert len(body) == size
            answer = await client.post("/0123456789abcdef.send", content=body)
            assert answer.status_code == status
            if status == 200:
                assert answer.json()["code"] == 40001, "it came through: there is no such key"
            else:
                assert answer.headers["content-type"] == "text/html", "nginx' own answer"


@needs_nginx
async def test_a_long_text_by_get_comes_through(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front, front.client() as client:
        answer = await client.get("/0123456789abcdef.send", params={"title": "长", "desp": "汉" * 1800})
        assert answer.json()["code"] == 40001


@needs_nginx
async def test_connections_to_the_daemon_are_kept(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front, front.client() as client:
        for _ in range(20):
            assert (await client.get("/healthz")).text == "ok"
        assert connections_to(front.live.port) == 1


@needs_nginx
@pytest.mark.slow
async def test_a_caller_may_wait_as_long_as_it_is_allowed_to(tmp_path: Path) -> None:
    async with open_front(tmp_path) as front, front.client() as client:
        key = await active(front, client)
        front.live.sandbox.arm(Fault(kind="hang", endpoint="sendmessage", times=2))
        began = trio.current_time()
        answer = await client.post(f"/{key}.send", data={"title": "慢", "wait": "20"})
        assert answer.json()["message"] == "queued"
        assert trio.current_time() - began > 19
