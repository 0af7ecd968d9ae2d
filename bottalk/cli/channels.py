"""`bottalk channel`: every account's channels, and what waits for them."""

import click

from bottalk.cli.exits import FAILED, UNAVAILABLE
from bottalk.cli.offline import Offline
from bottalk.cli.settings import with_settings
from bottalk.cli.showing import done, fail, print_json, print_table
from bottalk.config import Config
from bottalk.errors import Refused
from bottalk.http.operator_channels import (
    CHANNELS,
    DROP,
    MOVE,
    RESTART,
    ChannelLineBody,
    One,
    Rows,
    Two,
    shown,
)
from bottalk.values import ChannelId

as_json = click.option("--json", "json", is_flag=True, help="Print JSON.")
Id = click.IntRange(1, 2**63 - 1)


@click.group()
def channel() -> None:
    """See all channels, start one anew, and move or drop what waits for one.

    A running daemon is asked through bottalk.sock in its data directory; without one the database is read and changed
    here.

    Exit codes: 0 done, 1 there is no such channel or it cannot be done, 2 wrong usage, 69 the daemon does not answer
    or cannot save (for `restart`: none runs), 73 the data directory or the database cannot be used, 78 a setting is
    wrong.
    """


@channel.command(name="list")
@click.option("--user", "owner", type=Id, help="Only the channels of the account of this id.")
@click.option("--ill", is_flag=True, help="Only those that are not green.")
@as_json
@with_settings
def every(config: Config, owner: int | None, ill: bool, json: bool) -> None:
    """List the channels of all accounts, but for deleted ones.

    One a line: id, account, name, WeChat id, health and why it is not green, the window's state, how many messages may
    go, how many rows wait and since when (UTC). Without a running daemon the health says what the database knows:
    whether a channel is polled at all, it cannot say.
    """

    async def offline(found: Offline) -> list[ChannelLineBody]:
        return [shown(line) for line in found.operations.channels()]

    found, by_daemon = done(config, lambda door: door.get(CHANNELS, list[ChannelLineBody]), offline)
    found = [one for one in found if owner in (None, one.user_id) and not (ill and one.health == "green")]
    if json:
        print_json(found)
        return
    head = ("ID", "ACCOUNT", "NAME", "WECHAT", "HEALTH", "WINDOW", "LEFT", "QUEUED", "WAITING SINCE (UTC)")
    print_table(
        head,
        [
            (
                one.id, one.user_id, one.name + ("*" if one.is_default else ""), one.wechat_openid,
                f"{one.health}: {one.cause}" if one.cause else one.health, one.window, one.left, one.queued,
                one.waiting_since,
            )
            for one in found
        ],
    )  # fmt: skip
    if not by_daemon:
        click.echo("No daemon runs: the health is what the database knows.", err=True)


@channel.command()
@click.argument("channel_id", metavar="CHANNEL_ID", type=Id)
@as_json
@with_settings
def restart(config: Config, channel_id: int, json: bool) -> None:
    """Start a channel's actor anew, one that crashed too often and was parked, too.

    A send in hand is finished first; what waits goes on waiting. It needs a running daemon: without one nothing is
    there to restart, and every channel starts with the daemon.
    """

    async def offline(found: Offline) -> One:
        return One(channel_id)

    try:
        answer, by_daemon = done(config, lambda door: door.post(RESTART, One(channel_id), One), offline)
    except Refused as e:
        fail(f"channel {channel_id}: {e.text}", FAILED)
    if not by_daemon:
        fail("no daemon runs; every channel starts with it", UNAVAILABLE)
    if json:
        print_json(answer)
    else:
        click.echo(f"channel {channel_id}: started anew")


@channel.command()
@click.argument("channel_id", metavar="FROM_CHANNEL_ID", type=Id)
@click.argument("to", metavar="TO_CHANNEL_ID", type=Id)
@as_json
@with_settings
def move(config: Config, channel_id: int, to: int, json: bool) -> None:
    """Give what waits for one channel to another one of the same account.

    For a WeChat that is lost: what it was to get goes to another, in the order of acceptance. A message that is just
    being sent, or that may have arrived, stays. Pushes that come later are not moved: their channel is their sender's
    choice, or the account's default.

    Example: bottalk channel move 3 7
    """

    async def offline(found: Offline) -> Rows:
        return Rows(await found.operations.move(ChannelId(channel_id), ChannelId(to)))

    try:
        answer, _ = done(config, lambda door: door.post(MOVE, Two(channel_id, to), Rows), offline)
    except Refused as e:
        fail(f"channel {channel_id}: {e.text}", FAILED)
    if json:
        print_json(answer)
    else:
        click.echo(f"{answer.rows} rows now wait for channel {to}")


@channel.command()
@click.argument("channel_id", metavar="CHANNEL_ID", type=Id)
@click.option("--yes", is_flag=True, help="Do not ask first.")
@as_json
@with_settings
def drop(config: Config, channel_id: int, yes: bool, json: bool) -> None:
    """Drop what waits for a channel: it is settled as failed/deleted, and never sent.

    A message that is just being sent, or that may have arrived, is past it. It asks first, unless --yes is given.
    """
    if not yes and not click.confirm(f"Drop everything that waits for channel {channel_id}?", err=True):
        fail("nothing was dropped", FAILED)

    async def offline(found: Offline) -> Rows:
        return Rows(await found.operations.drop(ChannelId(channel_id)))

    try:
        answer, _ = done(config, lambda door: door.post(DROP, One(channel_id), Rows), offline)
    except Refused as e:
        fail(f"channel {channel_id}: {e.text}", FAILED)
    if json:
        print_json(answer)
    else:
        click.echo(f"{answer.rows} rows are dropped")
