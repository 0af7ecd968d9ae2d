"""`bottalk config`: are the settings right, and what are they."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from bottalk.cli.exits import known_failures
from bottalk.config import Loaded, Setting, read, table, value_of
from bottalk.values import Secret
from bottalk.words import configured

_FILE = click.option(
    "--config", "path", type=click.Path(path_type=Path), help="Settings file (TOML), the daemon's own."
)


@click.group()
def config() -> None:
    """Look at the settings: command line, then environment, then file, then default."""


@config.command()
@_FILE
def check(path: Path | None) -> None:
    """Say whether these settings are right, and every mistake at once.

    `bottalk check` looks at this and at the database too, which only the daemon's account may read.

    \b
    Example: bottalk config check --config /etc/bottalk/bottalk.toml
    Exit codes: 0 all is right, 78 something is wrong.
    """
    with known_failures():
        loaded = read(path)
        configured(loaded.config.words)
    count = len(loaded.origins)
    click.echo(f"the settings are right: {count} set, {len(table()) - count} at their defaults")


@config.command()
@_FILE
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, by name: value, origin, default.")
@click.option("--set", "only_set", is_flag=True, help="Leave out what is at its default.")
def show(path: Path | None, as_json: bool, only_set: bool) -> None:
    """Print every setting, its value and where it came from. Secrets are masked.

    \b
    Example: bottalk config show --set
    Exit codes: 0 printed, 78 something is wrong.
    """
    with known_failures():
        loaded = read(path)
    settings = [s for s in table() if not only_set or s.name in loaded.origins]
    if as_json:
        click.echo(json.dumps(dict(_objects(settings, loaded)), ensure_ascii=False, indent=2))
        return
    width = max((len(s.name) for s in settings), default=0)
    for s in settings:
        shown = json.dumps(_shown(value_of(loaded.config, s.name)), ensure_ascii=False)
        click.echo(f"{s.name:<{width}}  {shown}  ({loaded.origins.get(s.name, 'default')})")


def _objects(settings: Iterable[Setting], loaded: Loaded) -> Iterable[tuple[str, dict[str, Any]]]:
    for s in settings:
        yield (
            s.name,
            {
                "value": _shown(value_of(loaded.config, s.name)),
                "origin": loaded.origins.get(s.name, "default"),
                "default": _shown(s.default),
            },
        )


def _shown(value: object) -> Any:  # noqa: ANN401 - settings are of many types
    """A secret only as set or not: these are words that people chose, of which six letters would say too much."""
    if isinstance(value, Secret):
        return "(set)" if value else ""
    return list(value) if isinstance(value, tuple) else value
