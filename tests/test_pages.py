"""The pages of docs/, typed by a reader: one daemon, one phone, page after page."""

import random
import re
import shlex
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from bottalk.config import load, table
from bottalk.daemon import open_daemon
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import Parameters
from bottalk.sandbox.rules.qr import QrCode
from bottalk.sandbox.server import serve
from tests.support import old_bottalk
from tests.support.reader import ROOT, Shell, blocks, page, rows_of

TYPED = ("docs/quickstart.md", "docs/recipes.md", "docs/self-hosting.md", "docs/privacy.md")
"""In this order: the first binds a WeChat, the last deletes its account."""
UNTRIED = "docs/README.md"
"""Its table says which programs the pages name and no test runs, and why."""
ALL = sorted(str(path.relative_to(ROOT)) for place in (ROOT, ROOT / "docs") for path in place.glob("*.md"))
SERVER = "/var/lib/bottalk"
OLD = "/opt/bottalk-node/data"


async def phone(sandbox: Sandbox, user: str) -> None:
    """A person with a phone in the hand: scans every code that appears, confirms, and writes a word."""
    seen: set[str] = set()
    while True:
        for code in new_codes(sandbox, seen):
            seen.add(code.qrcode)
            sandbox.scan(code.qrcode, user)
            sandbox.confirm(code.qrcode)
            await trio.sleep(0.5)  # the person opens the chat
            sandbox.write(user, "hi")
        await trio.sleep(0.05)


def new_codes(sandbox: Sandbox, seen: set[str]) -> list[QrCode]:
    return [code for code in sandbox.codes if code.qrcode not in seen]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_what_is_typed_does_what_the_pages_say(tmp_path: Path) -> None:
    sandbox = Sandbox(now=time.time, rng=random.Random(1), parameters=Parameters(quota=None, burst=()))
    user = sandbox.new_user()
    data = tmp_path / "data"
    old_bottalk.write(tmp_path / "node/bottalk.db", {"users": [{"id": 1, "send_key": "a" * 32}]})
    for_settings = {"port": 0, "data_dir": str(data), "demo": True, "backup_every": 0}
    fast = {"delivery.quota": 1000, "delivery.gap": 0}
    restoring: list[str] = []
    shell = Shell(tmp_path)
    async with shell.commands():
        async with trio.open_nursery() as nursery:
            upstream = await nursery.start(serve, sandbox)
            config = load(environ={}, overrides=for_settings | fast | {"ilink.base_url": upstream})
            async with open_daemon(config) as daemon:
                shell.environ.update(surroundings(daemon.url, data, upstream))
                nursery.start_soon(phone, sandbox, user)
                for block in [block for name in TYPED for block in blocks(name, "bash")]:
                    keys = [account.send_key.reveal() for account in daemon.pictures.directory.users()]
                    script = on_this_machine(block, daemon.url, keys[0] if keys else "", tmp_path)
                    if " restore " in script:
                        restoring.append(script)
                    else:
                        look(script, await shell.run(script))
            nursery.cancel_scope.cancel()
        (script,) = restoring
        (backup,) = (data / "backups").glob("bottalk-*.db")
        await shell.run(re.sub(r"bottalk-\d{8}-\d{6}\.db", backup.name, script))
    assert list(data.glob("bottalk.db.replaced-*"))
    assert_arrived([message.text for message in sandbox.read(user)])


def surroundings(url: str, data: Path, upstream: str) -> dict[str, str]:
    """What makes the commands' defaults lead to this daemon."""
    port = url.rpartition(":")[2]
    settings = {"DATA_DIR": str(data), "PORT": port, "BOTTALK_DEMO": "1", "ILINK_BASE_URL": upstream}
    return {**settings, "BOTTALK_URL": url}


def on_this_machine(block: str, url: str, key: str, directory: Path) -> str:
    script = block.replace("http://127.0.0.1:3000", url).replace("0123456789abcdef0123456789abcdef", key)
    return script.replace(SERVER, str(directory / "data")).replace(OLD, str(directory / "node"))


