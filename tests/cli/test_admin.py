"""`bottalk admin`: the first administrator is made by who owns the data directory, with and without a daemon."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import structlog
import trio
from click.testing import CliRunner, Result

from bottalk.cli import main
from bottalk.cli.exits import CANNOT_OPEN, CONFIG, FAILED, OK, UNAVAILABLE
from bottalk.config import Config
from bottalk.ops import data_dir
from bottalk.store import users
from bottalk.store.database import connect, transaction
from bottalk.store.migrations import migrate
from bottalk.values import Secret, User, UserId
from tests.cli.commands import bottalk, here
from tests.e2e.processes import field
from tests.support.sockets import Live, open_live

NOW = 1_790_000_000.0
KEYS = {"ann": "a" * 32, "bob": "b" * 32}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this process a command may set the log's level, but not bind the loggers of all later tests to its streams."""

    def level_only(config: Config) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(config.log_level))

    monkeypatch.setattr("bottalk.cli.settings.configure", level_only)
    yield
    structlog.reset_defaults()


@contextmanager
def seeded(directory: Path) -> Iterator[Path]:
    """A data directory that no daemon holds, with Ann (by e-mail) and Bob (by scan)."""
    directory.mkdir(mode=0o700)
    path = directory / "bottalk.db"
    with closing(connect(path)) as connection:
        migrate(connection, path, NOW)
        with transaction(connection):
            users.insert(connection, User(UserId(0), Secret(KEYS["ann"]), NOW, email="ann@example.org"))
            bob = User(UserId(0), Secret(KEYS["bob"]), NOW, wechat_openid="o-bob@im.wechat", nickname="\x1b[31mBob")
            users.insert(connection, bob)
    yield directory


def run(directory: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["admin", *words, "--data-dir", str(directory)], env=_without_settings())


def _without_settings() -> dict[str, str | None]:
    return {name: None for name in os.environ if name.startswith("BOTTALK_")}


def roles(directory: Path) -> dict[int, str]:
    with closing(connect(directory / "bottalk.db", readonly=True)) as connection:
        return {row["id"]: row["role"] for row in connection.execute("SELECT id, role FROM users")}


# --- without a daemon ---


def test_without_a_daemon_the_database_is_changed(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        for word, is_admin in (("ann@example.org", 1), ("2", 2)):
            done = run(directory, "grant", word)
            assert (done.exit_code, done.stderr) == (OK, "")
            assert "is now an administrator (no daemon runs)" in done.stdout
            assert roles(directory)[is_admin] == "admin"
        assert run(directory, "grant", "o-bob@im.wechat", "--json").exit_code == OK
        listed = run(directory, "list")
        assert listed.stdout == "1  ann@example.org\n2  o-bob@im.wechat  ?[31mBob\n", "nobody steers the terminal"
        assert KEYS["ann"] not in run(directory, "list", "--json").stdout
        assert run(directory, "revoke", "1").exit_code == OK
        assert roles(directory) == {1: "user", 2: "admin"}


def test_without_a_daemon_as_json(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        assert json.loads(run(directory, "list", "--json").stdout) == []
        ann = json.loads(run(directory, "grant", " ANN@example.org", "--json").stdout)
        assert ann == {
            "id": 1,
            "email": "ann@example.org",
            "wechat_openid": None,
            "nickname": None,
            "role": "admin",
            "is_disabled": 0,
            "created_at": "2026-09-21 14:13:20",
        }
        assert json.loads(run(directory, "list", "--json").stdout) == [ann]


def test_nobody_of_that_name(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        for command in ("grant", "revoke"):
            done = run(directory, command, "nobody@example.org")
            assert (done.exit_code, done.stdout) == (FAILED, "")
            assert "nobody@example.org" in done.stderr
        empty = run(directory, "list")
        assert (empty.exit_code, empty.stdout) == (OK, "")
        assert "bottalk admin grant" in empty.stderr


def test_a_wrong_directory_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "missing"):
        done = run(directory, "grant", "1")
        assert done.exit_code == CANNOT_OPEN
        assert f"there is no database {directory}/bottalk.db" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "bottalk.db").write_bytes(b"not a database, but long enough to look like something" * 50)
    done = run(tmp_path, "list")
    assert done.exit_code == CANNOT_OPEN
    assert "cannot be used" in done.stderr or "cannot open" in done.stderr


def test_a_wrong_setting(tmp_path: Path) -> None:
    settings = tmp_path / "bottalk.toml"
    settings.write_text("porrt = 1\n")
    done = run(tmp_path, "list", "--config", str(settings))
    assert done.exit_code == CONFIG
    assert "porrt" in done.stderr


def test_help_says_what_it_does_and_wrong_usage_is_2() -> None:
    for words in (["admin"], ["admin", "grant"], ["admin", "revoke"], ["admin", "list"]):
        done = CliRunner().invoke(main, [*words, "--help"])
        assert done.exit_code == OK
        assert len(done.stdout) > 200
    assert CliRunner().invoke(main, ["admin", "grant"]).exit_code == 2


# --- a daemon that does not answer ---


@pytest.mark.parametrize("door", ["missing", "stale", "bound"])
def test_a_lock_without_a_door_is_told(tmp_path: Path, door: str) -> None:
    """No socket; one that a killed daemon left; one of a daemon that does not listen yet."""
    with seeded(tmp_path / "data") as directory, data_dir.locked(directory):
        kept = socket.socket(socket.AF_UNIX)
        with kept:
            if door != "missing":
                kept.bind(str(directory / "bottalk.sock"))
            if door == "stale":
                kept.close()
            done = run(directory, "grant", "1")
        assert (done.exit_code, done.stdout) == (UNAVAILABLE, "")
        for part in (f"process {os.getpid()}", "bottalk.sock", "Try again"):
            assert part in done.stderr
        assert roles(directory)[1] == "user"


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (b"", 404, "this version does not understand"),
        (b"<html>", 404, "this version does not understand"),
        (b'{"code":40000,"message":"x","data":{}}', 404, "this version does not understand"),
        (b'{"success":true}', 404, "this version does not understand"),
        ('{"success":false,"error":"接口不存在"}'.encode(), 404, "this version does not understand"),
        ('{"success":false,"error":"服务器内部错误"}'.encode(), 500, "look at its log"),
    ],
)
@pytest.mark.parametrize("words", [("admin", "list"), ("status",)])
def test_a_door_that_answers_otherwise_is_told(
    tmp_path: Path, answer: bytes, status: int, says: str, words: tuple[str, ...]
) -> None:
    with seeded(tmp_path / "data") as directory, data_dir.locked(directory), socket.socket(socket.AF_UNIX) as door:
        door.bind(str(directory / "bottalk.sock"))
        door.listen()

        async def serve_once() -> Result:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(door))
            async with trio.open_nursery() as nursery:

                async def say(stream: trio.SocketStream) -> None:
                    await stream.receive_some()
                    head = b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n" % (status, len(answer))
                    await stream.send_all(head + answer)

                nursery.start_soon(trio.serve_listeners, say, [listener])
                done = await trio.to_thread.run_sync(partial(here, *words, data_dir=directory))
                nursery.cancel_scope.cancel()
            return done

        done = trio.run(serve_once)
        assert done.exit_code == UNAVAILABLE
        assert f"HTTP {status}" in done.stderr
        assert says in done.stderr


