"""What the pages say is true: the READMEs' commands, tables and links, the architecture's paths, the systemd unit."""

import configparser
import json
import random
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from bottalk.cli import main
from bottalk.cli.exits import CONFIG
from bottalk.config import load, table
from bottalk.daemon import BINDINGS_STOP_S, CHANNELS_STOP_S, HTTP_STOP_S, JOURNAL_STOP_S, Daemon, open_daemon
from bottalk.errors import ALL_FAILED, Refusal
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.server import serve
from bottalk.values import ChannelStatus

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.en.md")
PAGES = (*READMES, "docs/architecture.md", "data/README.md")
UNIT = ROOT / "deploy" / "bottalk.service"


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, kind: str) -> list[str]:
    """The fenced blocks of that kind: `bash` speaks to a running daemon, `sh` starts things."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page(name), flags=re.M | re.S)


def accepted_by_cli(words: list[str]) -> None:
    """Raises click.UsageError for a command, option or argument that `bottalk` does not know."""
    command = main.commands[words[0]]
    with command.make_context(words[0], words[1:]):
        pass


# --- both languages say the same ---


@pytest.mark.parametrize("shape", [r"^#+ ", r"^- ", r"^\|"], ids=["headings", "list items", "table rows"])
def test_both_readmes_have_the_same_shape(shape: str) -> None:
    first, second = ([m.group() for m in re.finditer(shape, page(name), flags=re.M)] for name in READMES)
    assert first == second


def test_both_readmes_have_the_same_code_blocks() -> None:
    first, second = (re.findall(r"^```.*?^```$", page(name), flags=re.M | re.S) for name in READMES)
    assert first == second
    assert len(first) > 5


# --- what is named exists ---


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", page(name)) if "://" not in link]
    assert [link for link in links if not ((ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_file_named_exists(name: str) -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|toml|service|md))`", page(name))
    places = (ROOT, ROOT / "bottalk", ROOT / "bottalk" / "actors")
    assert [file for file in named if not any((place / file).exists() for place in places)] == []


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_make_targets_is_the_makefile(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), flags=re.M))
    assert set(re.findall(r"^\| `make (\w+)` \|", page(name), flags=re.M)) == targets
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", page(name), flags=re.M)) <= targets


@pytest.mark.parametrize("name", READMES)
def test_the_commands_that_start_things_are_accepted(name: str) -> None:
    known = {name for s in table() for name in (s.env, s.rule.plain_env)}
    lines = [line for block in blocks(name, "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        words = shlex.split(line)
        while "=" in words[0]:
            assert words.pop(0).split("=")[0] in known
        if words[0] == "make":
            run = [word.removeprefix("ARGS=") for word in words[2:]]
            accepted_by_cli(["serve" if words[1] == "run" else "demo", *shlex.split(" ".join(run))])
        else:
            assert words[0] == ".venv/bin/bottalk"
            accepted_by_cli(words[1:])


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_answers_is_the_codes(name: str) -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page(name).splitlines() if line[:1] == "|"]
    told = [row for row in rows if row[0].isdigit()]
    for refusal in Refusal:
        if refusal is not Refusal.BAD_INPUT:
            assert [row for row in told if row[0] == str(refusal.code) and f"`{refusal.text}`" in row[1]], refusal
            assert [row for row in told if row[0] == str(refusal.code) and row[3] == str(refusal.strict_status)], (
                refusal
            )
    assert {int(row[0]) for row in told} == {0, ALL_FAILED[0], *(refusal.code for refusal in Refusal)}
    assert [row for row in told if row[0] == str(ALL_FAILED[0]) and f"`{ALL_FAILED[1]}`" in row[1]]


# --- the curl lines, run ---


class Shell:
    """Runs the blocks one after the other as one reader would: same directory, same variables."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def run(self, script: str) -> str:
        """What it printed. Raises subprocess.CalledProcessError."""
        keep = "declare -p BASE QR KEY ID PUSH READ 2>/dev/null >variables || true\n"
        whole = f"[ ! -e variables ] || . ./variables\n{script}\n{keep}"
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self._directory), "LC_ALL": "C.UTF-8"}
        with trio.fail_after(30):
            done = await trio.run_process(
                ["bash", "-eu", "-c", whole],
                cwd=self._directory,
                env=environ,
                capture_stdout=True,
                capture_stderr=True,
                stdin=b"",
            )
        return done.stdout.decode()

    def json(self, file: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads((self._directory / file).read_bytes())

    def bytes(self, file: str) -> bytes:
        return (self._directory / file).read_bytes()


async def until(condition: Callable[[], bool]) -> None:
    """What the daemon does of itself, on real time: seen at once when it has happened, failed after 15 s."""
    with trio.fail_after(15):
        while not condition():  # noqa: ASYNC110 - no event tells of a foreign condition
            await trio.sleep(0.02)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_curl_lines_do_what_they_say(tmp_path: Path) -> None:
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=Parameters(quota=None, burst=()))
    shell = Shell(tmp_path)
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(serve, sandbox)
        overrides = {"port": 0, "data_dir": str(tmp_path / "data"), "demo": True, "ilink.base_url": upstream}
        quick = {"delivery.quota": 1000, "delivery.gap": 0}
        async with open_daemon(load(environ={}, overrides=overrides | quick)) as daemon:
            user = sandbox.new_user()
            for block in blocks(READMES[0], "bash"):
                script = block.replace("BASE=http://127.0.0.1:3000", f"BASE={daemon.url}")
                check(script, await shell.run(script), shell)
                await play_the_phone(script, shell, sandbox, user, daemon)
        nursery.cancel_scope.cancel()
    texts = [message.text for message in sandbox.read(user)]
    assert "Backup done\n\nIt took 3 minutes." in texts
    assert "Hello\n\na & b + c 你好" in texts
    assert len(texts) == 14, "every push of the page, each in its own words"


