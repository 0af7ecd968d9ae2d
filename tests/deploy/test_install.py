"""deploy/install.sh: below a scratch root, without root rights and without systemd."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.packages import source_of, wheel_of, wheelhouse
from tests.deploy.units import DEPLOY, UNITS
from tests.e2e.processes import Bound, Field, field

SCRIPT = DEPLOY / "install.sh"
COLUMN = "(lambda db: db.execute('ALTER TABLE users ADD COLUMN shoe_size INTEGER') and None, 1)"
OTHER_SCHEMA = "(lambda db: db.execute('ALTER TABLE users ADD COLUMN hat_size INTEGER') and None, 1000)"
TIGHT = {"DELIVERY_QUOTA": "1", "DELIVERY_LAST_HOLD": "0"}
"""One message for each word of the user, at once: the next text waits."""

DRILL_S = 900
"""Seconds of the real clock that a drill may take: it makes virtual environments, on a busy machine too."""


def install_sh(
    *words: str | Path, script: Path = SCRIPT, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    # compiling what it installs takes a minute that nobody here has a use for
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PIP_NO_COMPILE": "1"}
    return subprocess.run(
        [str(script), *map(str, words)],
        cwd="/",
        env=environ | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DRILL_S,
    )


# --- what it says ---


def test_shellcheck_finds_nothing() -> None:
    program = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([str(program), str(SCRIPT)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_its_help_names_every_command_and_option() -> None:
    done = install_sh("--help")
    assert (done.returncode, done.stderr) == (0, "")
    text = SCRIPT.read_text(encoding="utf-8")
    cases = text[text.index("parse() {") : text.index('parse "$@"')]
    options = set(re.findall(r"(--[a-z-]+)(?= \||\) )", cases)) - {"--help"}
    assert len(options) > 5
    for word in ("install", "upgrade", "rollback", "uninstall", *options):
        assert f"\n  {word}" in done.stdout, word


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "say what to do"),
        (("repair",), "unknown command repair"),
        (("install", "upgrade"), "one command"),
        (("install", "--force"), "unknown option --force"),
        (("install", "--root"), "--root needs a value"),
        (("install", "--purge", "--root", "/tmp/x"), "--purge belongs to uninstall"),
        (("install", "--prefix", "opt"), "--prefix must be"),
        (("install", "--prefix", "/opt/../etc"), "--prefix must be"),
        (("install", "--prefix", "/"), "--prefix must be"),
        (("uninstall", "--root", "/tmp/a b"), "--root must be"),
    ],
)
def test_wrong_usage_is_told(words: tuple[str, ...], why: str) -> None:
    done = install_sh(*words)
    assert done.returncode == 64
    assert why in done.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("install", "--wheel", "/nowhere.whl"), "there is no wheel /nowhere.whl"),
        (("install", "--python", "/bin/false"), "/bin/false is not there or older than 3.11"),
        (("upgrade",), "to upgrade: use install"),
        (("rollback",), "there is no version before"),
        (("uninstall",), "there is no BotTalk in"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    done = install_sh(*words, "--root", tmp_path)
    assert done.returncode == 1
    assert why in done.stderr


# --- what it does ---


@dataclass(slots=True)
class Machine:
    """A scratch root with BotTalk in it, and the daemon's data there."""

    root: Path
    wheels: Path

    def __call__(self, command: str, *words: str | Path, script: Path = SCRIPT) -> str:
        done = install_sh(command, "--root", self.root, *words, script=script)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def home(self) -> Path:
        return self.root / "opt" / "bottalk"

    @property
    def program(self) -> str:
        return str(self.home / "current" / "bin" / "bottalk")

    @property
    def data(self) -> Path:
        return self.root / "var" / "lib" / "bottalk"

    def venvs(self) -> set[str]:
        return {path.name for path in (self.home / "venvs").iterdir()}

    def version(self) -> str:
        done = subprocess.run(
            [str(self.root / "usr/local/bin/bottalk"), "--version"], capture_output=True, text=True, check=True
        )
        return done.stdout.split()[-1]

    def columns(self) -> set[str]:
        connection = sqlite3.connect(self.data / "bottalk.db")
        try:
            return {row[1] for row in connection.execute("PRAGMA table_info(users)")}
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Versions:
    """`later` adds a column, `other` is one whose database the others cannot read."""

    now: tuple[Path, Path]
    later: tuple[Path, Path]
    other: tuple[Path, Path]
    wheels: Path


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    def of(name: str, version: str | None = None, step: str | None = None) -> tuple[Path, Path]:
        """The script that lies in its source, and its wheel."""
        source = source_of(tmp_path / "sources" / name, version=version, step=step)
        return source / "deploy" / "install.sh", wheel_of(source, tmp_path / "wheels" / name)

    now = of("now", "1.0.0")
    return Versions(
        now,
        of("later", "1.1.0", COLUMN),
        of("other", "2.0.0", f"{COLUMN},\n    {OTHER_SCHEMA}"),
        wheelhouse(now[1], tmp_path / "house"),
    )


@pytest.mark.slow
@pytest.mark.timeout(DRILL_S)
async def test_up_back_up_again_and_away_with_pushes_waiting(tmp_path: Path, versions: Versions) -> None:
    machine = Machine(tmp_path / "root", versions.wheels)
    async with field(tmp_path) as the:
        the.data_dir = machine.data
        # from its source, as who has cloned it does
        says = machine("install", "--wheels", versions.wheels, script=versions.now[0])
        assert f"{machine.program} serve" in says, "how to start it"
        the_root_is_complete(machine)
        bound = await first_run(machine, the)

        settings = machine.root / "etc/bottalk/bottalk.toml"
        settings.write_text(settings.read_text() + "# mine\n")
        before = machine.venvs()
        assert "installed already" in install(machine, versions, "install", versions.now)
        assert machine.venvs() == before

        await upgraded(machine, versions, the, bound)
        assert settings.read_text().endswith("# mine\n")
        await rolled_back(machine, the, bound)
        await forward_and_stuck(machine, versions, the, bound)
        removed(machine)


