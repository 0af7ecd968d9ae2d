"""`bottalk doctor`: before the first start, on a damaged database, and beside a running daemon."""

import json
import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from click.testing import CliRunner

from bottalk.cli import main
from bottalk.cli.exits import FAILED, OK
from bottalk.ops import data_dir
from tests.cli.commands import Ended, help_of, run
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
