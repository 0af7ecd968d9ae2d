"""How a daemon as a process starts, stops and refuses to start: real signals, sockets and files."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.e2e.processes import PATIENCE_S, ROOT, Field, Process, field, process

CANNOT_OPEN = 73
CANNOT_WRITE = 74
FULL_DISK = "tests.e2e.full_disk"
SENDS = "sendmessage"


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
        assert f"process {first.popen.pid} on {socket.gethostname()} since 20" in second.stderr
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
        is_one_whole_file(the)
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
    """As soon as the data directory is its own, a signal is a stop, at whichever moment of the start it comes."""
    async with field(tmp_path) as the:
        async with the.daemon() as daemon:
            await the.bind()
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
        lock = the.data_dir / "bottalk.lock"
        for after in (0.0, 0.03, 0.1):
            lock.unlink()
            log = tmp_path / f"start-{after}.log"
            with process("bottalk", "serve", env=the.environment(), errors=log) as starting:
                with trio.fail_after(PATIENCE_S):
                    while not lock.exists():  # noqa: ASYNC110 - another process, a local file
                        await trio.sleep(0.001)
                await trio.sleep(after)
                starting.signal(signal.SIGTERM)
                assert await starting.ended() == 0, log.read_text()
            assert "Traceback" not in log.read_text()
            is_one_whole_file(the)
        async with the.daemon() as daemon:
            daemon.signal(signal.SIGINT)
            assert await daemon.ended() == 0


async def test_sigterm_answers_everybody_who_waits_for_a_turn(tmp_path: Path) -> None:
    """Their turn, after the welcome, lies within their wait, and the stop is not held up by it."""
    async with field(tmp_path) as the:
        async with the.daemon({"DELIVERY_GAP": "15"}) as daemon:
            bound = await the.bind()
            answers: list[dict[str, Any]] = []

            async def push(number: int) -> None:
                answers.append(await the.push(bound, f"第 {number} 条", wait="20"))

            async with trio.open_nursery() as nursery:
                for number in range(5):
                    nursery.start_soon(push, number)
                await the.until(lambda: waiting(the), lambda found: found == 5)
                daemon.signal(signal.SIGTERM)
                signalled = time.monotonic()
            assert await daemon.ended() == 0
            assert time.monotonic() - signalled < 8
        assert [answer["message"] for answer in answers] == ["queued"] * 5
        assert [row["status"] for row in the.rows()] == ["queued"] * 5
        assert not any(row["maybe_duplicate"] for row in the.rows())


async def test_sigterm_during_a_drain(tmp_path: Path) -> None:
    """The message in hand is the last; what has not begun waits as it was, and goes once, in order, after the start."""
    gaps = {"DELIVERY_GAP": "0.4", "DELIVERY_GAP_LOW": "0", "DELIVERY_GAP_SCARCE": "0", "DELIVERY_LAST_HOLD": "0"}
    async with field(tmp_path) as the:
        async with the.daemon(gaps) as daemon:
            bound = await the.bind()
            while (await the.push(bound, "占位", wait="20"))["code"] == 0:
                pass
            kept = [f"留待回复 {number}" for number in range(6)]
            for title in kept:
                assert (await the.push(bound, title, desp="字" * 900))["data"]["reason"] == "context_expired"
            before = len(await the.texts(bound.user))
            await the.write(bound.user)
            await the.until(lambda: the.texts(bound.user), lambda texts: len(texts) > before)
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == 0
        sent = "\n".join((await the.texts(bound.user))[before:])
        rows = [row for row in the.rows() if row["title"] in kept]
        assert [row["status"] == "success" for row in rows] == [title in sent for title in kept]
        assert 0 < sum(row["status"] == "queued" for row in rows) < len(kept)
        assert not any(row["maybe_duplicate"] for row in rows)
        async with the.daemon(gaps):
            await the.until(lambda: waiting(the), lambda found: found == 0)
        drained = "\n".join((await the.texts(bound.user))[before:])
        places = [drained.index(title) for title in kept]
        assert places == sorted(places)
        assert all(drained.count(title) == 1 for title in kept)


async def test_sigterm_with_ilink_hanging(tmp_path: Path) -> None:
    """Polls are cut at once. A send in hand gets its ten seconds, then it may have arrived."""
    async with field(tmp_path) as the:
        async with the.daemon() as daemon:
            bound = await the.bind()
            await the.control("/faults", {"kind": "dead_ip", "seconds": 3600})
            took = await stopped(daemon)
            assert took < 8
        await the.client.delete(f"{the.upstream}/control/faults")
        await the.control("/faults", {"kind": "lost_answer", "endpoint": SENDS, "ending": "hang"})
        async with the.daemon() as daemon:
            await the.push(bound, "卡住", wait="0")
            await the.until(lambda: the.texts(bound.user), len)
            took = await stopped(daemon)
            assert 9 < took < 16
        (row,) = the.rows()
        assert (row["status"], row["maybe_duplicate"]) == ("queued", 1)
        is_one_whole_file(the)


async def test_a_stop_while_the_journal_cannot_write_says_what_will_repeat(tmp_path: Path) -> None:
    async with field(tmp_path) as the:
        full = the.data_dir / "disk-full"
        async with the.daemon(module=FULL_DISK) as daemon:
            bound = await the.bind()
            await the.control("/faults", {"kind": "delay", "endpoint": SENDS, "delay_s": 0.5, "when": "after"})
            await the.push(bound, "已送达，未记下", wait="0")
            await the.until(lambda: the.texts(bound.user), len)
            full.touch()
            await the.until(lambda: said(daemon, "journal.waiting"), len)
            assert (await the.push(bound, "不收"))["code"] == 50301
            daemon.signal(signal.SIGTERM)
            await the.until(lambda: said(daemon, "daemon.stopping"), len)
            daemon.signal(signal.SIGTERM)
            assert await daemon.ended() == CANNOT_WRITE
            assert "Traceback" not in daemon.errors.read_text()
            (lost,) = await said(daemon, "journal.lost")
            assert (lost["channel"], lost["rows"]) == (bound.channel_id, [row["id"] for row in the.rows("id")])
            assert "again" in lost["what_follows"]
            (unwritten,) = await said(daemon, "daemon.unwritten")
            assert "full" in unwritten["error"]
        full.unlink()
        async with the.daemon():
            await the.until(lambda: waiting(the), lambda found: found == 0)
        assert await the.texts(bound.user) == ["已送达，未记下"] * 2
        (row,) = the.rows()
        assert json.loads(row["response"])["maybe_duplicate"] is True


async def test_a_start_on_a_full_disk_is_refused_in_words(tmp_path: Path) -> None:
    async with field(tmp_path) as the:
        async with the.daemon() as daemon:
            await the.bind()
            assert await stopped(daemon) < 8
        (the.data_dir / "disk-full").touch()
        log = tmp_path / "full.log"
        with process(FULL_DISK, "serve", env=the.environment(), errors=log) as starting:
            assert await starting.ended() == CANNOT_OPEN
        assert str(the.data_dir / "bottalk.db") in log.read_text()
        assert "Traceback" not in log.read_text()


async def stopped(daemon: Process) -> float:
    """Seconds from a SIGTERM to an orderly end."""
    signalled = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert await daemon.ended() == 0, daemon.errors.read_text()[-3000:]
    return time.monotonic() - signalled


async def waiting(the: Field) -> int:
    return sum(row["status"] == "queued" for row in the.rows())


async def said(daemon: Process, event: str) -> list[dict[str, Any]]:
    """What it has logged under that name."""
    lines = [json.loads(line) for line in daemon.errors.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def is_one_whole_file(the: Field) -> None:
    """What was in the log is folded into the file."""
    assert not (the.data_dir / "bottalk.db-wal").exists()
    connection = sqlite3.connect(the.data_dir / "bottalk.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def refused(the: Field) -> bool:
    """Nobody listens any more where the daemon did."""
    try:
        httpx.get(f"{the.url}/healthz", trust_env=False)
    except httpx.ConnectError:
        return True
    return False
