"""`bottalk demo`: sandbox and daemon by one command; bind, activate, push, and see the text arrive."""

import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import click
import httpx
import trio

from bottalk.cli.exits import FAILED, OK, known_failures
from bottalk.cli.serve import until_signalled
from bottalk.config import Config, load
from bottalk.daemon import Daemon, open_daemon
from bottalk.ops.logging import configure
from bottalk.sandbox.core import Sandbox
from bottalk.sandbox.rules.parameters import DEMO
from bottalk.sandbox.server import serve as serve_sandbox
from bottalk.words import DEFAULT

STEP_S = 15.0
"""Seconds each step may take before the demo says that it failed."""


class DemoFailed(Exception):
    """A step did not do what it should; the text says which."""


@click.command()
@click.option("--once", is_flag=True, help="End after the text has arrived.")
@click.option("--port", default=0, help="TCP port of the daemon [default: a free one].")
def demo(once: bool, port: int) -> None:
    """Show BotTalk at work, without a WeChat account: a sandbox of iLink and the daemon, on free ports.

    A sandbox phone is bound by the same HTTP calls that a browser makes, activated, and sent a push through the public
    API. Then both stay up, and the pages to open are printed. The data is temporary.

    Exit codes: 0 the text has arrived, 1 a step did not do what it should, 73 the port is taken.
    """
    with known_failures(), tempfile.TemporaryDirectory(prefix="bottalk-demo-") as data_dir:
        sys.exit(trio.run(_live, data_dir, port, once))


async def _live(data_dir: str, port: int, once: bool) -> int:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            sandbox = Sandbox(now=time.time, rng=random.Random(), parameters=DEMO)
            upstream = await nursery.start(serve_sandbox, sandbox, "127.0.0.1", 0)
            config = _config(data_dir, port, upstream)
            configure(config)
            async with open_daemon(config) as daemon:
                code = await _show(daemon, upstream, signals, once=once)
            nursery.cancel_scope.cancel()
    return code


def _config(data_dir: str, port: int, upstream: str) -> Config:
    settings = {
        "port": port,
        "data_dir": data_dir,
        "demo": True,
        "ilink.base_url": upstream,
        "ilink.allowed_hosts": ("127.0.0.1",),
        "log_level": "warning",
    }
    return load(environ={}, overrides=settings)


async def _show(daemon: Daemon, upstream: str, signals: AsyncIterator[int], *, once: bool) -> int:
    click.echo(f"BotTalk  {daemon.url}\nSandbox  {upstream}\n")
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=STEP_S) as client:
            send_key = await _walk(client, daemon.url, upstream)
    except (DemoFailed, httpx.HTTPError) as e:
        click.echo(f"The demo failed: {e}", err=True)
        return FAILED
    if not once:
        _invite(daemon.url, upstream, send_key)
        await until_signalled(daemon, signals)
    return OK


async def _walk(client: httpx.AsyncClient, url: str, upstream: str) -> str:
    """Scan, activate, push, read: gives the SendKey. Raises DemoFailed."""
    started = trio.current_time()

    def say(text: str) -> None:
        click.echo(f"{trio.current_time() - started:7.3f} s  {text}")

    code = (await _json(client.post(f"{url}/api/channels/qrcode-public")))["data"]["qrcode"]
    say("QR code asked for")
    user = (await _json(client.post(f"{upstream}/control/users")))["user"]
    await _json(client.post(f"{upstream}/control/codes/{code}/scan", json={"user": user}))
    await _json(client.post(f"{upstream}/control/codes/{code}/confirm"))
    say(f"scanned and confirmed on the phone of {user}")
    bound = await _until(client, f"{url}/api/channels/bind-status-public/{code}", lambda d: "send_key" in d)
    say(f"bound as channel {bound['id']}, SendKey {bound['send_key'][:6]}…")
    await _json(client.post(f"{upstream}/control/users/{user}/write", json={"text": "你好"}))
    await _until(client, f"{url}/api/channels/{bound['id']}/activation", lambda d: d["activated"])
    say("activated: the phone wrote a word to the bot")
    messages = f"{upstream}/control/users/{user}/messages"
    welcome = DEFAULT.welcome.partition("\n")[0]
    await _arrival(client, messages, welcome)
    say(f"on the phone: {welcome} …")
    push = {"title": "BotTalk", "desp": "第一条推送：这条消息先落盘，再发送，结果如实告知。"}
    answer = await _json(client.post(f"{url}/{bound['send_key']}.send", data=push))
    say(f"pushed: code {answer['code']}, {answer['message']}")
    await _arrival(client, messages, push["desp"])
    say(f"on the phone: {push['title']} / {push['desp']}")
    return str(bound["send_key"])


async def _json(call: Awaitable[httpx.Response]) -> Any:  # noqa: ANN401 - JSON
    response = await call
    if response.status_code != 200:
        raise DemoFailed(f"{response.request.url} answered HTTP {response.status_code}: {response.text[:200]}")
    return response.json()


async def _until(client: httpx.AsyncClient, url: str, done: Callable[[Any], bool]) -> Any:  # noqa: ANN401
    """Ask as a page does, until the answer's `data` is what is waited for."""
    with trio.move_on_after(STEP_S):
        while True:
            data = (await _json(client.get(url)))["data"]
            if done(data):
                return data
            await trio.sleep(0.1)
    raise DemoFailed(f"{url} did not get there within {STEP_S:g} s")


async def _arrival(client: httpx.AsyncClient, url: str, text: str) -> None:
    with trio.move_on_after(STEP_S):
        while True:
            if any(text in message["text"] for message in await _json(client.get(url))):
                return
            await trio.sleep(0.05)
    raise DemoFailed(f"the text did not arrive on the phone within {STEP_S:g} s")


def _invite(url: str, upstream: str, send_key: str) -> None:
    click.echo(
        f"\nBoth stay up until Ctrl-C. Open:\n"
        f"  {url}/         the first page: bind another phone\n"
        f"  {upstream}/         the sandbox's phone: read, reply, switch faults on\n\n"
        f"Push to the bound phone:\n"
        f"  curl -d 'title=Hello' -d 'desp=from curl' {url}/{send_key}.send\n"
    )