def install(machine: Machine, versions: Versions, command: str, version: tuple[Path, Path]) -> str:
    script, wheel = version
    return machine(command, "--wheel", wheel, "--wheels", versions.wheels, script=script)


def the_root_is_complete(machine: Machine) -> None:
    assert machine.version() == "1.0.0"
    assert machine.data.stat().st_mode & 0o777 == 0o700
    assert (machine.root / "etc/bottalk/bottalk.toml").stat().st_mode & 0o777 == 0o640
    for unit in UNITS:
        text = (machine.root / "etc/systemd/system" / unit.name).read_text()
        assert " /opt/bottalk" not in text, "it names this root's files"
        assert f"ExecStart={machine.program} " in text or unit.suffix == ".timer"


async def first_run(machine: Machine, the: Field) -> Bound:
    """Somebody is bound and welcomed; with that the window is used up, and a text waits."""
    async with the.daemon(TIGHT, program=machine.program) as daemon:
        bound = await the.bind()
        await waits(the, bound, "第一条")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    return bound


async def waits(the: Field, bound: Bound, title: str) -> None:
    answer = await the.push(bound, title)
    assert answer["data"]["results"][0]["queued"], answer


async def upgraded(machine: Machine, versions: Versions, the: Field, bound: Bound) -> None:
    """While the old one runs; it goes on until it is restarted."""
    async with the.daemon(TIGHT, program=machine.program) as daemon:
        says = install(machine, versions, "upgrade", versions.later)
        assert f"(process {daemon.popen.pid}) is still the old one" in says
        assert len(list((machine.data / "backups").glob("*.db"))) == 1
        await waits(the, bound, "换版之间")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert machine.version() == "1.1.0"
    assert len(machine.venvs()) == 2
    async with the.daemon(TIGHT, program=machine.program) as daemon:
        await waits(the, bound, "版本二")
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert "shoe_size" in machine.columns()
    assert len(list(machine.data.glob("bottalk.db.before-*"))) == 1


async def rolled_back(machine: Machine, the: Field, bound: Bound) -> None:
    """By the script that was put in place. The old version works with the new file, and sends what both accepted."""
    assert "1.0.0 is back" in machine("rollback", script=machine.home / "install.sh")
    assert machine.version() == "1.0.0"
    async with the.daemon(TIGHT, program=machine.program) as daemon:
        await waits(the, bound, "退回之后")
        await the.write(bound.user)
        (text,) = await the.until(lambda: the.texts(bound.user), len)
        places = [text.find(title) for title in ("第一条", "换版之间", "版本二", "退回之后")]
        assert -1 not in places
        assert places == sorted(places), "in the order of their acceptance"
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert [row["status"] for row in the.rows()] == ["success"] * 4
    assert "shoe_size" in machine.columns()


async def forward_and_stuck(machine: Machine, versions: Versions, the: Field, bound: Bound) -> None:
    """A version whose database the one before cannot read: the way back is refused, nothing is changed."""
    install(machine, versions, "upgrade", versions.other)
    assert machine.version() == "2.0.0"
    async with the.daemon(program=machine.program) as daemon:
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    done = install_sh("rollback", "--root", machine.root)
    assert done.returncode == 1
    assert "written by a newer version" in done.stderr
    assert "nothing was changed" in done.stderr
    assert "bottalk.db.before-" in done.stderr
    assert machine.version() == "2.0.0"
    script, wheel = versions.now
    done = install_sh("upgrade", "--root", machine.root, "--wheel", wheel, "--wheels", versions.wheels, script=script)
    assert done.returncode == 1
    assert "cannot work with what is here; nothing was changed" in done.stderr
    assert (machine.version(), len(machine.venvs())) == ("2.0.0", 2)
    async with the.daemon(program=machine.program):
        done = install_sh("uninstall", "--root", machine.root)
        assert done.returncode == 1
        assert "stop it first" in done.stderr


def removed(machine: Machine) -> None:
    machine("uninstall", script=machine.home / "install.sh")
    left = files(machine)
    assert not [path for path in left if not path.startswith(("etc/bottalk/", "var/lib/bottalk/"))]
    assert {"etc/bottalk/bottalk.toml", "var/lib/bottalk/bottalk.db"} <= left
    machine("uninstall", "--purge")
    assert files(machine) == set()


def files(machine: Machine) -> set[str]:
    """All below the root, but for the log that this test keeps beside the data."""
    found = {path.relative_to(machine.root).as_posix() for path in machine.root.rglob("*") if path.is_file()}
    return found - {"var/lib/bottalk.log"}


@pytest.mark.slow
@pytest.mark.timeout(DRILL_S)
def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root", tmp_path / "empty")
    machine.wheels.mkdir()
    wheel = wheel_of(source_of(tmp_path / "source"), tmp_path / "wheel")
    done = install_sh("install", "--root", machine.root, "--wheel", wheel, "--wheels", machine.wheels)
    assert done.returncode == 1
    assert "the packages could not be installed" in done.stderr
    assert machine.venvs() == set()
    assert not (machine.home / "current").is_symlink()
