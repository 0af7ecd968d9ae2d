"""What the pages say is true: commands, tables, links and curl lines, paths of the architecture, its table of stops."""

import json
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import click
import pytest
import trio

from bottalk.cli import main
from bottalk.config import Config, load, table
from bottalk.daemon import Daemon, open_daemon
from bottalk.daemon.tree import BINDINGS_STOP_S, CHANNELS_STOP_S, HTTP_STOP_S, JOURNAL_STOP_S, REMINDERS_STOP_S, VITAL
from bottalk.errors import ALL_FAILED, Refusal
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.server import serve
from bottalk.values import ChannelStatus, Secret
from bottalk.words import DEFAULT
from tests.support.reader import ROOT, Shell, blocks, both_languages, page, rows_of, until

READMES = ("README.md", "README.en.md")
GUIDES = ("docs/api.md", "docs/api.en.md")
PAIRS = [(str(first.relative_to(ROOT)), str(second.relative_to(ROOT))) for first, second in both_languages(ROOT)]
PAGES = (*(name for pair in PAIRS for name in pair), "CHANGELOG.md", "data/README.md")
ARCHITECTURE = ("docs/architecture.md", "docs/architecture.en.md")
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=[first for first, _ in PAIRS])


def accepted_by_cli(words: list[str]) -> None:
    """Raises click.UsageError for a command, option or argument that `bottalk` does not know."""
    group: click.Group = main
    while True:
        command = group.commands[words[0]]
        if not isinstance(command, click.Group):
            break
        group, words = command, words[1:]
    with command.make_context(words[0], words[1:]):
        pass


# --- both languages say the same ---


@each_pair
@pytest.mark.parametrize("shape", [r"^#+ ", r"^- ", r"^\|"], ids=["headings", "list items", "table rows"])
def test_both_languages_have_the_same_shape(pair: tuple[str, str], shape: str) -> None:
    first, second = ([m.group() for m in re.finditer(shape, page(name), flags=re.M)] for name in pair)
    assert first == second


@each_pair
def test_both_languages_have_the_same_code(pair: tuple[str, str]) -> None:
    first, second = ([block for block in fenced(name) if block[0]] for name in pair)
    assert first == second


