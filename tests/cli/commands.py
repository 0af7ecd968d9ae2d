"""Commands as an operator runs them: processes of their own, or in this one."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import trio
from click.testing import CliRunner, Result

from bottalk.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return msgspec.json.decode(self.out)


def here(*arguments: str, data_dir: Path, answer: str = "", **settings: str) -> Result:
    """The same in this process: `settings` are variables of the environment, `answer` is typed when it asks."""
    environ: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BOTTALK_")}
    words = [*arguments, "--data-dir", str(data_dir)]
    return CliRunner().invoke(main, words, env=environ | settings, input=answer)


def help_of(*words: str) -> str:
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0
    return done.stdout


async def bottalk(*arguments: str, data_dir: Path) -> Ended:
    """Run `bottalk arguments… --data-dir …` to its end."""
    return await run(*arguments, "--data-dir", str(data_dir))


async def run(*arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run `bottalk arguments…` to its end, with these variables beside the inherited ones that are no settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BOTTALK_")}
    with trio.fail_after(30):
        done = await trio.run_process(
            [sys.executable, "-m", "bottalk", *arguments],
            cwd=ROOT,
            env=inherited | dict(env or {}),
            stdin=b"",
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