# --- with a daemon ---


async def test_a_running_daemon_and_a_stopped_one(tmp_path: Path) -> None:
    async with field(tmp_path) as sandbox:
        browser, admin_page = sandbox.client, "/api/admin/status"
        async with sandbox.daemon() as daemon:
            await browser.post(f"{sandbox.url}/api/auth/register", json={"email": "ann@example.org"})
            assert (await browser.get(sandbox.url + admin_page)).status_code == 403
            done = await bottalk("admin", "grant", "ann@example.org", data_dir=sandbox.data_dir)
            assert (done.code, done.out) == (OK, "1  ann@example.org: is now an administrator\n"), done.err
            assert (await browser.get(sandbox.url + admin_page)).status_code == 200, "in the session that is open"
            listed = await bottalk("admin", "list", "--json", data_dir=sandbox.data_dir)
            assert [account["email"] for account in listed.json] == ["ann@example.org"]
            assert (await bottalk("admin", "grant", "2", data_dir=sandbox.data_dir)).code == FAILED
            daemon.popen.terminate()
            assert await daemon.ended() == 0
        done = await bottalk("admin", "revoke", "1", data_dir=sandbox.data_dir)
        assert (done.code, done.err) == (OK, "")
        async with sandbox.daemon():
            assert (await browser.get(sandbox.url + admin_page)).status_code == 403


async def test_the_door_answers_on_the_unix_socket_only(tmp_path: Path) -> None:
    async with open_live(tmp_path / "data") as live, live.browser() as tcp, live.operator() as operator:
        await tcp.post("/api/auth/register", json={"email": "ann@example.org"})
        nothing = await tcp.get("/operator/nothing")
        assert nothing.status_code == 404
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            proxied = await operator.post(
                "/operator/admins/grant", json={"who": "1"}, headers={header: "for=192.0.2.1"}
            )
            assert (proxied.status_code, proxied.content) == (404, nothing.content)
        await _is_shut(tcp, nothing.content)
        assert roles(live.data_dir) == {1: "user"}
        assert (await operator.get("/operator/admins")).json() == {"data": [], "success": True}
        granted = await operator.post("/operator/admins/grant/", json={"who": "1"})
        assert (granted.status_code, granted.json()["data"]["role"]) == (200, "admin")
        await _is_shut(tcp, nothing.content)  # an administrator's session opens it no more than any other
        missing = await operator.post("/operator/admins/revoke", json={"who": "9"})
        assert (missing.status_code, missing.json()) == (404, {"error": "User not found", "success": False})
        assert (await operator.post("/operator/admins/revoke", json={})).status_code == 400
        assert "/operator" not in (await tcp.get("/openapi.json")).text
        await _both_ways(live)


async def _is_shut(tcp: httpx.AsyncClient, nothing: bytes) -> None:
    for answer in (
        await tcp.get("/operator/admins"),
        await tcp.post("/operator/admins/grant", json={"who": "1"}),
        await tcp.post("/operator/admins/revoke", json={"who": "1"}),
    ):
        assert (answer.status_code, answer.content) == (404, nothing)


async def _both_ways(live: Live) -> None:
    """The same command through the daemon: memory and file agree."""
    for word, role in (("revoke", "user"), ("grant", "admin")):
        done = await trio.to_thread.run_sync(run, live.data_dir, word, "ann@example.org")
        assert done.exit_code == OK, done.stderr
        user = live.daemon.pictures.directory.user(UserId(1))
        assert user is not None
        assert user.role == role == roles(live.data_dir)[1]
