"""`bottalk user`: accounts, at once, whether the daemon runs or not."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from bottalk.cli.exits import FAILED
from bottalk.cli.offline import Offline
from bottalk.cli.settings import with_settings
from bottalk.cli.showing import done, fail, print_json, print_table, printable
from bottalk.config import Config
from bottalk.errors import Refused
from bottalk.http.operator import (
    DISABLE,
    ENABLE,
    RESET_KEY,
    USERS,
    AccountBody,
    AccountLine,
    KeyBody,
    Who,
    line,
    shown,
    with_key,
)
from bottalk.service.users import NO_USER

T = TypeVar("T")

as_json = click.option("--json", "json", is_flag=True, help="Print JSON.")
who = click.argument("who", metavar="EMAIL|USER_ID|WECHAT_ID")


@click.group()
def user() -> None:
    """See, disable and enable accounts, and give one a new SendKey.

    An account is named by its e-mail address, by its id, or by the id of a WeChat (…@im.wechat) that founded it or has
    a channel in it. A running daemon is asked through bottalk.sock in its data directory, and the change counts from
    that moment on. For administrators see `bottalk admin`.

    Exit codes: 0 done, 1 there is no such account, 2 wrong usage, 69 the daemon does not answer or cannot save,
    73 the data directory or the database cannot be used, 78 a setting is wrong.
    """


@user.command(name="list")
@as_json
@with_settings
def every(config: Config, json: bool) -> None:
    """List all accounts.

    One a line: id, e-mail address, WeChat id, nickname, role, live channels, rows in the log, when it was made (UTC),
    and whether it is disabled. SendKeys are not shown.
    """

    async def offline(found: Offline) -> list[AccountLine]:
        return [line(row) for row in await found.users.rows()]

    found, _ = done(config, lambda door: door.get(USERS, list[AccountLine]), offline)
    if json:
        print_json(found)
        return
    head = ("ID", "E-MAIL", "WECHAT", "NICKNAME", "ROLE", "CHANNELS", "PUSHES", "CREATED (UTC)", "")
    print_table(
        head,
        [
            (
                one.id, one.email, one.wechat_openid, one.nickname, one.role, one.channels, one.pushes, one.created_at,
                "disabled" if one.is_disabled else "",
            )
            for one in found
        ],
    )  # fmt: skip


@user.command()
@who
@as_json
@with_settings
def disable(config: Config, who: str, json: bool) -> None:
    """Disable an account.

    Its logins and pushes end at once, its channels are polled no longer, and its SendKey is refused. What waits goes
    on waiting, as long as it would anyway. Disabling it twice changes nothing.
    """
    account, by_daemon = _ask(config, who, DISABLE, AccountBody, lambda found: _disabled(found, who, True))
    _tell(account, by_daemon, json, "is disabled")


@user.command()
@who
@as_json
@with_settings
def enable(config: Config, who: str, json: bool) -> None:
    """Enable an account again.

    Its SendKey is valid again, its channels go on, and what waits is sent.
    """
    account, by_daemon = _ask(config, who, ENABLE, AccountBody, lambda found: _disabled(found, who, False))
    _tell(account, by_daemon, json, "is enabled")


@user.command(name="reset-key")
@who
@as_json
@with_settings
def reset_key(config: Config, who: str, json: bool) -> None:
    """Give an account a new SendKey, and print it.

    The old one is dead at once, everywhere; logins stay. Hand the new one on by a way that nobody reads along.
    """

    async def offline(found: Offline) -> KeyBody:
        return with_key(await found.users.reset_key(who))

    key, _ = _ask(config, who, RESET_KEY, KeyBody, offline)
    if json:
        print_json(key)
    else:
        click.echo(key.send_key)


async def _disabled(found: Offline, who: str, is_disabled: bool) -> AccountBody:
    return shown(await found.users.set_disabled(who, is_disabled))


def _ask(
    config: Config, who: str, path: str, kind: type[T], offline: Callable[[Offline], Awaitable[T]]
) -> tuple[T, bool]:
    """The answer, and whether a daemon gave it. No such account ends the command."""
    try:
        return done(config, lambda door: door.post(path, Who(who), kind), offline)
    except Refused as e:
        fail(f"no account has the id, e-mail address or WeChat id {who!r}" if e.text == NO_USER else e.text, FAILED)


def _tell(account: AccountBody, by_daemon: bool, json: bool, what: str) -> None:
    if json:
        print_json(account)
        return
    names = [printable(name) for name in (account.email, account.wechat_openid, account.nickname) if name]
    click.echo(f"{'  '.join([str(account.id), *names])}: {what}{'' if by_daemon else ' (no daemon runs)'}")
