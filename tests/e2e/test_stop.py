"""How a daemon as a process starts, stops and refuses to start: real signals, sockets and files."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.e2e.processes import PATIENCE_S, ROOT, Field, field, process

CANNOT_OPEN = 73


def serve(data_dir: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """A daemon that is expected to end by itself."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BOTTALK_")}
    env |= {"BOTTALK_DATA_DIR": str(data_dir), "BOTTALK_PORT": "0"}
    env |= {f"BOTTALK_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "bottalk", "serve"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


async def test_a_second_daemon_on_the_same_data_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    async with field(tmp_path) as the, the.daemon() as first:
        second = await trio.to_thread.run_sync(serve, the.data_dir)
        assert second.returncode == CANNOT_OPEN
        assert f"process {first.popen.pid}" in second.stderr
        assert str(the.data_dir) in second.stderr
        assert "Traceback" not in second.stderr
        assert (await the.client.get(f"{the.url}/healthz")).text == "ok"
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = serve(tmp_path, port=port)
    assert ended.returncode == CANNOT_OPEN
    assert port in ended.stderr
    assert "PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_none_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bottalk.db"
    path.write_bytes(b"these are my holiday pictures " * 200)
    before = path.read_bytes()
    ended = serve(tmp_path)
    assert ended.returncode == CANNOT_OPEN
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert path.read_bytes() == before


async def test_sigterm_answers_who_waits_finishes_the_send_in_hand_and_ends_with_0(tmp_path: Path) -> None:
    async with field(tmp_path) as the:
        async with the.daemon() as daemon:
            bound = await the.bind()
            slow = {"kind": "delay", "endpoint": "sendmessage", "delay_s": 0.8, "when": "after"}
            await the.control("/faults", slow)
            answers: list[dict[str, Any]] = []

            async def push() -> None:
                answers.append(await the.push(bound, "在路上", wait="20"))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(push)
                await the.until(lambda: the.texts(bound.user), len)
                daemon.signal(signal.SIGTERM)
                signalled = time.monotonic()
            assert await daemon.ended() == 0
            assert time.monotonic() - signalled < 8, "far less than the caller's wait"
        assert (answers[0]["code"], answers[0]["message"]) == (0, "queued"), "the caller does not wait for the send"
        (row,) = the.rows()
        assert (row["status"], row["maybe_duplicate"]) == ("success", 0)
        assert refused(the)
        async with the.daemon():
            await the.push(bound, "重启后")
            assert await the.texts(bound.user) == ["在路上", "重启后"]


async def test_a_second_sigterm_skips_the_waits(tmp_path: Path) -> None:
    async with field(tmp_path) as the:
        async with the.daemon() as daemon:
            bound = await the.bind()
            await the.control("/faults", {"kind": "lost_answer", "endpoint": "sendmessage", "ending": "hang"})
            await the.push(bound, "卡住", wait="0")
            await the.until(lambda: the.texts(bound.user), len)
            daemon.signal(signal.SIGTERM)
            await trio.sleep(0.5)
            assert daemon.popen.poll() is None, "it gives the send in hand its ten seconds"
            daemon.signal(signal.SIGTERM)
            hurried = time.monotonic()
            assert await daemon.ended() == 0
            assert time.monotonic() - hurried < 6, "well before the ten seconds are over"
        (row,) = the.rows()
        assert (row["status"], row["maybe_duplicate"]) == ("queued", 1)
        async with the.daemon():
            await the.until(lambda: the.texts(bound.user), lambda texts: texts == ["卡住", "卡住"])


async def test_sigterm_during_the_start_ends_it_in_order(tmp_path: Path) -> None:
    """As soon as the data directory is its own, a signal is a stop."""
    async with field(tmp_path) as the:
        async with the.daemon() as daemon:
            await the.bind()
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
        lock = the.data_dir / "bottalk.lock"
        lock.unlink()
        env = {"BOTTALK_PORT": "0", "BOTTALK_DATA_DIR": str(the.data_dir), "BOTTALK_DEMO": "1"}
        with process("bottalk", "serve", env=env, errors=tmp_path / "start.log") as starting:
            with trio.fail_after(PATIENCE_S):
                while not lock.exists():  # noqa: ASYNC110 - another process, a local file
                    await trio.sleep(0.001)
            starting.signal(signal.SIGTERM)
            assert await starting.ended() == 0, (tmp_path / "start.log").read_text()
        async with the.daemon() as daemon:
            daemon.signal(signal.SIGINT)
            assert await daemon.ended() == 0


def refused(the: Field) -> bool:
    """Nobody listens any more where the daemon did."""
    try:
        httpx.get(f"{the.url}/healthz", trust_env=False)
    except httpx.ConnectError:
        return True
    return False