def check(script: str, printed: str, shell: Shell) -> None:
    """What the reader sees."""
    if "qrcode-public" in script:
        assert shell.bytes("qr.png").startswith(b"\x89PNG")
        assert printed.strip() == shell.json("qr.json")["data"]["qrcode_url"]
    elif "/push?" in script:
        assert json.loads(printed)["data"]["results"][0]["status"] == "success"
        assert shell.json("pushed.json")["message"] == "success"
    elif "api/channels/qrcode" in script:
        assert printed.count('"success":true') == script.count("curl") - 1
        assert shell.json("qr.json")["success"] is True
    elif "until" not in script:
        assert printed.count('"code":0,"message":"success"') == script.count("curl ")


async def play_the_phone(script: str, shell: Shell, sandbox: Sandbox, user: str, daemon: Daemon) -> None:
    """What the page asks of the person between two blocks."""
    channels = daemon.pictures.directory.channels
    if "qrcode-public" in script:
        code = shell.json("qr.json")["data"]["qrcode"]
        sandbox.scan(code, user)
        sandbox.confirm(code)
        await until(lambda: any(True for _ in channels()))
    elif "bind-status-public" in script:
        sandbox.write(user, "hi")
        await until(lambda: all(channel.status is ChannelStatus.ACTIVE for channel in channels()))


# --- the systemd unit ---


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of names
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return parser


def test_the_unit_starts_what_it_tells_to_install() -> None:
    service = unit()["Service"]
    program, *words = shlex.split(service["ExecStart"])
    accepted_by_cli(words)
    comment = "\n".join(line for line in UNIT.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    venv = Path(program).parent.parent
    assert program == f"{venv}/bin/bottalk"
    assert f"-m venv {venv}" in comment
    assert f"{words[words.index('--config') + 1]}\n" in comment
    assert load(environ=dict([service["Environment"].split("=")])).data_dir == f"%S/{service['StateDirectory']}"


def test_the_unit_gives_a_stop_its_time_and_a_wrong_setting_no_restart() -> None:
    service = unit()["Service"]
    steps = (HTTP_STOP_S, BINDINGS_STOP_S, CHANNELS_STOP_S, JOURNAL_STOP_S)
    assert sum(steps) < float(service["TimeoutStopSec"])
    assert f"at most {sum(steps):g} s" in UNIT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:http|bindings|channels|journal) \|.*\| ([\d.]+) s \|$", page("docs/architecture.md"), re.M)
    assert tuple(map(float, rows)) == steps
    assert f"{sum(steps):g} s in all" in page("docs/architecture.md")
    assert service["RestartPreventExitStatus"] == str(CONFIG)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    program = shlex.split(unit()["Service"]["ExecStart"])[0]
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(f"ExecStart={program}", "ExecStart=/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
