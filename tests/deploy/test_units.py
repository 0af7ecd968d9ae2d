"""deploy/*.service and *.timer: what they run exists, a stop has its time, systemd finds nothing wrong with them."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from bottalk.cli.exits import CONFIG
from bottalk.config import load
from tests.deploy.units import DEPLOY, SERVICES, UNITS, environment, parsed
from tests.test_docs import STOPS, accepted_by_cli

MOST_EXPOSED = 1.5
"""Of 10 in `systemd-analyze security`. What is left is the network, which a push service needs."""


@pytest.fixture
def systemd_analyze() -> str:
    """Without it the units are not checked: on a machine of one's own that is a skip, in CI a failure."""
    program = shutil.which("systemd-analyze")
    if program is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing: apt-get install systemd"
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    return program


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_unit_runs_what_there_is_with_the_settings_that_are_installed(service: Path) -> None:
    section = parsed(service)["Service"]
    program, *words = shlex.split(section["ExecStart"])
    assert program == "/opt/bottalk/current/bin/bottalk"
    accepted_by_cli(words)
    assert words[words.index("--config") + 1] == "/etc/bottalk/bottalk.toml"
    assert load(environ=environment(service)).data_dir == f"%S/{section['StateDirectory']}"
    assert (section["User"], section["UMask"], section["StateDirectoryMode"]) == ("bottalk", "0077", "0700")


def test_the_daemon_is_told_about_and_watched() -> None:
    section = parsed(DEPLOY / "bottalk.service")["Service"]
    assert (section["Type"], section["NotifyAccess"]) == ("notify", "main")
    stop = sum(STOPS.values())
    assert stop < float(section["WatchdogSec"]), "the last sign of life comes with STOPPING=1"
    assert stop < float(section["TimeoutStopSec"])
    assert f"at most {stop:g} s" in (DEPLOY / "bottalk.service").read_text(encoding="utf-8")
    assert section["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert section["Restart"] == "on-failure"
    assert section["RestartPreventExitStatus"] == str(CONFIG), "a wrong setting is wrong the next time too"


def test_the_timer_starts_the_backup() -> None:
    assert (DEPLOY / "bottalk-backup.timer").with_suffix(".service") in SERVICES
    comment = (DEPLOY / "bottalk-backup.service").read_text(encoding="utf-8")
    (elsewhere,) = re.findall(r"^#   ExecStart=(/.*)$", comment, flags=re.M)
    accepted_by_cli(shlex.split(elsewhere)[1:])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_it(unit: Path, tmp_path: Path, systemd_analyze: str) -> None:
    for path in UNITS:
        text = path.read_text(encoding="utf-8")
        runnable = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M)
        (tmp_path / path.name).write_text(runnable, encoding="utf-8")
    done = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_a_unit_is_exposed_to_little(service: Path, systemd_analyze: str) -> None:
    done = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", str(service)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(level) <= MOST_EXPOSED, done.stdout