def fenced(name: str) -> list[tuple[str, str]]:
    """Kind and text of every block; a drawing has no kind."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page(name), flags=re.M | re.S)


def test_both_languages_draw_the_same() -> None:
    first, second = ([names_in(block) for kind, block in fenced(name) if not kind] for name in ARCHITECTURE)
    assert first == second
    assert len(first) == 3
    assert all(first)


def names_in(drawing: str) -> list[str]:
    """What the lines of a drawing begin with; lines that go on with an explanation begin further to the right."""
    return re.findall(r"^(?:│  )?(?:[├└]─ |  )?([a-z].*?)(?:  |$)", drawing, flags=re.M | re.A)


@each_pair
def test_both_languages_have_the_same_first_column(pair: tuple[str, str]) -> None:
    first, second = ([re.findall(r"`[^`]+`", row[0]) for row in rows_of(name)] for name in pair)
    assert first == second


# --- what is named exists ---


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", page(name)) if "://" not in link]
    assert [link for link in links if not ((ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_file_named_exists(name: str) -> None:
    named = re.findall(r"`((?!/)[\w./-]+\.(?:py|toml|service|md))`", page(name))  # an absolute one is the server's
    places = (ROOT, ROOT / "bottalk", ROOT / "bottalk" / "actors")
    assert [file for file in named if not any((place / file).exists() for place in places)] == []


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_make_targets_is_the_makefile(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), flags=re.M))
    assert set(re.findall(r"^\| `make (\w+)` \|", page(name), flags=re.M)) == targets
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", page(name), flags=re.M)) <= targets


OTHERS = {
    "git": {"git pull"},
    "systemctl": {f"systemctl {verb} bottalk" for verb in ("status", "reload", "start", "stop")},
    "docker": {
        "docker compose up -d --build",
        "docker compose exec bottalk bottalk admin grant me@example.org",
        "docker compose exec bottalk bottalk status",
        "docker compose run --rm bottalk restore /data/backups/bottalk-20260102-030405.db",
        "docker compose start",
        "docker compose stop",
    },
}
"""Commands of other programs that the pages may name."""


@pytest.mark.parametrize("name", [name for name in PAGES if blocks(name, "sh") or blocks(name, "console")])
def test_the_commands_that_start_things_are_accepted(name: str) -> None:
    known = {name for s in table() for name in (s.env, s.rule.plain_env)}
    for line in "".join([*blocks(name, "sh"), *blocks(name, "console")]).splitlines():
        words = shlex.split(line.removeprefix("sudo "))
        while "=" in words[0]:
            assert words.pop(0).split("=")[0] in known
        if words[0] == "make":
            run = [word.removeprefix("ARGS=") for word in words[2:]]
            if words[1] in ("run", "demo"):
                accepted_by_cli(["serve" if words[1] == "run" else "demo", *shlex.split(" ".join(run))])
            else:
                assert re.search(rf"^{words[1]}:", page("Makefile"), flags=re.M)
        elif Path(words[0]).name == "install.sh":
            assert f"\n  {words[1]} " in install_help()
        elif words[0] in OTHERS:
            assert line.removeprefix("sudo ") in OTHERS[words[0]]
        else:
            assert words[0] in (".venv/bin/bottalk", "bottalk")
            accepted_by_cli(words[1:])


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_named_in_a_sentence_exist(name: str) -> None:
    named = re.findall(r"`(?:\.venv/bin/|sudo )?bottalk ([a-z][a-z-]*)(?: ([a-z-]+))?[^`]*`", page(name))
    for first, second in named:
        command = main.commands[first]
        assert not isinstance(command, click.Group) or not second or second in command.commands


@cache
def install_help() -> str:
    return subprocess.run([ROOT / "deploy/install.sh", "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_answers_is_the_codes(name: str) -> None:
    told = [row for row in rows_of(name) if row[0].isdigit()]
    for refusal in Refusal:
        if refusal is not Refusal.BAD_INPUT:
            text = refusal.text.format(limit=Config().rate_limit)
            rows = [row for row in told if row[0] == str(refusal.code) and f"`{text}`" in row[1]]
            assert [row[3] for row in rows] == [str(refusal.strict_status)], refusal
    assert {int(row[0]) for row in told} == {0, ALL_FAILED[0], *(refusal.code for refusal in Refusal)}
    assert [row for row in told if row[0] == str(ALL_FAILED[0]) and f"`{ALL_FAILED[1]}`" in row[1]]


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_settings_has_their_defaults(name: str) -> None:
    known = {env: s for s in table() for env in (s.rule.plain_env or s.env,)}
    told = {row[0].strip("`"): row[1].strip("`") for row in rows_of(name) if row[0].strip("`") in known}
    assert len(told) > 10
    for env, default in told.items():
        value = known[env].default
        assert default == ("" if value in (Secret(""), ()) else str(value)), env


# --- the curl lines, run ---


REMINDED = {title for name in (READMES[0], GUIDES[0]) for title in re.findall(r"'title=([^']+)' -d 'time=", page(name))}
TOKEN = "what-MONITOR_TOKEN-is-set-to"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_curl_lines_do_what_they_say(tmp_path: Path) -> None:
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=Parameters(quota=None, burst=()))
    shell = Shell(tmp_path)
    async with trio.open_nursery() as nursery:
        upstream = await nursery.start(serve, sandbox)
        overrides = {"port": 0, "data_dir": str(tmp_path / "data"), "demo": True, "ilink.base_url": upstream}
        more = {"delivery.quota": 1000, "delivery.gap": 0, "monitor_token": TOKEN}
        async with open_daemon(load(environ={}, overrides=overrides | more)) as daemon:
            user = sandbox.new_user()
            for block in blocks(READMES[0], "bash"):
                script = block.replace("BASE=http://127.0.0.1:3000", f"BASE={daemon.url}")
                check(script, await shell.run(script), shell)
                await play_the_phone(script, shell, sandbox, user, daemon)
            await follow_the_guide(shell, daemon, tmp_path / "data")
        nursery.cancel_scope.cancel()
    welcome, *texts = [text for message in sandbox.read(user) if (text := message.text).split("\n")[0] not in REMINDED]
    assert welcome.startswith(DEFAULT.welcome.split("\n")[0])
    assert "Backup done\n\nIt took 3 minutes." in texts
    assert "Hello\n\na & b + c 你好" in texts
    assert len(texts) == 15, "every push of the page, each in its own words; one idempotency key sends once"


def check(script: str, printed: str, shell: Shell) -> None:
    """What the reader sees."""
    if "qrcode-public" in script:
        assert shell.bytes("qr.png").startswith(b"\x89PNG")
        assert printed.strip() == shell.json("qr.json")["data"]["qrcode_url"]
    elif "/push?" in script:
        assert json.loads(printed)["data"]["results"][0]["status"] == "success"
        assert shell.json("pushed.json")["message"] == "success"
    elif "-b cookies.txt" in script and "until" not in script:
        assert_managed(script, printed, shell)
    elif "until" not in script:
        assert printed.count('"code":0,"message":"success"') == script.count("curl ")


def assert_managed(script: str, printed: str, shell: Shell) -> None:
    """Every management route of the block said `success`, on the screen or in a file."""
    files = re.findall(r"-o (\S+\.json)", script)
    assert [name for name in files if shell.json(name)["success"] is not True] == []
    asked = [line for line in script.splitlines() if line.startswith("curl ") and "/api/" in line and "-o " not in line]
    assert printed.count('"success":true') == len(asked)


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


async def follow_the_guide(shell: Shell, daemon: Daemon, data_dir: Path) -> None:
    """`docs/api.md` from its first line on, by the one who has read the README; at last, it names every route."""
    (account,) = daemon.pictures.directory.users()
    for block in blocks(GUIDES[0], "bash"):
        script = block.replace("BASE=http://127.0.0.1:3000", f"BASE={daemon.url}")
        script = script.replace("KEY=0123456789abcdef0123456789abcdef", f"KEY={account.send_key.reveal()}")
        if "/api/admin/users" in script:
            await shell.command(sys.executable, "-m", "bottalk", "admin", "grant", "1", "--data-dir", str(data_dir))
        printed = await shell.run(script)
        if "/metrics" in script:
            assert "\nbottalk_uptime_seconds " in printed
            assert printed.endswith(f'ok{{"base_url":"http://localhost:{daemon.url.rpartition(":")[2]}"}}')
        else:
            assert '"success":false' not in printed
            files = re.findall(r"-o (\S+\.json)", script)
            assert [name for name in files if shell.json(name)["success"] is not True] == []
    routes = json.loads(await shell.run('curl -s "$BASE/openapi.json"'))["paths"]
    served = {
        f"{method.upper()} {path.replace('{', ':').replace('}', '')}"
        for path, methods in routes.items()
        for method, told in methods.items()
        if told["tags"] != ["push"] and path != "/docs"
    }
    for name in GUIDES:
        assert set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^` ]*)`", page(name))) == served


# --- the stop ---


STOPS = {
    "watchdog": 0.0,
    "http": HTTP_STOP_S,
    "alarms": 0.0,
    "housekeeper": 0.0,
    "reminders": REMINDERS_STOP_S,
    "bindings": BINDINGS_STOP_S,
    "channels": CHANNELS_STOP_S,
    "ratelimit": 0.0,
    "journal": JOURNAL_STOP_S,
}
"""Seconds each step of a stop may take, in its order."""


async def test_the_table_of_stops_is_the_tree(tmp_path: Path) -> None:
    for name, second, in_all in zip(ARCHITECTURE, ("秒", "s"), ("合计 {:g} 秒", "{:g} s in all"), strict=True):
        rows = re.findall(rf"^\| (\w+) \|.*\| ([\d.]+) {second} \|$", page(name), re.M)
        assert [(actor, float(seconds)) for actor, seconds in rows] == list(STOPS.items())
        assert in_all.format(sum(STOPS.values())) in page(name)
    async with open_daemon(load(environ={}, overrides={"port": 0, "data_dir": str(tmp_path)})) as daemon:
        started = [child.name for child in daemon.root.status().children]
    assert started == list(reversed(STOPS))
    for name in ARCHITECTURE:
        assert re.findall(r"^[├└]─ (\w+)", page(name), re.M) == started
    assert set(VITAL) < set(started)
