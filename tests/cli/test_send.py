"""`bottalk send`: a push from a shell, against a real daemon; its exit code is the truth."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from bottalk.cli import main
from bottalk.cli.exits import BAD_KEY, OK, UNAVAILABLE, USAGE, WAITING
from tests.cli.commands import ROOT, Ended
from tests.e2e.processes import Bound, Field, field


async def send(*arguments: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> Ended:
    """Run `bottalk send …` with standard input from a pipe."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BOTTALK_")}
    with trio.fail_after(30):
        done = await trio.run_process(
            [sys.executable, "-m", "bottalk", "send", *arguments],
            cwd=ROOT,
            env=inherited | (env or {}),
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


@asynccontextmanager
async def bound(tmp_path: Path) -> AsyncIterator[tuple[Field, Bound]]:
    async with field(tmp_path) as stage, stage.daemon({"DELIVERY_GAP": "0"}):
        yield stage, await stage.bind()


async def test_sent_means_on_the_phone_from_arguments_and_from_a_pipe(tmp_path: Path) -> None:
    async with bound(tmp_path) as (stage, person):
        env = {"BOTTALK_SEND_KEY": person.send_key, "BOTTALK_URL": stage.url}
        done = await send("备份", "完成 100 %", env=env)
        assert (done.code, done.out, done.err) == (OK, "sent\n", "")
        piped = await send("磁盘", "--json", stdin="一行\n两行\n".encode(), env=env)
        assert piped.code == OK
        assert piped.json["message"] == "success"
        texts = "\n".join(await stage.texts(person.user))
        assert "备份\n\n完成 100 %" in texts
        assert "磁盘\n\n一行\n两行" in texts
        assert person.send_key not in done.out + done.err + piped.out + piped.err


async def test_what_waits_is_75_and_is_kept(tmp_path: Path) -> None:
    async with bound(tmp_path) as (stage, person):
        key = tmp_path / "key"
        key.write_text(person.send_key + "\n", encoding="utf-8")
        done = await send("later", "--delay", "60", "--url", stage.url, "--key-file", str(key))
        assert done.code == WAITING
        assert done.err.startswith("kept: it is sent as soon as WeChat takes it")
        assert [row["status"] for row in stage.rows("status, title") if row["title"] == "later"] == ["queued"]


async def test_the_same_idempotency_key_sends_once(tmp_path: Path) -> None:
    async with bound(tmp_path) as (stage, person):
        env = {"BOTTALK_SEND_KEY": person.send_key, "BOTTALK_URL": stage.url}
        assert [(await send("once", "--idempotency-key", "k", env=env)).code for _ in range(2)] == [OK, OK]
        assert "\n".join(await stage.texts(person.user)).count("once") == 1
        other = await send("another", "--idempotency-key", "k", env=env)
        assert other.code == USAGE


async def test_a_wrong_key_is_77_and_a_service_that_is_not_there_69(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon():
        done = await send("x", "--key", "0" * 32, "--url", stage.url)
        assert done.code == BAD_KEY
        assert "0" * 32 not in done.err
        assert (await send("x", "--key", "0" * 32, "--url", stage.upstream)).code == UNAVAILABLE
    gone = await send("x", "--key", "0" * 32, "--url", stage.url)
    assert gone.code == UNAVAILABLE
    assert "does the service run" in gone.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["", "--key", "k"], USAGE, "nothing to send"),
        (["x", "--titel", "y"], USAGE, "No such option"),
        (["x", "--key", "k", "--wait", "21"], USAGE, "--wait"),
        (["x", "y", "z"], USAGE, "unexpected extra argument"),
        (["x", "--key-file", "/nowhere/key"], BAD_KEY, "/nowhere/key"),
        (["x"], BAD_KEY, "BOTTALK_SEND_KEY"),
        (["x", "--key", "k", "--url", "nonsense"], UNAVAILABLE, "--url"),
    ],
)
def test_mistakes_are_told_without_a_call(
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BOTTALK_SEND_KEY", raising=False)
    found = CliRunner().invoke(main, ["send", *arguments], input="")
    assert found.exit_code == code
    assert words in found.stderr


def test_the_key_of_the_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".config/bottalk").mkdir(parents=True)
    (tmp_path / ".config/bottalk/key").write_text("a" * 32)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BOTTALK_SEND_KEY", raising=False)
    found = CliRunner().invoke(main, ["send", "x", "--url", "http://127.0.0.1:1"], input="")
    assert found.exit_code == UNAVAILABLE  # it got as far as calling
    assert "a" * 32 not in found.stderr


@pytest.mark.parametrize("key", ["ab12\x01cd34", "ab12\nX: cd34", "钥匙"])
@pytest.mark.parametrize("by_option", [True, False])
def test_a_key_that_is_none_is_not_sent_and_not_repeated(key: str, by_option: bool) -> None:
    """What the HTTP client says of a header that it will not send holds the header."""
    with socket.create_server(("127.0.0.1", 0)) as listens:
        arguments = ["send", "x", "--url", f"http://127.0.0.1:{listens.getsockname()[1]}"]
        found = CliRunner().invoke(
            main, [*arguments, "--key", key] if by_option else arguments, input="", env={"BOTTALK_SEND_KEY": key}
        )
    assert found.exit_code == BAD_KEY
    assert "no usable SendKey" in found.stderr
    assert "cd34" not in found.output


def test_a_line_end_after_the_key_in_the_environment_is_none_of_it(tmp_path: Path) -> None:
    env = {"BOTTALK_SEND_KEY": "a" * 32 + "\r\n"}
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = CliRunner().invoke(main, ["send", "x", "--url", f"http://127.0.0.1:{closed.getsockname()[1]}"], env=env)
    assert found.exit_code == UNAVAILABLE  # it got as far as calling


def test_no_proxy_stands_between_this_machine_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of 127/8 is this machine."""
    monkeypatch.setenv("http_proxy", "http://no-such-proxy.invalid:1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for host in ("127.0.0.1", "127.0.0.2", "localhost"):
            found = CliRunner().invoke(main, ["send", "x", "--key", "k", "--url", f"http://{host}:{port}"], input="")
            assert found.exit_code == UNAVAILABLE
            assert "refused" in found.stderr or "attempts failed" in found.stderr


def test_an_idempotency_key_that_no_header_takes_is_wrong_usage() -> None:
    found = CliRunner().invoke(main, ["send", "x", "--key", "k", "--idempotency-key", "键"], input="")
    assert found.exit_code == USAGE
    assert "--idempotency-key" in found.stderr


def test_help_names_every_exit_code() -> None:
    text = CliRunner().invoke(main, ["send", "--help"]).output
    assert all(f"  {code} " in text for code in (OK, WAITING, UNAVAILABLE, BAD_KEY, USAGE))
