"""`bottalk admin`: who is an administrator. At once, whether the daemon runs or not."""

import sys
from collections.abc import Awaitable, Callable

import click

from bottalk.cli.exits import FAILED
from bottalk.cli.offline import Offline
from bottalk.cli.settings import with_settings
from bottalk.cli.showing import done, print_json, printable
from bottalk.config import Config
from bottalk.errors import Refused
from bottalk.http.operator import ADMINS, GRANT, REVOKE, AccountBody, Who, shown
from bottalk.service.users import ADMIN, NO_USER
from bottalk.values import User

as_json = click.option("--json", "json", is_flag=True, help="Print JSON: the account, or a list of accounts.")
who = click.argument("who", metavar="EMAIL|USER_ID|WECHAT_ID")


@click.group()
def admin() -> None:
    """Grant and revoke the administrator's role, and see who has it.

    An administrator signs in like everybody, by scan or SendKey, and then may see every channel's health and manage
    accounts (/api/admin). There is no default password and no first-comer: only who can run this command, on the
    daemon's machine and with access to its data directory, makes the first one.

    It works whether the daemon runs or not. A running one is asked through bottalk.sock in its data directory, and the
    change counts from that moment on, for sessions that are open too.

    Exit codes: 0 done, 1 there is no such account, 2 wrong usage, 69 the daemon does not answer or cannot save,
    73 the data directory or the database cannot be used, 78 a setting is wrong.
    """


@admin.command()
@who
@as_json
@with_settings
def grant(config: Config, who: str, json: bool) -> None:
    """Make an account an administrator's.

    Name it by its e-mail address, by its account id, or by the id of a WeChat (…@im.wechat) that founded it or has a
    channel in it. Granting it twice changes nothing.

    Examples:

    \b
      bottalk admin grant ann@example.org
      bottalk admin grant 1 --data-dir /var/lib/bottalk
    """
    _set_role(config, who, json, GRANT, lambda offline: offline.users.grant(who))


@admin.command()
@who
@as_json
@with_settings
def revoke(config: Config, who: str, json: bool) -> None:
    """Make an administrator's account an ordinary one.

    The last one's too. The account keeps its channels, key and sessions; the administrators' routes answer it 403 from
    that moment on.
    """
    _set_role(config, who, json, REVOKE, lambda offline: offline.users.revoke(who))


@admin.command(name="list")
@as_json
@with_settings
def every(config: Config, json: bool) -> None:
    """List the administrators.

    One a line: account id, e-mail address, WeChat id, nickname, and whether the account is disabled.
    """

    async def offline(found: Offline) -> list[AccountBody]:
        return [shown(user) for user in found.users.admins()]

    found, _ = done(config, lambda door: door.get(ADMINS, list[AccountBody]), offline)
    if json:
        print_json(found)
    elif found:
        for account in found:
            click.echo(_line(account))
    else:
        click.echo("There is no administrator. Make one: bottalk admin grant EMAIL|USER_ID|WECHAT_ID", err=True)


def _set_role(config: Config, who: str, json: bool, path: str, use_case: Callable[[Offline], Awaitable[User]]) -> None:
    async def offline(found: Offline) -> AccountBody:
        return shown(await use_case(found))

    try:
        account, by_daemon = done(config, lambda door: door.post(path, Who(who), AccountBody), offline)
    except Refused as e:
        why = f"no account has the id, e-mail address or WeChat id {who!r}" if e.text == NO_USER else e.text
        click.echo(f"bottalk: {why}", err=True)
        sys.exit(FAILED)
    if json:
        print_json(account)
        return
    is_now = "is now an administrator" if account.role == ADMIN else "is now an ordinary account"
    click.echo(f"{_line(account)}: {is_now}{'' if by_daemon else ' (no daemon runs)'}")


def _line(account: AccountBody) -> str:
    names = [name for name in (account.email, account.wechat_openid, account.nickname) if name]
    disabled = ["disabled"] if account.is_disabled else []
    return "  ".join([f"{account.id}", *map(printable, names), *disabled])
