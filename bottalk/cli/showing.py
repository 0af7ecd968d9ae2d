"""How commands show what they found, and how what they could not do ends them."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar
from unicodedata import east_asian_width

import click
import msgspec

from bottalk.cli.door import Door, DoorShut
from bottalk.cli.exits import UNAVAILABLE
from bottalk.cli.offline import Offline, carry_out
from bottalk.config import Config
from bottalk.errors import CannotWrite
from supervisors import SupervisionError

R = TypeVar("R")


def done(
    config: Config,
    running: Callable[[Door], R],
    offline: Callable[[Offline], Awaitable[R]],
    *,
    may_create: bool = False,
) -> tuple[R, bool]:
    """As `carry_out`; a daemon that does not answer, or what cannot be saved, ends the command with exit code 69."""
    try:
        return carry_out(config, running=running, offline=offline, may_create=may_create)
    except (DoorShut, CannotWrite, SupervisionError) as e:
        click.echo(f"bottalk: {e}", err=True)
        sys.exit(UNAVAILABLE)


def fail(why: object, code: int) -> NoReturn:
    """End the command: one line on standard error, and its exit code."""
    click.echo(f"bottalk: {why}", err=True)
    sys.exit(code)


def print_json(data: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(data)).decode())


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; None is shown as `-`."""
    shown = [[printable("-" if cell is None else str(cell)) for cell in row] for row in rows]
    lines = [list(head), *shown]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def printable(text: str) -> str:
    """Without what would steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
