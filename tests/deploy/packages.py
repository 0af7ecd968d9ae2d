"""Packages of BotTalk as it is here, and as a later version would be, with the wheels of what they need."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.units import ROOT

NEEDED = ("bottalk", "supervisors", "pyproject.toml", "README.md", "LICENSE", "requirements.lock", "config", "deploy")


def source_of(target: Path, *, version: str | None = None, step: str | None = None) -> Path:
    """A copy of the source in `target`; as that version, and with one more schema step (a tuple of the STEPS)."""
    target.mkdir(parents=True)
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, target / name)
    if version is not None:
        edit(target / "pyproject.toml", r'^version = "[^"]*"$', f'version = "{version}"')
        edit(target / "bottalk" / "__init__.py", r'^__version__ = "[^"]*"$', f'__version__ = "{version}"')
    if step is not None:
        migrations = target / "bottalk" / "store" / "migrations.py"
        edit(migrations, r"^STEPS: (.*?)^\)$", rf"STEPS: \1    {step},\n)")
    return target


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert count == 1, (path, pattern)
    path.write_text(text, encoding="utf-8")


def wheel_of(source: Path, target: Path) -> Path:
    """Built as PyPI's would be, without the network."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target), cwd=source)
    (wheel,) = target.glob("bottalk-*.whl")
    return wheel


def sdist_of(source: Path, target: Path) -> Path:
    """The archive that is published beside the wheel."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(target), cwd=source)
    (archive,) = target.glob("bottalk-*.tar.gz")
    return archive


def wheelhouse(wheel: Path, target: Path) -> Path:
    """A directory with the wheels of all that `wheel` needs, in the locked versions, and of what builds it."""
    lock = str(ROOT / "requirements.lock")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
    run(*pip, "wheel", "--constraint", lock, "--wheel-dir", str(target), str(wheel), "hatchling")
    next(target.glob("bottalk-*.whl")).unlink()
    return target


def run(*command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
