"""Exit codes, after sysexits.h, and how a known failure becomes one line and its code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from bottalk.config import ConfigError
from bottalk.errors import BotTalkError
from bottalk.store.database import StoreError

OK = 0
FAILED = 1
USAGE = 64
UNAVAILABLE = 69
SOFTWARE = 70
CANNOT_OPEN = 73
CANNOT_WRITE = 74
WAITING = 75
BAD_KEY = 77
CONFIG = 78


@contextmanager
def known_failures() -> Iterator[None]:
    """A failure that the user can mend, alone or in a nursery's group, is told in its own words and no traceback."""
    code = OK
    try:
        yield
    except* ConfigError as e:
        click.echo(f"bottalk: the settings are wrong:\n{_first(e)}", err=True)
        code = CONFIG
    except* (StoreError, BotTalkError) as e:
        click.echo(f"bottalk: {_first(e)}", err=True)
        code = CANNOT_OPEN
    if code:
        sys.exit(code)


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