def look(script: str, printed: str) -> None:
    """What the reader sees on the screen."""
    for line in script.splitlines():
        if re.match(r"(?!#).*\bcurl .*\.send", line):
            assert '"code":0,"message":"success"' in printed, script
    if "--dry-run" in script:
        assert printed.startswith("Dry run"), printed
    if "bottalk user list" in script:
        assert "\n1 " in printed, printed


def assert_arrived(texts: list[str]) -> None:
    """What the phone shows of every page."""
    for text in (
        "Backup done\n\nIt took 3 minutes.",
        "Hello\n\nWorld",
        "Uptime Kuma\n\n[web] [Down] timeout of 48000ms exceeded",
        "[FIRING:1] HighLoad\n\n**Firing**\n\nload 12 on web1",
        "Alertmanager\n\nFIRING\n- BotTalkDown 127.0.0.1:3000: BotTalk does not answer",
        "Front door\n\nThe door has been open for 10 minutes.",
    ):
        assert text in texts, text
    assert [text for text in texts if text.startswith("Load\n\n")], "what came through the pipe"
    (together,) = [text for text in texts if "Filesystem" in text]
    assert "Backup done" in together, "the low push went along"


# --- what is not typed ---


def programs(block: str) -> set[str]:
    """The programs of a block, by line; `sudo` is none, a path counts by its last part."""
    return {Path(shlex.split(line.removeprefix("sudo "))[0]).name for line in block.splitlines() if line}


def test_what_no_test_runs_is_listed_with_its_reason() -> None:
    used = {program for name in ALL for block in blocks(name, "console") for program in programs(block)}
    listed = {row[0].strip("`"): row[1] for row in rows_of(UNTRIED) if re.fullmatch(r"`[\w.]+`", row[0])}
    assert set(listed) == used
    assert all(listed.values())


@pytest.mark.parametrize("english", [False, True])
def test_the_index_lists_every_page(english: bool) -> None:
    listed = page("docs/README.en.md" if english else "docs/README.md")
    pages = {path.name for path in (ROOT / "docs").glob("*.md") if path.name.endswith(".en.md") is english}
    pages -= {"README.md", "README.en.md"}
    assert [name for name in pages if f"({name})" not in listed] == []


@pytest.mark.parametrize("name", ALL)
def test_every_block_is_of_a_kind_that_is_tried_or_listed(name: str) -> None:
    kinds = set(re.findall(r"^```(\w*)\n.*?^```$", page(name), flags=re.M | re.S))
    drawn = {""} if name.startswith("docs/architecture.") else set()
    assert kinds <= {"bash", "sh", "console", "yaml", "text", "crontab"} | drawn


# --- what other programs read ---


def documents() -> dict[str, Any]:
    """The YAML of the recipes, by its first key."""
    found = [yaml.safe_load(block) for block in blocks("docs/recipes.md", "yaml")]
    return {next(iter(one[0] if isinstance(one, list) else one)): one for one in found}


def test_the_recipes_for_other_programs_are_yaml_that_fits_them() -> None:
    found = documents()
    (step,) = found["name"]
    assert shlex.split(step["run"])[0] == "curl"
    (receiver,) = found["receivers"]["receivers"] if isinstance(found["receivers"], dict) else found["receivers"]
    assert set(receiver["discord_configs"][0]) == {"webhook_url", "content"}
    assert found["rule_files"]["scrape_configs"][0]["job_name"] == "bottalk", "alerts.yml goes by that name"
    assert found["notify"]["notify"][0]["method"] == "POST_JSON"


@pytest.mark.parametrize("name", ["docs/limits.md", "docs/limits.en.md"])
def test_the_settings_that_a_page_names_have_their_defaults(name: str) -> None:
    known = {s.name: s.default for s in table()}
    told = {row[0].strip("`"): row[1].strip("`") for row in rows_of(name) if row[0].startswith("`delivery.")}
    assert len(told) > 10
    assert told == {setting: str(known[setting]) for setting in told}
