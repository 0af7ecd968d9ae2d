"""A reader of the product's pages, who types what stands in them."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from tests.support.commands import CLIENT

ROOT = Path(__file__).parent.parent.parent

KEPT = "BASE QR KEY ID PUSH READ OTHER ROW REMINDER TOKEN"
"""Shell variables that one block of a page leaves for the next."""


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, kind: str) -> list[str]:
    """The fenced blocks of that kind.

    `bash` is run against a daemon, `sh` starts things, `console` needs what a test's machine does not have.
    """
    return re.findall(rf"^```{kind}\n(.*?)^```$", page(name), flags=re.M | re.S)


def both_languages(root: Path) -> list[tuple[Path, Path]]:
    """Every page that is there in English, with its Chinese one: `X.md` and `X.en.md`."""
    return [
        (english.with_name(english.name.replace(".en.md", ".md")), english)
        for directory in (root, root / "docs")
        for english in sorted(directory.glob("*.en.md"))
    ]


def rows_of(name: str) -> list[list[str]]:
    """The cells of every table row of the page."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in page(name).splitlines() if line[:1] == "|"]


class Shell:
    """Runs the blocks one after the other as one reader would: same directory, same variables.

    `bottalk` is this source's command and `sudo` nothing but what follows it. `environ` is what both find.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        place = directory / "bin"
        place.mkdir()
        put(place / "sudo", '#!/bin/sh\nexec "$@"\n')
        client = CLIENT.format(path=str(directory / "commands.sock"))
        put(place / "bottalk", f"#!{sys.executable} -IS\n{client}")
        self.environ = {
            "PATH": f"{place}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
        }

    @asynccontextmanager
    async def commands(self) -> AsyncIterator[None]:
        """While this lasts, there is the command `bottalk`."""
        words = [sys.executable, "-m", "tests.support.commands", str(self._directory / "commands.sock")]
        async with trio.open_nursery() as nursery:
            start = partial(trio.run_process, words, cwd=ROOT, env=self.environ, stdin=b"", check=False)
            forker: trio.Process = await nursery.start(partial(start, stdout=subprocess.PIPE))
            assert forker.stdout is not None
            with trio.fail_after(30):
                assert await forker.stdout.receive_some() == b"ready\n"
            try:
                yield
            finally:
                forker.terminate()

    async def run(self, script: str) -> str:
        """What it printed; every request of curl was answered with HTTP 200. Raises subprocess.CalledProcessError."""
        start = """curl() { command curl -w '%{stderr}\\nHTTP %{http_code}\\n' "$@"; }\n"""
        start += "[ ! -e variables ] || . ./variables\n"
        keep = f"declare -p {KEPT} 2>/dev/null >variables || true\n"
        done = await self.command("bash", "-eu", "-c", f"{start}{script}\n{keep}")
        statuses = re.findall(r"^HTTP (\d+)$", done.stderr.decode(), flags=re.M)
        assert set(statuses) == ({"200"} if re.search(r"^(?!#).*\bcurl ", script, flags=re.M) else set()), script
        return done.stdout.decode()

    async def command(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        with trio.fail_after(60):
            return await trio.run_process(
                words, cwd=self._directory, env=self.environ, capture_stdout=True, capture_stderr=True, stdin=b""
            )

    def json(self, file: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads((self._directory / file).read_bytes())

    def bytes(self, file: str) -> bytes:
        return (self._directory / file).read_bytes()


def put(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


async def until(condition: Callable[[], bool]) -> None:
    """What the daemon does of itself, on real time: seen at once when it has happened, failed after 15 s."""
    with trio.fail_after(15):
        while not condition():  # noqa: ASYNC110 - no event tells of a foreign condition
            await trio.sleep(0.02)
