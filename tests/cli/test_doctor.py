"""`bottalk doctor`: before the first start, on a damaged database, and beside a running daemon."""

import json
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from bottalk.cli import main
from bottalk.cli.exits import FAILED, OK
from bottalk.ops import data_dir
from tests.cli.commands import ROOT, Ended, help_of, run
from tests.cli.test_admin import KEYS, seeded
from tests.e2e.processes import field

NOBODY = {"BOTTALK_ILINK_BASE_URL": "http://127.0.0.1:1", "BOTTALK_DEMO": "1", "BOTTALK_PORT": "0"}


def doctor(directory: Path, *words: str, **settings: str) -> tuple[int, dict[str, dict[str, str]]]:
    """In this process, with an iLink that is not there: the exit code, and the findings by name."""
    environ: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BOTTALK_")}
    asked = ["doctor", "--json", "--data-dir", str(directory), *words]
    done = CliRunner().invoke(main, asked, env=environ | NOBODY | settings)
    return done.exit_code, {one["name"]: one for one in json.loads(done.stdout)}


def grades(found: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    return {grade: sorted(n for n, one in found.items() if one["grade"] == grade) for grade in ("warn", "fail")}


def test_before_the_first_start_nothing_is_made(tmp_path: Path) -> None:
    code, found = doctor(tmp_path / "data")
    assert grades(found) == {"warn": [], "fail": ["ilink"]}
    assert code == FAILED
    assert "refused" in found["ilink"]["found"]
    assert len(found) == 15
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_others_can_read_and_one_that_is_damaged(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory:
        _, found = doctor(directory)
        assert found["database"]["grade"] == "ok"
        assert grades(found) == {"warn": ["backups"], "fail": ["ilink"]}
        directory.chmod(0o755)
        assert str(directory) in doctor(directory)[1]["permissions"]["found"]
        path = directory / "bottalk.db"
        path.write_bytes(path.read_bytes()[:8192] + b"junk" * 1024 + path.read_bytes()[12288:])
        _, found = doctor(directory)
        assert found["database"]["grade"] == "fail"
        assert "restore" in found["database"]["advice"]


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    with seeded(tmp_path / "data") as directory, closing(sqlite3.connect(directory / "bottalk.db")) as connection:
        connection.execute("UPDATE users SET created_at = 9e9")
        connection.commit()
        assert doctor(directory)[1]["clock"]["grade"] == "fail"


def test_wrong_settings_and_secrets_in_a_file_for_all(tmp_path: Path) -> None:
    code, found = doctor(tmp_path / "data", BOTTALK_RATE_LIMIT="many")
    assert (code, list(found)) == (FAILED, ["settings"])
    assert "BOTTALK_RATE_LIMIT" in found["settings"]["found"]
    file = tmp_path / "bottalk.toml"
    file.write_text('monitor_token = "a-secret-word"\n')
    file.chmod(0o644)
    _, found = doctor(tmp_path / "data", "--config", str(file))
    assert found["settings"]["grade"] == "warn"
    assert "a-secret-word" not in json.dumps(found)


def test_a_port_that_is_taken_and_a_daemon_that_is_stuck(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        assert doctor(tmp_path / "data", BOTTALK_PORT=taken)[1]["port"]["grade"] == "fail"
    with data_dir.locked(tmp_path / "data"):
        _, found = doctor(tmp_path / "data")
    assert found["daemon"]["grade"] == "fail"
    assert str(os.getpid()) in found["daemon"]["found"]


@pytest.mark.parametrize(
    ("settings", "name", "grade", "words"),
    [
        ({"HOST": "0.0.0.0"}, "address", "warn", "BASE_URL"),
        ({"BASE_URL": "http://push.example.org"}, "address", "warn", "HTTPS"),
        ({"BASE_URL": "https://push.example.org"}, "reverse proxy", "warn", "TRUSTED_PROXIES"),
        (
            {"ILINK_BASE_URL": "http://ilink.invalid", "PROXY": "ftp://127.0.0.1:1"},
            "proxies",
            "fail",
            "ftp://127.0.0.1:1",
        ),
    ],
)
def test_an_address_or_a_proxy_that_does_not_fit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    name: str,
    grade: str,
    words: str,
) -> None:
    for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    if "PROXY" in settings:
        monkeypatch.setenv("http_proxy", settings["PROXY"])
    named = {f"BOTTALK_{one}": text for one, text in settings.items() if one != "PROXY"}
    _, found = doctor(tmp_path / "data", **named)
    assert found[name]["grade"] == grade, found[name]
    assert words in found[name]["found"] + found[name]["advice"]


def test_a_data_directory_that_cannot_be_made_and_a_disk_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    code, found = doctor(tmp_path / "file" / "data")
    assert (code, found["data directory"]["grade"]) == (FAILED, "fail")
    assert "DATA_DIR" in found["data directory"]["advice"]
    monkeypatch.setattr("bottalk.ops.probes.free_bytes", lambda directory: 10 * 2**20)
    _, found = doctor(tmp_path / "data")
    assert (found["disk"]["grade"], found["disk"]["found"][:6]) == ("fail", "10 MiB")


async def test_too_few_open_files_for_the_channels(tmp_path: Path) -> None:
    """The daemon's own limit, which it has raised to the hard one."""
    async with field(tmp_path) as stage:
        few = tmp_path / "few"
        few.write_text(f'#!/bin/sh\nulimit -n 120\nexec {sys.executable} -m bottalk "$@"\n')
        few.chmod(0o700)
        async with stage.daemon(program=str(few), environ={"PYTHONPATH": str(ROOT)}):
            await stage.bind()
            done = await run("doctor", "--json", env=stage.environment())
            found = {one["name"]: one for one in done.json}
            assert (done.code, found["open files"]["grade"]) == (OK, "warn")
            assert found["open files"]["found"] == "120 may be open; 1 channels take up to 258"
            assert "LimitNOFILE=65536" in found["open files"]["advice"]


async def test_a_daemon_with_a_dead_channel(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon():
        bound = await stage.bind()

        async def asked() -> tuple[int, dict[str, dict[str, str]]]:
            done = await run("doctor", "--json", env=stage.environment())
            return done.code, {one["name"]: one for one in done.json}

        await stage.control(f"/users/{bound.user}/switch/expire", {})
        code, found = await stage.until(asked, lambda it: it[1]["daemon"]["grade"] == "warn")
        assert code == OK
        assert "1 channels, 1 red" in found["daemon"]["found"]
        assert "bottalk status" in found["daemon"]["advice"]


async def test_beside_a_running_daemon(tmp_path: Path) -> None:
    async with field(tmp_path) as stage, stage.daemon() as daemon:
        bound = await stage.bind()
        environ = stage.environment()

        async def asked(*words: str) -> Ended:
            return await run("doctor", *words, env=environ)

        done = await asked()
        assert (done.code, done.err) == (OK, "")
        assert done.out.endswith("15 ok, 0 to look at, 0 failed\n")
        assert f"daemon: process {daemon.popen.pid}, " in done.out
        await stage.client.get(stage.url + "/api/config", headers={"X-Forwarded-For": "203.0.113.7"})
        done = await asked()
        assert done.code == OK
        assert "127.0.0.1 speaks for others and is not believed" in done.out
        assert bound.send_key not in done.out


def test_help_says_what_is_looked_at() -> None:
    text = " ".join(help_of("doctor").split())
    for word in ("Nothing is changed", "backups", "Exit codes", "Examples"):
        assert word in text
    assert not any(key in text for key in KEYS.values())
