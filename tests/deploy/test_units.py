"""deploy/*.service and *.timer: what they run exists, a stop has its time, systemd finds nothing wrong with them."""

import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from bottalk.cli.exits import CONFIG
from bottalk.config import load
from tests.deploy.units import DEPLOY, ROOT, SERVICES, UNITS, environment, parsed
from tests.e2e.processes import Field, field, process_of
from tests.support.manager import ears
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


def command_of(service: Path, place: Path, the: Field, **given: str) -> list[str]:
    """What systemd would run, by this source's program, with the files of the unit below `place`.

    It inherits nothing; `given` is what systemd tells a service of its own, and the rest stands in the unit or, as the
    address of a sandbox, in its EnvironmentFile.
    """
    section = parsed(service)["Service"]
    words = [word.replace("/etc/", f"{place}/etc/") for word in shlex.split(section["ExecStart"])[1:]]
    own = {name: value.replace("%S", f"{place}/var/lib") for name, value in environment(service).items()}
    file = {name: value for name, value in the.environment().items() if name != "BOTTALK_DATA_DIR"}
    told = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "bottalk"} | own | file | given
    assignments = [f"{name}={value}" for name, value in told.items()]
    start = f'umask {section["UMask"]}; exec "$@"'
    return ["env", "-i", *assignments, "/bin/sh", "-c", start, "sh", sys.executable, "-m", "bottalk", *words]


async def test_the_commands_run_in_the_environment_that_the_units_give_them(tmp_path: Path) -> None:
    daemon_unit, backup_unit = SERVICES
    state, settings = tmp_path / "var/lib/bottalk", tmp_path / "etc/bottalk/bottalk.toml"
    state.mkdir(mode=0o700, parents=True)
    settings.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "config/bottalk.toml", settings)
    with ears(str(tmp_path / "notify")) as systemd:

        async def heard() -> list[str]:
            systemd.listen()
            return [line for message in systemd.heard for line in message.split("\n")]

        async with field(tmp_path) as the:
            the.data_dir = state
            wanted = float(parsed(daemon_unit)["Service"]["WatchdogSec"])
            told = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": f"{wanted * 1e6:.0f}"}
            command = command_of(daemon_unit, tmp_path, the, **told)
            with process_of(command, errors=tmp_path / "daemon.log") as daemon:
                the.url = await daemon.line("BotTalk listens on ")
                bound = await the.bind()
                assert (await the.push(bound, "x"))["code"] == 0
                reload = parsed(daemon_unit)["Service"]["ExecReload"].replace("$MAINPID", str(daemon.popen.pid))
                await trio.run_process(shlex.split(reload))
                await the.until(heard, lambda lines: lines.count("READY=1") == 2)
                with process_of(command_of(backup_unit, tmp_path, the), errors=tmp_path / "backup.log") as backup:
                    assert await backup.ended() == 0, (tmp_path / "backup.log").read_text()
                daemon.signal(signal.SIGTERM)
                assert await daemon.ended() == 0
            assert {"RELOADING=1", "STOPPING=1"} < set(await heard())
    made = {path.relative_to(state).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in state.rglob("*")}
    assert len([name for name in made if re.fullmatch(r"backups/bottalk-\d{8}-\d{6}\.db", name)]) == 1
    assert made["bottalk.db"] == 0o600
    assert {name: mode for name, mode in made.items() if mode & 0o077} == {}
