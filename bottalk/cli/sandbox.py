"""`bottalk sandbox`: the faithful iLink alone, with a phone to play with."""

import random
import signal
import time

import click
import trio

from bottalk.cli.exits import known_failures
from bottalk.ops.sockets import AddressError
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.server import serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; it has no protection.")
@click.option("--port", default=3100, show_default=True, help="TCP port; 0 takes a free one.")
@click.option("--seed", type=int, help="Seed of its random source, for a run that can be repeated.")
def sandbox(host: str, port: int, seed: int | None) -> None:
    """Run a sandbox of Tencent's iLink, to try BotTalk without a WeChat account.

    Open its page: it shows a phone that scans codes, reads messages, writes replies, and switches faults on. Point a
    daemon at it with:

    BOTTALK_DEMO=1 bottalk serve --ilink-base-url http://127.0.0.1:3100

    Exit codes: 0 ended by SIGTERM or SIGINT, 73 the address cannot be listened on.
    """
    with known_failures():
        trio.run(_live, host, port, random.Random(seed))


async def _live(host: str, port: int, rng: random.Random) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            try:
                url = await nursery.start(serve, Sandbox(now=time.time, rng=rng, parameters=DEMO), host, port)
            except OSError as e:
                why = f"cannot listen on {host} port {port}: {e.strerror}; give another --host or --port"
                raise AddressError(why) from e
            click.echo(f"iLink sandbox on {url}\nThe phone: {url}/")
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break
