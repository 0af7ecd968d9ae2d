"""The settings of a command that speaks to a daemon, or does its work while none runs: which data directory."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from bottalk.cli.exits import known_failures
from bottalk.config import Config, load
from bottalk.ops.logging import configure

P = ParamSpec("P")


def with_settings(command: Callable[Concatenate[Config, P], None]) -> Callable[..., None]:
    """Adds `--config` and `--data-dir` and hands the settings in first. Only warnings are logged: the command itself
    says what it did. Known failures end it in one line and their exit code.
    """

    @click.option("--config", "path", type=click.Path(path_type=Path), help="Settings file (TOML), the daemon's own.")
    @click.option("--data-dir", help="The daemon's data directory [default: as the daemon finds it].")
    @wraps(command)
    def run(path: Path | None, data_dir: str | None, *args: P.args, **kwargs: P.kwargs) -> None:
        with known_failures():
            config = load(path, overrides={} if data_dir is None else {"data_dir": data_dir})
            configure(replace(config, log_level="warning"))
            command(config, *args, **kwargs)

    return run
