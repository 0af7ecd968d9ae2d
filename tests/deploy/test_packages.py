"""What is published: sdist and wheel hold what they need and nothing else, and the wheel runs where nothing else is."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from bottalk import __version__
from tests.deploy.packages import sdist_of, wheel_of, wheelhouse
from tests.deploy.units import ROOT

CODE = ("bottalk", "supervisors")
BESIDE = {"PKG-INFO", "pyproject.toml", ".gitignore"}
"""What a builder needs, and puts there unasked."""

DRILL_S = 900
"""Seconds of the real clock: packages are fetched and installed, on a busy machine too."""


def files_of(*names: str) -> set[str]:
    """The files of these directories of the source, and these files."""
    found: set[str] = set()
    for name in names:
        path = ROOT / name.removeprefix("/")
        below = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        assert below, f"there is no {name}"
        found |= {one.relative_to(ROOT).as_posix() for one in below if "__pycache__" not in one.parts}
    return found


def included() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[str] = settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    return found


def unpacked(archive: Path, target: Path) -> Path:
    """The one directory that an sdist holds."""
    with tarfile.open(archive) as found:
        found.extractall(target, filter="data")
    (directory,) = target.iterdir()
    return directory


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as found:
        return {name for name in found.namelist() if ".dist-info/" not in name}


def links(page: Path) -> Iterator[str]:
    """Where a page's links lead to, beside itself."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def test_the_sdist_holds_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    source = unpacked(sdist_of(ROOT, tmp_path / "dist"), tmp_path / "source")
    assert source.name == f"bottalk-{__version__}"
    found = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    assert found == files_of(*included()) | BESIDE
    assert not [name for name in found if PurePosixPath(name).suffix in (".db", ".pyc", ".log")]
    assert os.access(source / "deploy" / "install.sh", os.X_OK)
    for page in source.rglob("*.md"):
        lost = [target for target in links(page) if not (page.parent / target).exists()]
        assert not lost, f"{page.relative_to(source)} leads to what is not there"


def test_the_wheel_is_the_same_from_the_sdist_and_holds_pages_and_types(tmp_path: Path) -> None:
    source = unpacked(sdist_of(ROOT, tmp_path / "dist"), tmp_path / "source")
    wheel = wheel_of(source, tmp_path / "wheel")
    assert names_in(wheel) == names_in(wheel_of(ROOT, tmp_path / "here")) == files_of(*CODE)
    assert {"bottalk/py.typed", "bottalk/console/templates/first_page.html"} <= names_in(wheel)


@pytest.mark.slow
@pytest.mark.timeout(DRILL_S)
def test_the_wheel_runs_the_demo_where_nothing_else_is(tmp_path: Path) -> None:
    """In a venv of its own, away from this source, with what the wheel asks for and no more."""
    wheel = wheel_of(unpacked(sdist_of(ROOT, tmp_path / "dist"), tmp_path / "source"), tmp_path / "wheel")
    house = wheelhouse(wheel, tmp_path / "house")
    place, empty = tmp_path / "clean", tmp_path / "empty"
    empty.mkdir()

    def ran(*command: str | Path) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=empty,
            env={"PATH": os.defpath, "HOME": str(empty), "LANG": "C.UTF-8", "PIP_NO_COMPILE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DRILL_S,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stdout} {done.stderr}"
        return done.stdout

    ran(sys.executable, "-m", "venv", place)
    pip = (place / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
    ran(*pip, "install", "--no-index", "--find-links", house, wheel)
    ran(*pip, "check")
    for name in CODE:
        where = ran(place / "bin" / "python", "-c", f"import {name}; print({name}.__file__)")
        assert Path(where).is_relative_to(place), "what runs is what was installed"
    assert ran(place / "bin" / "bottalk", "--version").split()[-1] == __version__
    shown = ran(place / "bin" / "bottalk", "demo", "--once")
    assert re.search(r"pushed: code 0, ", shown)
    assert re.search(r"on the phone: BotTalk / 第一条推送", shown.splitlines()[-1])
    assert not list(empty.glob("*.db")), "the data is temporary"
