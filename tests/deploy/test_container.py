"""Dockerfile, .dockerignore and compose.yaml, held against the code: no engine is needed to see what they name."""

import json
import os
import re
import shlex
import shutil
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from bottalk.config import Config, load, table
from tests.deploy.packages import wheel_of
from tests.deploy.units import ROOT
from tests.e2e.processes import field
from tests.test_docs import STOPS, accepted_by_cli

PYTHONS_OWN = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER"}
KNOWN = {name for setting in table() for name in (setting.env, setting.rule.plain_env) if name}


def statements() -> list[tuple[str, str]]:
    """The Dockerfile's, each its name and the rest, with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def said(name: str) -> list[str]:
    return [rest for each, rest in statements() if each == name]


def copied() -> list[tuple[str, str]]:
    """What is copied from the build context, and to where."""
    found = []
    for rest in said("COPY"):
        if not rest.startswith("--from="):
            *sources, target = shlex.split(rest)
            found += [(source, target) for source in sources]
    return found


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for rest in said("ENV") for word in shlex.split(rest))


def service() -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["bottalk"]


def stays(path: str) -> bool:
    """Whether .dockerignore lets a path into the build context: the last pattern that fits decides."""
    is_in = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not pattern.startswith("#"):
            above = {path, *map(str, Path(path).parents)}
            if any(fnmatch(one, pattern) or fnmatch(one, pattern.removeprefix("**/")) for one in above - {"."}):
                is_in = line.startswith("!")
    return is_in


def test_the_image_is_built_from_what_there_is() -> None:
    assert copied()
    for source, _ in copied():
        assert (ROOT / source).exists(), source
        assert stays(source), f".dockerignore leaves out {source}"
    for name in ("data/bottalk.db", ".git/HEAD", ".venv/bin/python", "tests/test_docs.py", "bottalk/__pycache__/x.pyc"):
        assert not stays(name), name


def test_what_is_copied_is_enough_to_build_the_package(tmp_path: Path) -> None:
    source = tmp_path / "src"
    for name, target in copied():
        place = source / target.rstrip("/") / (name if target.endswith("/") else "")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place)
    assert wheel_of(source, tmp_path / "wheel").stat().st_size > 100_000


def test_its_python_is_one_that_is_supported() -> None:
    (default,) = said("ARG")
    version = re.match(r"PYTHON=(3\.\d+)-slim", default)
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = project["requires-python"].removeprefix(">=")
    assert tuple(map(int, version[1].split("."))) >= tuple(map(int, least.split(".")))


def test_it_listens_to_the_outside_on_the_port_it_names_and_keeps_its_data_in_the_volume() -> None:
    settings = {name: value for name, value in environment().items() if name not in PYTHONS_OWN}
    assert set(settings) <= KNOWN
    config = load(environ=settings)
    assert config.host == "0.0.0.0"
    assert said("EXPOSE") == [str(config.port)] == [str(Config().port)]
    assert said("VOLUME") == [config.data_dir] == said("WORKDIR")[-1:]


def test_it_runs_as_an_account_of_its_own_that_owns_the_data() -> None:
    (user,) = said("USER")
    (made,) = [rest for rest in said("RUN") if "useradd" in rest]
    assert re.search(rf"useradd .*--uid [1-9]\d+ .* {user} ", made)
    assert re.search(rf"install -d -m 700 -o {user} -g {user} {said('VOLUME')[0]}$", made)
    names = [name for name, _ in statements()]
    assert names.index("USER") > len(names) - 1 - names[::-1].index("COPY"), "what is copied is root's, and stays as is"


def test_it_starts_the_daemon_and_stops_it_in_order() -> None:
    words: list[str] = [*json.loads(said("ENTRYPOINT")[0]), *json.loads(said("CMD")[0])]
    assert words == ["bottalk", "serve"]
    accepted_by_cli(words[1:])
    assert said("STOPSIGNAL") == ["SIGTERM"]


@pytest.mark.parametrize("names", [("PORT",), ("BOTTALK_PORT", "PORT")])
async def test_the_health_check_is_well_while_the_daemon_answers(names: tuple[str, ...], tmp_path: Path) -> None:
    """By the name that counts, as for the daemon: the image itself sets the other."""
    (check,) = said("HEALTHCHECK")
    words = json.loads(check[check.index("CMD") + 3 :])
    assert words[0] == "python"
    async with field(tmp_path) as the, the.daemon() as daemon:

        async def code() -> int:
            port = the.url.rpartition(":")[2]
            ports = dict(zip(names, (port, "9"), strict=False))
            environ = os.environ | ports | {"http_proxy": "http://127.0.0.1:9"}
            command = [sys.executable, *words[1:]]
            return (await trio.run_process(command, env=environ, check=False, capture_stderr=True)).returncode

        assert await code() == 0
        await daemon.kill()
        assert await code() == 1


# --- compose.yaml ---


def test_the_service_names_what_the_image_has() -> None:
    found, config = service(), load(environ={k: v for k, v in environment().items() if k not in PYTHONS_OWN})
    assert (ROOT / found["build"] / "Dockerfile").exists()
    assert set(found["environment"]) <= KNOWN
    load(environ={name: str(value) for name, value in found["environment"].items()})
    assert found["ports"] == [f"127.0.0.1:{config.port}:{config.port}"], "to others, a proxy with HTTPS opens it"
    (volume,) = found["volumes"]
    name, target = volume.split(":")
    assert target == config.data_dir
    assert name in yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["volumes"]


def test_the_service_can_write_its_data_and_nothing_else_and_has_time_to_stop() -> None:
    found = service()
    assert found["read_only"] is True
    assert found["tmpfs"] == ["/tmp"]
    assert found["cap_drop"] == ["ALL"]
    assert float(found["stop_grace_period"].removesuffix("s")) > sum(STOPS.values())
    assert found["restart"] == "unless-stopped"


def test_the_commands_it_shows_are_accepted() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    (line,) = re.findall(r"^# docker compose exec bottalk bottalk (.*)$", text, flags=re.M)
    accepted_by_cli(shlex.split(line))
