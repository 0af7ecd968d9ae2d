"""`bottalk status`: a running daemon's account of itself; without one it says so."""

import json
import os
import signal
from pathlib import Path

import pytest

from bottalk.cli.exits import CANNOT_OPEN, OK, UNAVAILABLE
from bottalk.cli.status import length, size
from bottalk.ops import data_dir
from tests.cli.commands import bottalk, help_of, here
from tests.e2e.processes import field, process


async def test_what_people_and_programs_are_told(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon({"DELIVERY_GAP": "0"}) as daemon:
        bound = await stage.bind()
        await stage.push(bound, "secret words")
        code = (await stage.post("/api/channels/qrcode"))["data"]["qrcode"]
        user = (await stage.control("/users"))["user"]
        await stage.scan(code, user)
        await stage.until(lambda: stage.data(f"/api/channels/bind-status/{code}"), lambda found: "id" in found)
        shown = await bottalk("status", data_dir=stage.data_dir)
        assert (shown.code, shown.err) == (OK, "")
        assert f"process {daemon.popen.pid}: yellow, up " in shown.out
        assert "Channels  2: 1 green, 1 yellow, 0 red (1 pending)" in shown.out
        actors = [line.split()[0] for line in shown.out.splitlines() if " running " in line]
        assert (actors[0], actors[-1]) == ("journal", "watchdog")
        assert "请在微信里给机器人发任意一条消息" in shown.out.splitlines()[-1]
        found = (await bottalk("status", "--json", data_dir=stage.data_dir)).json
        assert [one["reason"] for one in found["status"]["channels"]] == ["pending"]
        assert found["process"] == daemon.popen.pid
        assert not any(secret in shown.out + json.dumps(found) for secret in (bound.send_key, "secret words"))
        await watched(stage.data_dir, tmp_path)
    gone = await bottalk("status", data_dir=stage.data_dir)
    assert (gone.code, gone.out) == (UNAVAILABLE, "")
    assert "no daemon runs" in gone.err


async def watched(directory: Path, tmp_path: Path) -> None:
    """A watch shows it again and again, until Ctrl-C ends it in order."""
    words = ("status", "--watch", "0.1", "--json", "--data-dir", str(directory))
    with process("bottalk", *words, errors=tmp_path / "watch.log") as watch:
        for _ in range(2):
            assert json.loads("{" + await watch.line("{"))["status"]["version"]
        watch.signal(signal.SIGINT)
        assert await watch.ended() == OK


def test_without_a_daemon_nothing_is_made(tmp_path: Path) -> None:
    done = here("status", data_dir=tmp_path / "data")
    assert (done.exit_code, done.stdout) == (UNAVAILABLE, "")
    assert list(tmp_path.iterdir()) == []


def test_one_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with data_dir.locked(tmp_path / "data"):
        done = here("status", data_dir=tmp_path / "data")
    assert done.exit_code == UNAVAILABLE
    assert f"process {os.getpid()}) holds" in done.stderr


def test_a_directory_that_may_not_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    done = here("status", data_dir=tmp_path / "data")
    assert done.exit_code == CANNOT_OPEN
    assert "cannot be looked into" in done.stderr


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h 0 min"), (90061, "1 d 1 h")]
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert length(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**42, "4096.0 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_help_has_an_example_and_every_exit_code() -> None:
    text = help_of("status")
    assert "bottalk status --watch 5" in text
    assert all(f"  {code} " in text for code in (0, 1, 2, 69, 73, 78))
